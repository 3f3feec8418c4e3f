"""Role cutover and the guards of two real edges: what breaks at one comes back at both, and ends the run in one line."""

from __future__ import annotations

import json
import pathlib
import re

import played
import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.verdicts import Verdicts

from .conftest import until

ROOT = pathlib.Path(__file__).parents[3]
SERVICE = {"name": "app", "group": "shop", "kind": "http", "host": "app.lab", "path": "/health", "port": 80}
SHIFT = ("edge", "shift")


def play(folder, edges, backends, *entries, check=False, lone="", facts=None, **changes):
    """The exit status and what was said of entry points, each a role and its tasks; at O(lone) alone, which is not the first of the play."""
    hosts = {
        name: {
            "edge_config_dir": str(edge.dynamic_dir.parent),
            "edge_state_dir": str(edge.dynamic_dir.parent / "var"),
            "edge_api_port": edge.api,
            "edge_shift_primary": [primary.address],
            "edge_shift_canary": [canary.address],
        }
        for name, edge, primary, canary in zip(("one", "two"), edges, backends[::2], backends[1::2])
    }
    given = {
        "ansible_connection": "local",
        "ansible_async_dir": str(folder / "jobs"),
        "edge_install_dir": str(ROOT / "roles/edge/files"),
        "edge_health_check": {"interval": 1, "timeout": 20},
        "edge_controller_timeout": 0,
        "edge_dead_man": False,
        "edge_analysis": {
            "interval": 2,
            "step_weights": [],
            "metrics": [{"name": "request-success-rate", "threshold_range": {"min": 99}}],
        },
        "edge_shift_service": SERVICE,
        "edge_shift_state": "shifted",
        "cutover_groups": ["shop"],
        "cutover_services": [SERVICE, {"name": "db", "group": "shop", "kind": "postgres", "port": 5432}],
        "cutover_stack": "shop",
        "cutover_swarm_hosts": ["one"],
        "cutover_k3s_addresses": [],
        "cutover_namespace": "shop",
        "cutover_kubeconfig": "/nowhere",
        "cutover_artifacts": str(folder),
        "cutover_seen": {"swarm": "active", "is_manager": False, "services": [], "hostname": "node"},
        "__cutover_cluster": {"resources": []},
        **changes,
    }
    tasks = [
        {"name": "Do", "ansible.builtin.include_role": {"name": f"sophia.replatform.{role}", "tasks_from": entry}}
        for role, entry in entries
    ]
    if lone:
        tasks.insert(0, {"ansible.builtin.meta": "end_host", "when": f"inventory_hostname != '{lone}'"})
    plays = [{"hosts": "edge", "gather_facts": False, "any_errors_fatal": True, "tasks": tasks}]
    options = (*(["--check"] if check else []), *(["-e", json.dumps(facts)] if facts else []))
    ran = played.play(folder, {"edge": {"hosts": hosts, "vars": given}}, plays, *options)
    return ran.code, ran.said


@pytest.fixture(autouse=True)
def no_guard_is_left(edges):
    yield
    for edge in edges:
        (edge.dynamic_dir.parent / "var/traffic/guard.json").unlink(missing_ok=True)


def weight(edge):
    file = json.loads((edge.dynamic_dir / "app.yml").read_text().partition("\n")[2])
    return file["http"]["services"]["app"]["weighted"]["services"][1]["weight"]


def guards(edge):
    """Which guard is wanted, by the file that one that is ended has no more."""
    file = edge.dynamic_dir.parent / "var/traffic/guard.json"
    return json.loads(file.read_text())["id"] if file.exists() else ""


def test_what_breaks_at_one_edge_comes_back_at_both_and_ends_the_run(tmp_path, edges, sides_of_two, traffic):
    begin, look, end = ("cutover", "guard_begin"), ("cutover", "guard_look"), ("cutover", "guard_ended")
    code, said = play(tmp_path, edges, sides_of_two, begin, check=True)
    assert code == 0 and not guards(edges[0]), said
    code, said = play(tmp_path, edges, sides_of_two, SHIFT, begin, look)
    assert code == 0 and [weight(edge) for edge in edges] == [100, 100], said
    first = guards(edges[0])
    code, said = play(tmp_path, edges, sides_of_two, begin, look)
    assert code == 0 and guards(edges[0]) != first and len(re.findall("changed=0", said)) == 2, said
    with traffic(edges[0].web, "app.lab"):
        until(lambda: sides_of_two[1].served > 20)
        sides_of_two[1].fail_every = 2
        until(lambda: weight(edges[0]) == 0)
    assert weight(edges[1]) == 100
    code, said = play(tmp_path, edges, sides_of_two, look)
    assert code != 0 and weight(edges[1]) == 0, said
    # There too it is the way back of a breach, which waits for no session.
    journal = (edges[1].dynamic_dir.parent / "var/journal.jsonl").read_text()
    assert json.loads(journal.splitlines()[-1])["data"]["reason"].startswith("request-success-rate"), journal
    assert re.search(
        r"one: app was brought back to the Swarm at \S+: request-success-rate \S+ % .*; mend it on K3s, then run this phase again",
        said,
    ), said
    sides_of_two[1].fail_every = 0
    code, said = play(tmp_path, edges, sides_of_two, begin, look, SHIFT, look, end)
    assert code == 0 and [weight(edge) for edge in edges] == [100, 100], said
    assert [guards(edge) for edge in edges] == ["", ""]


def test_once_a_store_is_handed_over_what_breaks_stays_and_the_run_says_so(tmp_path, edges, sides_of_two, traffic):
    begin, look = ("cutover", "guard_begin"), ("cutover", "guard_look")
    # Its handover is the first edge's; every edge's guard is told of it.
    stores = {"__cutover_handed_over": [{"name": "db", "kind": "postgres"}], "__cutover_on_swarm": ["db"]}
    code, said = play(tmp_path, edges, sides_of_two, SHIFT, begin)
    assert code == 0, said
    code, said = play(tmp_path, edges, sides_of_two, begin, ("cutover", "stores"), lone="two", facts=stores)
    assert code == 0 and "changed=0" in said and "Tell the guard of db" in said, said
    with traffic(edges[1].web, "app.lab"):
        sides_of_two[3].fail_every = 2
        verdict = edges[1].dynamic_dir.parent / "var/traffic/app.verdict.json"
        until(verdict.exists)
    code, said = play(tmp_path, edges, sides_of_two, look)
    assert code != 0 and [weight(edge) for edge in edges] == [100, 100], said
    assert re.search(
        r"two: app stays on K3s, in breach since \S+: request-success-rate .* \(db is on K3s, or on the way", said
    )
    code, said = play(tmp_path, edges, sides_of_two, ("edge", "guard_ended"))
    assert code == 0 and [guards(edge) for edge in edges] == ["", ""], said


def test_the_run_brings_back_what_a_killed_guard_was_about_to_and_reads_on_beside_an_empty_verdict(
    tmp_path, edges, sides_of_two
):
    alone, begin, look, end = edges[:1], ("cutover", "guard_begin"), ("cutover", "guard_look"), ("edge", "guard_ended")
    verdicts = Verdicts(str(edges[0].dynamic_dir.parent / "var/traffic"))
    code, said = play(tmp_path, alone, sides_of_two, SHIFT, begin)
    assert code == 0 and weight(edges[0]) == 100, said
    verdicts.note_returning("app", "5xx")
    code, said = play(tmp_path, alone, sides_of_two, look)
    assert code != 0 and weight(edges[0]) == 0, said
    assert re.search(r"one: app was brought back to the Swarm at \S+: 5xx; mend it on K3s", said), said
    (edges[0].dynamic_dir.parent / "var/traffic/app.verdict.json").write_text("")
    code, said = play(tmp_path, alone, sides_of_two, look)
    assert code != 0 and "one: app was in breach: its verdict can not be read (" in said, said
    code, said = play(tmp_path, alone, sides_of_two, begin, look, end)
    assert code == 0 and verdicts.read() == [], said
