"""One agent was rebooted and no other host."""

from __future__ import annotations

REBOOTED = "sophia-development"


def test_one_node_was_rebooted(fleet):
    acts = [e for e in fleet.journal() if (e["operation"], e["step"], e["event"]) == ("rolling", "act", "ok")]
    assert {entry["subject"] for entry in acts if entry["data"].get("rebooted") is True} == {REBOOTED}


def test_it_began_after_the_others(fleet):
    command = "systemctl show --property UserspaceTimestampMonotonic --value"
    began = {name: int(fleet.on(name).check_output(command)) for name in fleet.hosts}
    assert max(began, key=lambda name: began[name]) == REBOOTED
