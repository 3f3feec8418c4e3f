"""The Swarm may retire only when nobody has asked it for a while: whole plays against an edge whose counters are ours."""

from __future__ import annotations

import http.server
import json
import pathlib
import threading
import typing as t

import played
import pytest

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[3]
SERVICES = [{"name": "web", "group": "shop", "kind": "http", "port": 80}]
PROVEN = {"ansible.builtin.debug": {"msg": "{{ inventory_hostname }} proven {{ cutover_proven | default(false) }}"}}
NOBODY: dict[str, t.Any] = {"looked": True, "asked": [], "inside": [], "idle": [], "item": {"item": "node"}}
WATCHED: dict[str, t.Any] = {"requests": {}, "connections": {}, "watched_s": 60}
METRICS = (
    "process_start_time_seconds 1\ntraefik_config_last_reload_success 1\n"
    'traefik_service_requests_total{code="200",method="GET",protocol="http",service="web-swarm@file"} 7\n'
)
ASKED = {"service": "web", "port": 8001, "protocol": "tcp", "source": "198.51.100.7", "connections": 3}


@pytest.fixture(name="edge")
def edge_fixture() -> t.Iterator[t.Any]:
    """An edge that has sent nothing to the Swarm for a while; C(asked) has how often it was asked for what."""

    class Api(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            edge.asked[self.path.split("?")[0]] = edge.asked.get(self.path.split("?")[0], 0) + 1
            sides = [{"name": "web-swarm", "weight": 0}, {"name": "web-k3s", "weight": 100}]
            body = {
                "/api/http/services": json.dumps(
                    [{"name": "web@file", "status": "enabled", "weighted": {"services": sides}}]
                ),
                "/api/tcp/services": "[]",
                "/metrics": METRICS,
            }[self.path.split("?")[0]]
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_args: object) -> None:
            pass

    edge: t.Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    edge.asked = {}
    edge.url = f"http://127.0.0.1:{edge.server_port}"
    threading.Thread(target=edge.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield edge
    edge.shutdown()
    edge.server_close()


def play(folder: pathlib.Path, hosts: dict[str, t.Any], tasks: list[t.Any]) -> tuple[int, str]:
    """The exit status and what was said. No host is a manager, so no Engine is asked."""
    given = {
        "ansible_connection": "local",
        "ansible_async_dir": str(folder / "jobs"),
        "cutover_seen": {"swarm": "active", "is_manager": False, "services": [], "hostname": "node"},
        "cutover_groups": ["shop"],
        "cutover_services": SERVICES,
        "cutover_stack": "shop",
        "cutover_swarm_hosts": ["c1"],
    }
    plays = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
    ran = played.play(folder, {"all": {"hosts": hosts, "vars": given}}, plays, "-f", "1")
    return ran.code, ran.said


def role(tasks: str) -> dict[str, t.Any]:
    return {"ansible.builtin.include_role": {"name": "sophia.replatform.cutover", "tasks_from": tasks}}


def test_a_swarm_that_nobody_asks_may_retire(tmp_path: pathlib.Path, edge: t.Any) -> None:
    hosts = {"c1": {"cutover_edge_api": edge.url, "cutover_quiet": 1}}
    code, output = play(tmp_path, hosts, [role("quiet"), PROVEN])
    assert code == 0 and "c1 proven True" in output, output
    assert "in 1 s the edge has asked nothing on the Swarm; its ports were watched on" in output
    assert "changed=0" in output and edge.asked["/metrics"] >= 3
    assert not list((tmp_path / "jobs").iterdir())


def test_what_went_back_meanwhile_is_named_and_nothing_retires(tmp_path: pathlib.Path, edge: t.Any) -> None:
    state = tmp_path / "traffic"
    state.mkdir()
    broken = {"service": "web", "reason": "slow", "stays": "", "time": "2026-11-29T07:30:00.000Z"}
    (state / "web.verdict.json").write_text(json.dumps(broken))
    hosts = {"c1": {"cutover_edge_api": edge.url, "cutover_quiet": 1, "edge_state_dir": str(tmp_path)}}
    code, output = play(tmp_path, hosts, [role("quiet"), PROVEN])
    assert code != 0 and "c1 proven" not in output, output
    # The edge of this test has no route that could be brought back.
    assert (
        "c1: web was brought back to the Swarm at 2026-11-29T07:30:00.000Z: slow; it is not back at every edge"
        in output
    )
    assert "; mend it on K3s, then run this phase again" in output


def verdict(
    seen: dict[str, t.Any] | None = None, watched: dict[str, t.Any] | None = None, **more: t.Any
) -> dict[str, t.Any]:
    return {
        "__cutover_watched": {**WATCHED, **(watched or {})},
        "__cutover_ports_seen": {"results": [{**NOBODY, **(seen or {})}]},
        **more,
    }


def service(node: str, *ports: tuple[int | None, str]) -> dict[str, t.Any]:
    published = [{"published": port, "protocol": "tcp", "mode": mode} for port, mode in ports]
    return {"name": "web", "tasks": [{"node": node}], "ports": published}


HOSTS = {
    "requests": verdict(watched={"requests": {"web": 3, "api": 1}, "connections": {"db": 2}}),
    "past": verdict({"asked": [ASKED]}),
    "warned": verdict({"asked": [ASKED]}, cutover_quiet_past_edge="warn"),
    "idle": verdict({"idle": [ASKED]}),
    "inside": verdict({"inside": [ASKED]}),
    "blind": verdict({"looked": False}),
    "unwatched": {"cutover_quiet": 0},
    "ports": {
        "__cutover_published": {
            "services": [
                service("node", (8001, "host"), (None, "ingress")),
                service("other", (8002, "host"), (8003, "ingress")),
            ],
            "nodes": [{"address": "192.0.2.11"}, {"address": "192.0.2.12"}],
        },
        "__cutover_asking": {"sources": ["192.0.2.10"]},
        "cutover_quiet_exempt_sources": ["198.51.100.0/24"],
        "item": "ports",
    },
}
SAID = [
    "api, web, db were asked on the Swarm 6 times in the last 60 s: api 1, web 3, db 2; such requests or sessions",
    "web (8001/tcp on node) 3 times by 198.51.100.7: these clients went past the edge to the Swarm in the last 60 s",
    'ok: [warned] => { "msg": "web (8001/tcp on node) 3 times by 198.51.100.7',
    "open, and idle all the time, were connections: web (8001/tcp on node) 3 times by",
    "containers and pods of its own hosts ask there: web (8001/tcp on node)",
    "its ports were watched on no host, and nobody can say who asks those on node",
    "cutover_quiet is 0, so nobody has looked whether the Swarm is still asked",
    "unwatched proven True",
    "[8001, 8003] ['192.0.2.10', '192.0.2.11', '192.0.2.12', '198.51.100.0/24']",
]


def test_what_has_been_seen_is_judged(tmp_path: pathlib.Path) -> None:
    ports = {"msg": "{{ __cutover_ports | map(attribute='port') | list }} {{ __cutover_exempt }}"}
    tasks = [
        {**role("quiet_verdict"), "when": "__cutover_watched is defined"},
        # What a role is made of is known within it alone.
        {"ansible.builtin.import_role": {"name": "sophia.replatform.cutover", "tasks_from": "result"}, "when": False},
        {"ansible.builtin.debug": ports, "when": "inventory_hostname == 'ports'"},
        {**role("quiet"), "when": "inventory_hostname == 'unwatched'"},
        PROVEN,
    ]
    _code, output = play(tmp_path, HOSTS, tasks)
    for said in SAID:
        assert said in output, output
    for host in HOSTS:
        failed = host in ("requests", "past")
        assert f"[{host}]: FAILED!" in output if failed else f"{host} proven" in output, output
