"""Every edge and its guard take part in what is done to a store: none is handed over while one of them sends traffic to the other side."""

from __future__ import annotations

import json

import played
import pytest

pytestmark = pytest.mark.slow

SERVICES = [
    {"name": "app", "group": "shop", "kind": "http", "port": 80},
    {"name": "disk", "group": "shop", "kind": "files", "port": 81},
]
VERDICT = {"service": "app", "reason": "5xx", "time": "now", "stays": "", "returning": False}
SETTINGS = {
    "ansible_connection": "local",
    "cutover_seen": {"swarm": "active", "is_manager": True, "hostname": "node", "services": [{"name": "disk"}]},
    "cutover_swarm_hosts": ["one"],
    "cutover_groups": ["shop"],
    "cutover_services": SERVICES,
    "cutover_stack": "shop",
    "cutover_k3s_addresses": ["192.0.2.9"],
    "cutover_namespace": "shop",
    "cutover_kubeconfig": "/nonexistent",
    "cutover_artifacts": "/nonexistent",
    "__cutover_handed_over": [SERVICES[1]],
}


def tasks(*facts, say=""):
    said = [{"name": "Say", "ansible.builtin.debug": {"msg": f"{say} of {{{{ inventory_hostname }}}}"}}] if say else []
    return json.dumps([*({"name": "Note", "ansible.builtin.set_fact": fact} for fact in facts), *said])


@pytest.fixture(name="roles", autouse=True)
def roles_fixture(tmp_path):
    """The role as it is, with guards that find nothing until they are to end, and then have brought a service back."""
    ours = played.collection(tmp_path, {}, "plugins", "meta", "galaxy.yml", "roles/cutover")
    told = {"guarded_by": "one", "no_way_back": {}}
    files = {
        "edge/tasks/guard_asked.yml": tasks({"edge_guard": {**told, "verdicts": []}}),
        "edge/tasks/guard.yml": tasks({"edge_guard": {**told, "verdicts": [VERDICT]}}),
        "edge/tasks/guard_ended.yml": tasks({"edge_guard": {**told, "verdicts": [VERDICT]}}),
        "edge/tasks/shift_back.yml": tasks(say="back"),
        "data_handover/tasks/main.yml": tasks(say="handover"),
    }
    for path, text in files.items():
        file = ours / "roles" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return ours / "roles"


def play(folder, entry):
    """The exit status of an entry point of role cutover on two edges, and what was said."""
    role = {"name": "sophia.replatform.cutover", "tasks_from": entry}
    after = {"name": "Next", "ansible.builtin.debug": {"msg": "what comes after it"}}
    given = {
        "hosts": "edge",
        "gather_facts": False,
        "any_errors_fatal": True,
        "tasks": [{"name": "Do", "ansible.builtin.include_role": role}, after],
    }
    ran = played.play(folder, {"edge": {"hosts": {"one": SETTINGS, "two": SETTINGS}}}, [given])
    return ran.code, ran.said


@pytest.mark.parametrize("entry", ["stores", "guard_ended"])
def test_it_is_heard_before_a_store_moves_and_before_the_swarm_goes(tmp_path, entry):
    code, said = play(tmp_path, entry)
    assert "back of one" in said and "back of two" in said, said
    assert code != 0 and "one: app was brought back to the Swarm at now: 5xx" in said, said
    assert "handover of" not in said and "what comes after it" not in said, said


def test_every_edge_takes_part_where_a_run_was_killed_in_a_stores_window(tmp_path, roles):
    (roles / "cutover").unlink()
    (roles / "cutover/tasks").mkdir(parents=True)
    for path in ("defaults", "meta", "vars", "tasks/main.yml", "tasks/guard_begin.yml", "tasks/guard.yml"):
        (roles / "cutover" / path).symlink_to(played.ROOT / "roles/cutover" / path)
    there = {"__cutover_there": True, "__cutover_cluster": {"resources": []}}
    says = {"cluster": tasks(there), "stores": tasks(say="stores")}
    for name in ("begins_empty", "dns", "group", "guard_look", "proof", "quiet", *says):
        (roles / f"cutover/tasks/{name}.yml").write_text(says.get(name, "[]"))
    (roles / "edge/tasks/guard.yml").write_text(tasks(say="a guard that holds still for {{ edge_guard_hold }} s"))
    (roles / "data_handover/tasks/windows.yml").write_text(tasks({"data_handover_open": ["disk"]}))
    code, said = play(tmp_path, "main")
    assert code == 0 and "stores of one" in said and "stores of two" in said, said
    assert "still for 1800 s of one" in said and "still for 1800 s of two" in said, said
