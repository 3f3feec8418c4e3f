"""Role edge at a real Traefik that was there before it, and what it says to one that it can not work with."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import threading

import pytest

from .authority import Authority
from .role_play import Play, contents

pytestmark = pytest.mark.slow

OTHER = """http:
  routers: {{other: {{rule: 'Host(`other.lab`)', service: other}}}}
  services: {{other: {{loadBalancer: {{servers: [{{url: 'http://{}'}}]}}}}}}
"""


@pytest.fixture
def play(edge, sides, tmp_path):
    (edge.dynamic_dir / "other.yml").write_text(OTHER.format(sides[0].address))
    return Play(
        tmp_path,
        edge_state="adopted",
        edge_dynamic_dir=str(edge.dynamic_dir),
        edge_api_url=edge.api_url,
        edge_http_port=edge.web,
        edge_https_port=edge.secure,
        edge_entry_points=["web", "websecure"],
        edge_shift_primary=[sides[0].address],
        edge_shift_canary=[sides[1].address],
    )


def ask(edge, host):
    connection = http.client.HTTPConnection("127.0.0.1", edge.web, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", "/", headers={"Host": host})
        return connection.getresponse().read()


def test_there_and_back_at_a_traefik_of_another_hand(edge, sides, traffic, tmp_path, play):
    authority = Authority(tmp_path)
    cert, key = authority.sign("edge", "app.lab")
    (edge.dynamic_dir / "tls.yml").write_text(f"tls: {{certificates: [{{certFile: {cert}, keyFile: {key}}}]}}\n")
    theirs = contents(edge.dynamic_dir), (tmp_path / "traefik.yml").read_bytes(), edge.process.pid
    ours = ["main", "shift", "answers", "takeover"]

    foreseen = play(*ours, check=True)
    assert foreseen.failed == 0 and foreseen.changed > 0, foreseen.said
    assert (
        contents(edge.dynamic_dir) == theirs[0] and not (tmp_path / "var").exists() and not (tmp_path / "lib").exists()
    )
    made = play(*ours)
    assert made.failed == 0 and made.changed > 0, made.said
    assert play(*ours)[1:] == (0, 0)
    over_tls = {"edge_answers_tls": True, "edge_answers_ca_file": str(authority.file)}
    assert play("answers", **over_tls)[1:] == (0, 0)

    with traffic(edge.web, "app.lab") as plain, traffic(edge.secure, "app.lab", authority.file) as secure:
        there = play("shift", edge_shift_state="shifted")
        back = play("shift", edge_shift_state="rolled_back")
    assert (there.failed, back.failed) == (0, 0), there.said + back.said
    assert (plain.failed, secure.failed) == (0, 0)
    assert {side for _status, side in secure.answers} == {side for _status, side in plain.answers} == {"swarm", "k3s"}
    steps = [json.loads(line) for line in (tmp_path / "var/journal.jsonl").read_text().splitlines()]
    weights = [s["data"] for s in steps if s["step"] == "weight" and s["event"] == "ok"]
    assert [(step["weight"], step["failed"]) for step in weights] == [(50, 0), (100, 0), (0, 0)]

    assert ask(edge, "other.lab") == b"swarm"
    written = set(contents(edge.dynamic_dir)) - set(theirs[0])
    assert written == {"app.yml", ".app.yml.room"}
    assert {**contents(edge.dynamic_dir), **theirs[0]} == contents(edge.dynamic_dir)
    assert ((tmp_path / "traefik.yml").read_bytes(), edge.process.pid, edge.process.poll()) == (*theirs[1:], None)


def test_a_router_that_ends_tls_by_itself_is_seen_in_effect(edge, play):
    (edge.dynamic_dir / "options.yml").write_text("tls: {options: {modern: {minVersion: VersionTLS13}}}\n")
    tls = {"edge_router_tls": {"options": "modern"}, "edge_entry_points": ["websecure"]}
    made = play("main", "shift", **tls)
    assert made.failed == 0, made.said
    assert '"options": "modern"' in (edge.dynamic_dir / "app.yml").read_text()
    assert play("main", "shift", **tls)[1:] == (0, 0)
    before = (edge.dynamic_dir / "app.yml").read_text()
    unknown = play("shift", **{**tls, "edge_router_tls": {"options": "nowhere"}})
    assert unknown.failed == 1 and "Traefik does not take the change of service 'app'" in unknown.said
    assert (edge.dynamic_dir / "app.yml").read_text() == before


REFUSED = [
    ({"edge_dynamic_dir": ""}, "edge_state adopted needs edge_dynamic_dir"),
    ({"edge_api_url": "https://127.0.0.1:8080/x"}, "edge_state adopted needs edge_dynamic_dir"),
    ({"edge_dynamic_dir": "/nowhere"}, "edge_dynamic_dir /nowhere is no folder on this host"),
    ({"edge_api_url": "http://127.0.0.1:9"}, "edge_api_url http://127.0.0.1:9 must be the API of a running Traefik 3"),
    ({"edge_entry_points": ["web", "public"]}, "has no entry point public, it has"),
    ({"edge_services": [{"name": "db", "kind": "tcp", "port": 7}]}, "has no entry point tcp-7, it has"),
    ({"edge_config_dir": "/tmp"}, "lies in /tmp, which edge_state absent takes away"),
    ({"edge_config_dir": "/tmp", "edge_state": "absent"}, "lies in /tmp, which edge_state absent takes away"),
]


def test_bad_settings_are_refused_by_name_and_nothing_changes(edge, play, tmp_path):
    before = contents(edge.dynamic_dir)
    runs = play.at_each({f"host{number}": changes for number, (changes, _says) in enumerate(REFUSED)}, "main")
    for run, (_changes, says) in zip(runs.values(), REFUSED, strict=True):
        assert (run.changed, run.failed) == (0, 1) and says in run.said, run.said
    run = play("takeover", edge_takeover=[{"port": 80, "to_port": 81}])
    assert (run.changed, run.failed) == (0, 1) and "edge_takeover must be empty with edge_state adopted" in run.said
    assert contents(edge.dynamic_dir) == before and not (tmp_path / "var").exists() and not (tmp_path / "lib").exists()


def test_the_roles_own_edge_is_not_adopted(play, tmp_path):
    (tmp_path / "edge.service").write_text("")
    run = play("main")
    assert (run.changed, run.failed) == (0, 1) and "this host has the role's own edge" in run.said, run.said


GOOD = {
    "/api/version": {"Version": "3.7.15"},
    "/api/overview": {"providers": ["Docker", "File"]},
    "/api/entrypoints": [{"name": "web"}],
    "/api/http/routers?per_page=10000": [],
    "/metrics": 'traefik_config_last_reload_success 1.7e+09\ntraefik_entrypoint_requests_total{code="200",entrypoint="web"} 3\n'
    'traefik_service_requests_total{code="200",service="a@docker"} 3\n',
}
UNCOUNTED = GOOD["/metrics"].replace("traefik_service", "traefik_other")


ROUTERS = "/api/http/routers?per_page=10000"
RIVAL = {"name": "shop@swarm", "rule": "Host(`app.lab`)", "priority": 15, "entryPoints": ["web"]}
LACKING = [
    ({ROUTERS: [RIVAL]}, "Traefik's router shop@swarm has the rule and entry point of service app (edge_services)"),
    ({ROUTERS: [{**RIVAL, "priority": 1}]}, ""),
    ({ROUTERS: [{**RIVAL, "entryPoints": ["other"]}]}, ""),
    ({ROUTERS: [{**RIVAL, "name": "app@file"}, {**RIVAL, "name": "web-app@file"}]}, ""),
    ({ROUTERS: [{**RIVAL, "rule": "Host(`app.lab`) && PathPrefix(`/a`)"}]}, ""),
    ({"/api/version": {"Version": "2.11.0"}}, "must be the API of a running Traefik 3"),
    ({"/api/version": "<html>"}, "must be the API of a running Traefik 3"),
    ({"/api/overview": {"providers": ["Swarm"]}}, "has no file provider (it has Swarm)"),
    ({"/metrics": None}, "does not count the requests of each service (status 404)"),
    ({"/metrics": UNCOUNTED}, "addServicesLabels true"),
    ({"/metrics": UNCOUNTED.replace('code="200"', 'code="404"')}, ""),
    ({}, ""),
]


class Api(http.server.ThreadingHTTPServer):
    """Answers as a Traefik's API would, by path; with 404 what has no answer."""

    def __init__(self, answers):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                answer = answers.get(self.path)
                self.send_response(404 if answer is None else 200)
                self.send_header("Content-Type", "text/plain" if isinstance(answer, str) else "application/json")
                self.end_headers()
                self.wfile.write((answer if isinstance(answer, str) else json.dumps(answer)).encode())

            def log_message(self, *_args):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


def test_a_traefik_that_can_not_be_worked_with_is_refused_by_what_it_lacks(tmp_path):
    (tmp_path / "watched").mkdir()
    play = Play(tmp_path, edge_state="adopted", edge_dynamic_dir=str(tmp_path / "watched"))
    servers = [Api({**GOOD, **changes}) for changes, _says in LACKING]
    hosts = {
        f"host{number}": {
            "edge_api_url": f"http://127.0.0.1:{server.server_address[1]}",
            "edge_state_dir": str(tmp_path / f"var{number}"),
            "edge_install_dir": str(tmp_path / f"lib{number}"),
        }
        for number, server in enumerate(servers)
    }
    runs = play.at_each(hosts, "main")
    for server in servers:
        server.shutdown()
        server.server_close()
    for number, (run, (_changes, says)) in enumerate(zip(runs.values(), LACKING, strict=True)):
        assert run.failed == bool(says) and says in run.said, run.said
        assert (tmp_path / f"var{number}").exists() != bool(says)
