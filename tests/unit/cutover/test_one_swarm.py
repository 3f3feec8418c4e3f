"""Before traffic moves, hosts that are in another Swarm are refused: its tasks would end in the retirement."""

from __future__ import annotations

import json
import pathlib
import typing as t

import played
import yaml

ROOT = pathlib.Path(__file__).parents[3]


def seen(node_id: str, *nodes: str) -> dict[str, t.Any]:
    members = [{"id": node} for node in nodes]
    return {
        "swarm": "active" if node_id else "inactive",
        "node_id": node_id,
        "is_manager": bool(nodes),
        "nodes": members,
    }


def play(role: dict[str, str], hosts: dict[str, dict[str, t.Any]]) -> dict[str, t.Any]:
    looked = [
        {"ansible.builtin.set_fact": {"cutover_seen": one}, "when": f"inventory_hostname == '{host}'"}
        for host, one in hosts.items()
    ]
    return {"hosts": ",".join(hosts), "gather_facts": False, "tasks": [*looked, {"ansible.builtin.include_role": role}]}


def test_one_swarm_with_hosts_that_have_left_passes_and_another_is_refused_by_name(tmp_path: pathlib.Path) -> None:
    played.collection(tmp_path, {}, "roles/cutover", "plugins/filter", "plugins/module_utils")
    role = {"name": "sophia.replatform.cutover", "tasks_from": "one_swarm"}
    one = {"m1": seen("n1", "n1", "n2"), "w1": seen("n2"), "w2": seen("")}
    plays = [play(role, one), play(role, {**one, "w1": seen("x2")})]
    given = ("-c", "local", "-e", '{"cutover_swarm_hosts": [m1, w1, w2]}')
    output = played.play(tmp_path, "m1,w1,w2", plays, *given).said
    passed, refused = output.split("PLAY [m1,w1,w2]")[1:]
    assert "TASK [sophia.replatform.cutover : Refuse hosts that are in another Swarm]" in passed
    assert "fatal" not in passed
    assert "w1: in another Swarm than m1, a manager; have those in a wrong one leave it (docker swarm leave)" in refused


def test_phase_4_looks_before_anything_goes_over() -> None:
    plays = yaml.safe_load((ROOT / "playbooks/phase4_cutover.yml").read_text())
    [looks] = [number for number, one in enumerate(plays) if "one_swarm" in json.dumps(one)]
    goes = [number for number, one in enumerate(plays) if "ansible.builtin.import_playbook" in one or "roles" in one]
    assert looks < min(goes)
