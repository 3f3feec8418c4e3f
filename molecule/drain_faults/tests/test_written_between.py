"""Somebody else changes a service that a drain is about to write: the change stays, and the drain comes to its end.

It needs a fleet at rest. Some five minutes.
"""

from __future__ import annotations

import json
import typing as t

import pytest

NODE = "sophia-mcp-orchestrator"
# The first by name, so the first that the drain writes.
SERVICE = "faults-one"


def label(swarm: t.Any, option: str) -> None:
    """Somebody else's change."""
    swarm.docker("service", "update", "--detach", "--quiet", f"--label-{option}", SERVICE)


def labelled(specs: dict[str, str]) -> dict[str, t.Any]:
    """What the specs shall be with that label."""
    after = {name: json.loads(spec) for name, spec in specs.items()}
    after[SERVICE]["Labels"] = {**after[SERVICE]["Labels"], "somebody": "else"}
    return after


# What the watcher does, and where: between its look and a write, or in the midst of a wait.
@pytest.mark.parametrize(("what", "record", "writes"), [
    ("hold", "pause ok", "pin"),
    ("tell", "wait_for_move start", ""),
    ("hold", "drain ok", "revert"),
])  # fmt: skip
def test_the_change_of_another_stays(swarm: t.Any, what: str, record: str, writes: str) -> None:
    swarm.until_whole()
    specs, recorded = swarm.specs(), len(swarm.records())
    with swarm.watch(what, record) as watcher:
        drain = swarm.start(NODE)
        assert swarm.meets(drain, watcher) == record
        label(swarm, "add=somebody=else")
        watcher.stdin.close()
        outcome = swarm.end(drain)
    try:
        assert outcome.status == 0, outcome.said
        done = [one for one in swarm.records()[recorded:] if (one["step"], one["event"]) == (writes, "ok")]
        if writes:
            assert "out of sequence" in done[0]["data"]["again"]
            assert done[0]["data"]["service"] == SERVICE
        swarm.bring(NODE, "active")
        assert {name: json.loads(spec) for name, spec in swarm.specs().items()} == labelled(specs)
    finally:
        label(swarm, "rm=somebody")
    swarm.until_whole()
    assert swarm.specs() == specs
