# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The link between a controller and a real edge is cut in mid-step: nobody is killed, no connection is closed, no packet passes any more."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import socketserver
import subprocess
import sys
import threading

import pytest
import yaml

from tests.unit.edge import netns

from .conftest import until
from .test_breach_real import records
from .test_edge_real import HOST, params, shift

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[2]
PATIENCE_S = 3


class Commands(socketserver.StreamRequestHandler):
    """The host's side of wire.py: its processes have all of the host but the address that they are asked for at."""

    def handle(self):
        asked = json.loads(self.rfile.readline())
        command = ["/bin/sh", "-c", asked["command"]]
        done = subprocess.run(command, input=base64.b64decode(asked["given"]), capture_output=True, check=False)
        out, err = (base64.b64encode(said).decode() for said in (done.stdout, done.stderr))
        self.wfile.write(json.dumps({"status": done.returncode, "out": out, "err": err}).encode() + b"\n")


class Quiet(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, *_args):
        """Nobody reads the answer any more."""


@pytest.fixture(name="network")
def network_fixture():
    """The host's end of a link, where commands are taken, and the controller's."""
    netns.require()
    host, controller = netns.Namespace("edge"), netns.Namespace("controller")
    host.run("ip", "link", "add", "h0", "type", "veth", "peer", "c0", "netns", controller.name)
    for end, device, address in ((host, "h0", netns.HOST), (controller, "c0", netns.CLIENT)):
        end.run("ip", "address", "add", f"{address}/24", "dev", device)
        end.run("ip", "link", "set", device, "up")
    server = host.within(lambda: Quiet((netns.HOST, 0), Commands))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield host, controller, server.server_address[1]
    server.shutdown()
    server.server_close()
    host.end()
    controller.end()


def play(tmp_path, controller, port, options):
    """A controller in a namespace of its own, which shifts by one task of a play."""
    task = {"name": "Shift", "sophia.replatform.traffic_shift": {k: v for k, v in options.items() if v is not None}}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "edge", "gather_facts": False, "tasks": [task]}]))
    reached = {"ansible_connection": "wire", "ansible_host": netns.HOST, "ansible_port": port}
    host = {**reached, "ansible_python_interpreter": sys.executable, "ansible_async_dir": str(tmp_path / "jobs")}
    (tmp_path / "hosts.json").write_text(json.dumps({"edge": {"hosts": {"one": host}}}))
    program = pathlib.Path(sys.executable).with_name("ansible-playbook")
    # Only its network is another one: ip netns exec would take /sys along.
    command = ["nsenter", f"--net=/run/netns/{controller.name}", program, "-i", tmp_path / "hosts.json"]
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_CONNECTION_PLUGINS": str(HERE / "wire"),
        "ANSIBLE_FORCE_COLOR": "0",
    }
    return subprocess.Popen(
        [*command, tmp_path / "play.yml"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )


def weight(edge):
    return json.loads("\n".join((edge.dynamic_dir / "app.yml").read_text().splitlines()[1:]))["http"]["services"][
        "app"
    ]["weighted"]["services"][1]["weight"]


def test_the_edge_puts_the_last_safe_weight_back_and_the_next_run_goes_on(edge, sides, traffic, tmp_path, network):
    host, controller, port = network
    shift(edge, sides, state="present")
    options = params(edge, sides, interval=600, controller_timeout=PATIENCE_S)
    del options["controller_sign"]
    with traffic(edge.web, HOST) as requests:
        run = play(tmp_path, controller, port, options)
        until(lambda: "step_left_s" in (edge.state_dir / "app.progress.json").read_text())
        assert weight(edge) == 50
        host.run("ip", "link", "set", "h0", "down")
        until(lambda: weight(edge) == 0)
        until(lambda: records(edge, "weight"))
        reason = records(edge, "weight")[-1]["data"]["reason"]
        assert "no sign of the controller for" in reason
        assert "the last safe weight 0 of service 'app' was written back and is in effect" in reason
        # It ends by itself too, and doesn't take the silence for success.
        said, _none = run.communicate()
        assert run.returncode != 0 and "the host can't be reached" in said, said
        host.run("ip", "link", "set", "h0", "up")
        assert shift(edge, sides)["weight"] == 100
    assert requests.failed == 0


def test_a_cut_that_is_shorter_than_the_patience_is_not_noticed(edge, sides, tmp_path, network):
    host, controller, port = network
    shift(edge, sides, state="present")
    options = params(edge, sides, interval=6, step_weights=[], controller_timeout=60)
    del options["controller_sign"]
    run = play(tmp_path, controller, port, options)
    until(lambda: "step_left_s" in (edge.state_dir / "app.progress.json").read_text())
    host.run("ip", "link", "set", "h0", "down")
    progress = (edge.state_dir / "app.progress.json").read_text()
    until(lambda: (edge.state_dir / "app.progress.json").read_text() != progress)
    host.run("ip", "link", "set", "h0", "up")
    said, _none = run.communicate()
    assert run.returncode == 0 and weight(edge) == 100, said
