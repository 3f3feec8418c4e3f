"""A drain and the managers: of two none is taken away, the last one stays, and where nobody leads nothing is changed.

It needs a fleet at rest, and takes from the lab all managers but the first, and for a while the quorum. Some ten minutes.
"""

from __future__ import annotations

import typing as t

FIRST, SECOND, THIRD = "sophia-production-instance", "sophia-ai-core", "sophia-mcp-orchestrator"
WORKER = "sophia-development"
STATES = ("drained", "demoted", "removed")


def demote(swarm: t.Any, node: str) -> None:
    """Make a worker of it that takes tasks again."""
    # The notes have a local volume.
    assert "demote" in swarm.bring(node, "demoted", may_stop=["sophia_notes"])
    swarm.bring(node, "active")
    swarm.until_whole()


def test_a_quorum_of_managers_stays(swarm: t.Any) -> None:
    swarm.until_whole()
    specs = swarm.specs()
    demoted = []
    try:
        for node, words in ((THIRD, f"{SECOND} is one of 2 managers"), (SECOND, f"{FIRST} is the last manager")):
            demoted.append(node)
            demote(swarm, node)
            subject = words.partition(" ")[0]
            swarm.refuses(words, subject, state="drained")
        for state in STATES:
            swarm.refuses(f"{FIRST} is the last manager", FIRST, state=state)
    finally:
        swarm.docker("node", "promote", *demoted)
    swarm.until_whole()
    assert swarm.specs() == specs


def test_where_nobody_leads_nothing_is_changed(swarm: t.Any) -> None:
    swarm.until_whole()
    specs, recorded = swarm.specs(), len(swarm.records())
    with swarm.paused(SECOND, THIRD):
        swarm.until("nobody leads", lambda: not swarm.is_led())
        for state in (*STATES, "active"):
            outcome = swarm.run(WORKER, state)
            print(outcome.result["msg"])
            assert outcome.status != 0
            assert "leader" in outcome.result["msg"] and "\n" not in outcome.result["msg"]
    assert [one["event"] for one in swarm.records()[recorded:]] == ["failed"] * 4
    assert swarm.specs() == specs
