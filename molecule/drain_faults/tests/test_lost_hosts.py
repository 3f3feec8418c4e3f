"""A host freezes while a drain waits: the drain is taken back, or comes to its end without that host; afterwards it is run again.

It needs a fleet at rest, and pauses hosts of the lab; never more than one manager of three. Some twenty minutes.
"""

from __future__ import annotations

import json
import re
import typing as t

import pytest

NODE, MANAGER, WORKER = "sophia-mcp-orchestrator", "sophia-ai-core", "sophia-development"
# First by name, so moved first. A replacement counts after longer than the managers need to see that a host is frozen.
SLOW = "faults-late"
TAKEN_BACK = "(what had begun was taken back)"


@pytest.fixture(scope="module", autouse=True)
def slow_fixture(swarm: t.Any) -> t.Iterator[None]:
    """A service whose move is waited for."""
    swarm.serve(SLOW, replicas=6, check_s=45)
    yield
    swarm.docker("service", "rm", SLOW)


@pytest.mark.parametrize(("node", "frozen", "words"), [
    pytest.param(WORKER, WORKER, f"{WORKER} is 'down'", id="the node itself"),
    # One that leads is missed by the API first.
    pytest.param(NODE, MANAGER, f"manager {MANAGER} is not reachable|^could not ", id="a manager"),
    pytest.param(NODE, WORKER, "", id="another worker"),
])  # fmt: skip
def test_a_host_freezes(swarm: t.Any, node: str, frozen: str, words: str) -> None:
    swarm.until_whole()
    specs = swarm.specs()
    # The notes have a local volume.
    options = {"may_stop": ["sophia_notes"]}
    with swarm.watch("tell", "wait_for_move start") as watcher:
        drain = swarm.start(node, **options)
        assert swarm.meets(drain, watcher) == "wait_for_move start"
        with swarm.frozen(frozen):
            outcome = swarm.end(drain)
            now = swarm.specs()
    message = outcome.result.get("msg", "")
    print(message or [step["name"] for step in outcome.result.get("steps", [])])
    if words or outcome.status:
        assert outcome.status != 0, outcome.said
        assert re.search(words, message) and message.endswith(TAKEN_BACK), outcome.said
        assert now == specs
    else:
        assert now == {**specs, node: json.dumps({**json.loads(specs[node]), "Availability": "drain"})}
    swarm.bring(node, "drained", **options)
    swarm.bring(node, "active")
    swarm.until_whole()
    assert swarm.specs() == specs
