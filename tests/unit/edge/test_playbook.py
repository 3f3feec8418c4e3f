"""playbooks/edge.yml and what the managers say: a Swarm that can't be read is not taken for one that is gone."""

from __future__ import annotations

import json
import pathlib

import played

INFO = """#!/usr/bin/python
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule(argument_spec={"stack": {}, "says": {"type": "dict"}}, supports_check_mode=True)
answer = ANSWERS[module.params["stack"]]
module.fail_json(msg=answer) if isinstance(answer, str) else module.exit_json(**answer)
"""
GONE = {"swarm": "inactive", "is_manager": False, "services": []}
THERE = {"swarm": "active", "is_manager": True, "services": []}
NO_LEADER = "could not read the Swarm: no leader"
REFUSED = "no host of group swarm_manager could say where the services are"


def ran(folder: pathlib.Path, *answers: object) -> played.Played:
    names = [f"m{number}" for number, _answer in enumerate(answers)]
    info = INFO.replace("ANSWERS", repr(dict(zip(names, answers))))
    ours = played.collection(folder, {"sophia.replatform.swarm_stack_info": info}, "plugins/module_utils")
    (ours / "roles/edge/tasks").mkdir(parents=True)
    (ours / "roles/edge/tasks/main.yml").write_text(json.dumps([{"ansible.builtin.fail": {"msg": "it is served"}}]))
    groups = {
        "swarm_manager": {"hosts": {name: {"edge_stack": name} for name in names}},
        "edge": {"hosts": {"e": {"edge_services": []}}},
    }
    local = {"ansible_connection": "local", "ansible_become": False}
    return played.play(folder, {"all": {"children": groups, "vars": local}}, played.ROOT / "playbooks/edge.yml")


def test_where_nobody_can_say_it_is_refused(tmp_path: pathlib.Path) -> None:
    run = ran(tmp_path, NO_LEADER, GONE)
    assert REFUSED in run.said and "it is served" not in run.said, run.output


def test_one_manager_that_answers_is_enough(tmp_path: pathlib.Path) -> None:
    run = ran(tmp_path, NO_LEADER, THERE)
    assert "it is served" in run.said and REFUSED not in run.said, run.output


def test_a_swarm_that_is_gone_changes_nothing(tmp_path: pathlib.Path) -> None:
    run = ran(tmp_path, GONE, GONE)
    assert run.code == 0 and "it is served" not in run.said, run.output
