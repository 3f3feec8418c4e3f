"""Two drains of one Swarm at once, from two managers, interleaved in every way: one goes on, one gives up, and none stays paused."""

from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Done, Refused
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import drain, operations
from hypothesis import given, settings
from hypothesis import strategies as st
from swarm_model import Swarm, service

pytestmark = pytest.mark.usefixtures("no_waiting")


def turns(swarm, node, ends):
    """One drain; each turn ends between its look and its write, or between its write and its look."""
    op = operations.Drain(swarm, drain.Wanted(node, "drained"))
    while True:
        decision = op.next_step(op.observe())
        yield
        if isinstance(decision, (Done, Refused)):
            ends[node] = decision
            return
        op.act(decision)
        yield


@settings(max_examples=60)
@given(st.lists(st.booleans(), max_size=12))
def test_one_of_two_drains_goes_on(order):
    swarm = Swarm(5, [service("web", 5), service("api", 5)])
    services, nodes = swarm.specs()
    ends = {}
    runs = [turns(swarm, "n2", ends), turns(swarm, "n3", ends)]
    for second in [*order, *[False, True] * 100]:
        next(runs[second], None)
    assert sorted(type(end).__name__ for end in ends.values()) == ["Done", "Refused"], ends
    (loser,) = [node for node, end in ends.items() if isinstance(end, Refused)]
    (winner,) = ends.keys() - {loser}
    assert "is still under way" in ends[loser].reason
    assert swarm.on(winner) == []
    assert swarm.specs()[0] == services
    assert swarm.nodes_[loser]["Spec"] == nodes[loser]


def test_where_both_are_paused_the_one_with_the_higher_id_gives_up():
    swarm = Swarm(5, [service("web", 5)])
    ends = {}
    runs = [turns(swarm, "n2", ends), turns(swarm, "n3", ends)]
    for second in [False, True] * 100:
        next(runs[second], None)
    assert isinstance(ends["n2"], Done)
    assert ends["n3"].reason.endswith("(what had begun was taken back)")


def test_another_drain_that_never_ends_is_not_waited_for_for_ever():
    swarm = Swarm(5, [service("web", 5)])
    ends = {}
    run = turns(swarm, "n2", ends)
    other = turns(swarm, "n3", ends)
    for one in (run, other, run, other):
        next(one)
    nodes = swarm.specs()[1]
    for _turn in range(100):
        next(run, None)
    assert "drain of host-n3 is still under way" in ends["n2"].reason
    assert swarm.nodes_["n2"]["Spec"]["Availability"] == "active"
    assert swarm.nodes_["n3"]["Spec"] == nodes["n3"]
