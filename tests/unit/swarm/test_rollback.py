"""The way back of each phase, as a person runs it, up to where it would touch a host."""

from __future__ import annotations

import http.server
import json
import pathlib
import threading

import played
import pytest

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[3]
SERVICES = [
    {"name": "web", "group": "shop", "kind": "http", "port": 80},
    {"name": "feed", "group": "shop", "kind": "tcp", "port": 9010},
    {"name": "db", "group": "shop", "kind": "postgres", "port": 5432},
]


def play(folder, inventory, playbook, *options):
    ran = played.play(folder, inventory, playbook, *options)
    return ran.code, ran.said


@pytest.mark.parametrize("options", [(), ("-e", "phase=phase2"), ("-e", "phase=retirement")])
def test_a_phase_that_is_none_is_refused_before_any_host_is_asked(tmp_path, options):
    inventory = {"swarm_manager": {"hosts": {"m1": None}}, "edge": {}}
    code, output = play(tmp_path, inventory, ROOT / "playbooks/rollback.yml", *options)
    assert code != 0
    assert "is none; give the phase to go back from, the last one first: -e phase=cutover" in output
    assert "PLAY [What is left of the Swarm]" not in output


@pytest.fixture(name="edge")
def edge_fixture():
    """An edge whose API tells the weights that are in C(weights); C(url) is its address."""

    class Api(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name, weights = ("feed", edge.tcp_weights) if "/tcp/" in self.path else ("web", edge.weights)
            sides = [{"name": f"{name}-{side}", "weight": weight} for side, weight in weights.items()]
            found = [
                {"name": f"{name}@file", "status": "enabled", "weighted": {"services": sides}},
                {"name": "api@internal"},
            ]
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        def log_message(self, *_args):
            pass

    edge = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    edge.weights = edge.tcp_weights = {"swarm": 100, "k3s": 0}
    edge.url = f"http://127.0.0.1:{edge.server_port}"
    threading.Thread(target=edge.serve_forever, daemon=True).start()
    yield edge
    edge.shutdown()
    edge.server_close()


def unused(folder, edge, running=1, required=False):
    """The gate before K3s is taken away, with what one manager said of the Swarm."""
    seen = {
        "swarm": "active",
        "is_manager": True,
        "services": [{"name": service["name"], "running": running} for service in SERVICES],
    }
    variables = {
        "ansible_connection": "local",
        "cutover_seen": seen,
        "cutover_groups": ["shop"],
        "cutover_services": SERVICES,
        "cutover_stack": "shop",
        "cutover_swarm_hosts": ["m1"],
        "cutover_k3s_addresses": [],
        "cutover_namespace": "shop",
        "cutover_kubeconfig": str(folder / "none"),
        "cutover_artifacts": str(folder),
        "cutover_edge_api": edge.url,
        "cutover_cluster_required": required,
    }
    inventory = {"all": {"hosts": {"m1": None}, "vars": variables}}
    role = {"name": "sophia.replatform.cutover", "tasks_from": "unused"}
    tasks = [{"ansible.builtin.include_role": role}, {"ansible.builtin.assert": {"that": "cutover_unused"}}]
    return play(folder, inventory, [{"hosts": "m1", "gather_facts": False, "tasks": tasks}])


def test_k3s_may_go_when_it_serves_nothing(tmp_path, edge):
    code, output = unused(tmp_path, edge)
    assert code == 0, output


def test_k3s_may_not_go_while_it_gets_traffic(tmp_path, edge):
    edge.weights = {"swarm": 90, "k3s": 10}
    code, output = unused(tmp_path, edge)
    assert code != 0
    assert "web get traffic on K3s; bring it back first: playbooks/rollback.yml -e phase=cutover" in output


def test_k3s_may_not_go_while_it_gets_tcp_connections(tmp_path, edge):
    edge.tcp_weights = {"swarm": 90, "k3s": 10}
    code, output = unused(tmp_path, edge)
    assert code != 0
    assert "feed get traffic on K3s; bring it back first" in output


def test_after_the_retirement_the_way_back_is_named(tmp_path, edge):
    code, output = unused(tmp_path, edge, running=0)
    assert code != 0
    assert "playbooks/swarm_restore.yml first, which makes them as they were kept" in output
    assert 'docs/phase4-cutover.md, "After the retirement"' in output
    assert "## After the retirement" in (ROOT / "docs/phase4-cutover.md").read_text()


def test_a_cluster_that_cannot_say_who_has_the_data_is_no_proof(tmp_path, edge):
    code, output = unused(tmp_path, edge, required=True)
    assert code != 0
    assert "cutover_unused" not in output


def shift_back(folder, *options, **variables):
    """Traffic alone, up to where it would touch an edge."""
    every = {
        "edge_services": [SERVICES[0]],
        "cutover_services": SERVICES,
        "cutover_namespace": "shop",
        "cutover_kubeconfig": str(folder / "none"),
        **variables,
    }
    return play(folder, {"all": {"vars": every}, "edge": {}}, ROOT / "playbooks/shift_back.yml", *options)


@pytest.mark.parametrize("options", [(), ("-e", "service=db"), ("-e", "service=webb")])
def test_traffic_of_a_service_that_the_edge_does_not_have_can_not_go_back(tmp_path, options):
    code, output = shift_back(tmp_path, *options)
    assert code != 0
    assert "is none; give -e service= all, or one of web" in output


def test_where_the_cluster_does_not_answer_a_person_says_where_the_stores_are(tmp_path):
    code, output = shift_back(tmp_path, "-e", "service=all")
    assert code != 0
    assert "nobody can say where the stores are: give -e stores_on_swarm=true" in output
    code, output = shift_back(tmp_path, "-e", "service=all", "-e", "stores_on_swarm=true")
    assert code == 0, output
