"""What a guard brings back between the last look at it and the moment that it ends stops what the other side must be needed for no more."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[3]
SERVICES = [
    {"name": "app", "group": "shop", "kind": "http", "port": 80},
    {"name": "disk", "group": "shop", "kind": "files", "port": 81},
]
VERDICT = {"service": "app", "reason": "5xx", "time": "now", "stays": "", "returning": False}
SETTINGS = {
    "ansible_connection": "local",
    "ansible_python_interpreter": sys.executable,
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


@pytest.fixture(name="collections")
def collections_fixture(tmp_path):
    """The role as it is, with guards that find nothing until they are to end, and then have brought a service back."""
    ours = tmp_path / "collections/ansible_collections/sophia/replatform"
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
    for path in ("plugins", "meta", "galaxy.yml", "roles/cutover"):
        (ours / path).symlink_to(ROOT / path)
    return tmp_path / "collections"


@pytest.mark.parametrize("entry", ["stores", "guard_ended"])
def test_it_is_heard_before_a_store_moves_and_before_the_swarm_goes(tmp_path, collections, entry):
    role = {"name": "sophia.replatform.cutover", "tasks_from": entry}
    after = {"name": "Next", "ansible.builtin.debug": {"msg": "what comes after it"}}
    play = {
        "hosts": "edge",
        "gather_facts": False,
        "any_errors_fatal": True,
        "tasks": [{"name": "Do", "ansible.builtin.include_role": role}, after],
    }
    (tmp_path / "play.json").write_text(json.dumps([play]))
    (tmp_path / "hosts.json").write_text(json.dumps({"edge": {"hosts": {"one": SETTINGS, "two": SETTINGS}}}))
    ran = subprocess.run(
        [pathlib.Path(sys.executable).with_name("ansible-playbook"), "-i", "hosts.json", "play.json"],
        cwd=tmp_path,
        env={
            **{key: value for key, value in os.environ.items() if key != "ANSIBLE_CONFIG"},
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "ANSIBLE_NOCOLOR": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    said = " ".join((ran.stdout + ran.stderr).split())
    assert "back of one" in said and "back of two" in said, said
    assert ran.returncode != 0 and "one: app was brought back to the Swarm at now: 5xx" in said, said
    assert "handover of" not in said and "what comes after it" not in said, said
