"""Role edge's takeover on a host in a network namespace, with the real nftables and systemctl that only answers."""

from __future__ import annotations

import http.server
import json
import pathlib
import re
import subprocess
import sys
import threading

import pytest
import yaml

from . import netns

pytestmark = pytest.mark.slow

PLAY = [
    {
        "hosts": "edge",
        "gather_facts": False,
        "tasks": [
            {"name": "Go", "ansible.builtin.include_role": {"name": "sophia.replatform.edge", "tasks_from": "takeover"}}
        ],
    }
]
GIVE_BACK = netns.ROOT / "playbooks/edge_give_back.yml"
SYSTEMCTL = """#!/bin/sh
echo "$*" >> "$(dirname "$0")/asked"
case "$*" in show*) echo "${NEED_RELOAD:-no}";; esac
"""


def prepared(tmp_path):
    host = netns.Host(tmp_path)
    for name in ("bin", "edge", "state"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin/systemctl").write_text(SYSTEMCTL)
    (tmp_path / "bin/systemctl").chmod(0o755)
    (tmp_path / "edge.service").write_text("")
    (tmp_path / "play.yml").write_text(yaml.safe_dump(PLAY))
    return host


@pytest.fixture
def host(tmp_path):
    netns.require()
    made = prepared(tmp_path)
    made.serve("swarm", 80)
    made.serve("edge", 8081)
    yield made
    made.end()


def play(host, tmp_path, playbook="play.yml", *arguments, need_reload="no", **changes):
    """What ansible-playbook said, and how much it counted as changed."""
    settings = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ansible_become": False,
        "edge_config_dir": str(tmp_path / "edge"),
        "edge_install_dir": str(tmp_path / "bin"),
        "edge_state_dir": str(tmp_path / "state"),
        "edge_http_port": 8081,
        "edge_user": "root",
        "edge_takeover": [{"port": 80, "to_port": 8081}],
        **changes,
    }
    (tmp_path / "hosts.json").write_text(json.dumps({"edge": {"hosts": {"one": settings}}}))
    command = [str(pathlib.Path(sys.executable).with_name("ansible-playbook")), "-i", str(tmp_path / "hosts.json")]
    command += ["-e", f"__edge_unit={tmp_path}/edge.service", *arguments, str(tmp_path / playbook)]
    environment = netns.environment()
    environment |= {
        "ANSIBLE_CONFIG": str(netns.ROOT / "ansible.cfg"),
        "ANSIBLE_FORCE_COLOR": "0",
        "PATH": f"{tmp_path}/bin:{environment['PATH']}",
        "NEED_RELOAD": need_reload,
    }
    run = subprocess.run(
        [netns.IP, "netns", "exec", host.namespace.name, *command],
        env=environment, cwd=netns.ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    recap = re.search(r"^one +: .*changed=(\d+) .*failed=(\d+)", run.stdout, re.MULTILINE)
    assert recap, run.stdout + run.stderr
    return run.stdout, int(recap[1]), int(recap[2])


def ask(host):
    return host.outside.within(lambda: netns.ask(netns.HOST, 80))


def test_there_again_and_back(host, tmp_path):
    said, changed, failed = play(host, tmp_path, "play.yml", "--check", "--diff")
    assert (changed, failed) == (2, 0), said
    assert ask(host) == "swarm" and not (tmp_path / "edge.service.d").exists()
    said, changed, failed = play(host, tmp_path, need_reload="yes")
    assert (changed, failed) == (2, 0), said
    assert ask(host) == "edge"
    assert "daemon-reload" in (tmp_path / "bin/asked").read_text()
    assert "restart" not in (tmp_path / "bin/asked").read_text()
    assert play(host, tmp_path)[1:] == (0, 0)
    said, changed, failed = play(host, tmp_path, GIVE_BACK)
    assert (changed, failed) == (2, 0), said
    assert ask(host) == "swarm"
    assert play(host, tmp_path, GIVE_BACK)[1:] == (0, 0)
    assert [p.name for p in (tmp_path / "edge").iterdir()] == []
    assert [p.name for p in (tmp_path / "edge.service.d").iterdir()] == []
    steps = [json.loads(line)["step"] for line in (tmp_path / "state/journal.jsonl").read_text().splitlines()]
    assert steps[::2] == ["redirect", "keep_for_boot", "forget_at_boot", "release", "remove_table"]


def test_a_port_that_the_edge_does_not_listen_on_is_refused_by_its_variable(host, tmp_path):
    said, changed, failed = play(host, tmp_path, edge_takeover=[{"port": 443, "to_port": 8443}])
    assert (changed, failed) == (0, 1)
    assert "edge_takeover: port 443 is to go to 8443, but the edge listens on 8081" in " ".join(said.split())


@pytest.fixture
def web(tmp_path):
    """The host with HTTP servers, the Swarm's and the edge."""
    netns.require()
    made = prepared(tmp_path)
    servers = [netns.HttpServer(made.namespace, "swarm", 80), netns.HttpServer(made.namespace, "edge", 8081)]
    yield made, *servers
    for server in (*servers, made):
        server.end()


def test_the_playbook_asks_every_route_where_clients_ask(web, tmp_path):
    host, swarm, edge = web
    (_read, serve) = yaml.safe_load((netns.ROOT / "playbooks/edge.yml").read_text())
    wanted = ["Take over the ports that the Swarm holds", "Wait until every route answers where clients ask"]
    tasks = [task for task in serve["tasks"][-1]["block"] if task["name"] in wanted]
    assert [task["name"] for task in tasks] == wanted
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "edge", "gather_facts": False, "tasks": tasks}]))
    services = [{"name": "app", "host": "app.test", "path": "/"}]
    said, changed, failed = play(host, tmp_path, edge_user="nobody", edge_services=services)
    assert (changed, failed) == (2, 0), said
    records = [json.loads(line) for line in (tmp_path / "state/journal.jsonl").read_text().splitlines()]
    assert {record["phase"] for record in records} == {"cluster"}
    assert (swarm.asked, edge.asked) == (0, 1), said


def unit_lines(tmp_path, setting):
    """The commands of the drop-in, as words."""
    text = (tmp_path / "edge.service.d/takeover.conf").read_text()
    lines = re.findall(rf"^{setting}=-\+(.*)$", text, re.MULTILINE)
    return [re.findall(r'"[^"]*"|\S+', line) for line in lines]


def test_the_unit_gives_back_at_its_end_and_takes_over_when_the_routes_are_known(host, tmp_path):
    play(host, tmp_path, "play.yml", "-e", "__edge_nft=nft")
    for setting in ("ExecStop", "ExecStopPost"):
        (command,) = unit_lines(tmp_path, setting)
        host.namespace.run(*[word.strip('"') for word in command])
        assert ask(host) == "swarm"
    answers = [[], [{"provider": "internal"}], [{"provider": "internal"}, {"provider": "file"}]]

    class Api(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            assert ask(host) == "swarm", "not before the routes are known"
            body = json.dumps(answers.pop(0) if self.path.startswith("/api/http/routers") else []).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args):
            pass

    api = host.namespace.within(lambda: http.server.HTTPServer(("127.0.0.1", 8099), Api))
    threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    (command,) = unit_lines(tmp_path, "ExecStartPost")
    nft = host.namespace.run("sh", "-c", "command -v nft").strip()
    host.namespace.run(*command[:-1], nft)
    api.shutdown()
    api.server_close()
    assert answers == []
    assert ask(host) == "edge"
    assert play(host, tmp_path, "play.yml", "-e", "__edge_nft=nft")[1:] == (0, 0)
    (tmp_path / "edge/takeover.nft").unlink()
    assert host.namespace.run(*command[:-1], nft) == "", "nothing is taken over, nothing is waited for"
