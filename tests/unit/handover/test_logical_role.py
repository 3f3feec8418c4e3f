# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The role data_handover, for a PostgreSQL with streaming.logical: it goes the same way with the other module."""

from __future__ import annotations

import pytest

from . import test_role
from .test_role import POSTGRES, STREAMING, SWITCHED, cluster, swarm

pytestmark = pytest.mark.slow

LOGICAL = {**POSTGRES, "streaming": {**STREAMING, "logical": True}}
MODULE = "postgres_logical_switchover"


def set_up(folder):
    """A stage whose logical module takes the options of the other one."""
    stage = test_role.Stage(folder)
    modules = folder / "collections/ansible_collections/sophia/replatform/plugins/modules"
    text = (modules / "postgres_switchover.py").read_text()
    (modules / f"{MODULE}.py").write_text(text.replace("postgres_switchover", MODULE))
    stage.say(MODULE, SWITCHED)
    return stage


def test_it_goes_the_same_way(tmp_path):
    stage = set_up(tmp_path)
    status, plain, said = stage.play(POSTGRES)
    assert status == 0, said
    # Its fence ends no instance.
    stage.say("swarm_stack_info", swarm("db", "bouncer", "cache", db={"restart_condition": "on-failure"}))
    status, calls, said = stage.play(LOGICAL)
    assert status == 0, said
    assert [MODULE if name == "postgres_switchover" else name for name, _given in plain] == [
        name for name, _given in calls
    ]
    assert [given for _name, given in plain] == [given for _name, given in calls]


def test_alone_and_after_a_failure(tmp_path):
    stage = set_up(tmp_path)
    stage.say(MODULE, {"primary": {"msg": "the schema has changed"}, "released": SWITCHED})
    status, calls, said = stage.play(LOGICAL)
    assert (status, [call[1]["state"] for call in calls]) == (2, ["primary", "released"])
    assert "db is not handed over: the schema has changed. No client is held" in " ".join(said.split())
    stage.say("k8s_info", cluster(["db", "bouncer", "cache"]))
    stage.say("swarm_stack_info", swarm())
    stage.say(MODULE, SWITCHED)
    status, calls, said = stage.play(LOGICAL, data_handover_stage="alone")
    assert (status, [(name, given["state"]) for name, given in calls]) == (0, [(MODULE, "alone")]), said
