"""A drain and its way back, killed at each record of their journal and run again to the end, while clients ask.

It needs a fleet at rest. Some forty minutes.
"""

from __future__ import annotations

import json
import typing as t

NODE = "sophia-mcp-orchestrator"


def with_availability(specs: dict[str, str], availability: str) -> dict[str, str]:
    """The specs, with that of the node at an availability."""
    return {**specs, NODE: json.dumps({**json.loads(specs[NODE]), "Availability": availability})}


def test_killed_at_each_record_it_comes_to_its_end_and_leaves_nothing(swarm: t.Any) -> None:
    swarm.until_whole()
    specs = swarm.specs()
    left: dict[str, list[str]] = {}
    met: list[str] = []
    with swarm.asked() as told:
        # The first drain is the one of the stack's services, too; later there are only those that come back.
        for state in ("drained", "active"):
            steps = dict.fromkeys(swarm.bring(NODE, state))
            left[state] = [f"{step} {event}" for step in steps for event in ("start", "ok")]
        print(f"recorded: {left}")
        unmet: list[str] = []
        while any(left.values()):
            for state, availability in (("drained", "drain"), ("active", "active")):
                record = swarm.killed(NODE, state, left[state])
                if record:
                    left[state].remove(record)
                    met.append(f"{state}: {record}")
                else:
                    unmet += left[state]
                    left[state].clear()
                swarm.bring(NODE, state)
                assert swarm.bring(NODE, state) == []
                swarm.until_whole()
                assert swarm.specs() == with_availability(specs, availability), record
    print(f"killed at: {met}")
    assert {"drained: pin start", "drained: drain ok", "active: activate start", "active: surge ok"} <= set(met)
    # Whether there is something to wait for depends on how fast tasks end.
    assert [record for record in unmet if not record.startswith("wait_for_")] == []
    assert min(told["asked"].values()) >= 100
    assert told["faults"] == []
