"""Whole runs of a drain on the model of a Swarm, and Swarms of all kinds."""

from __future__ import annotations

from ansible_collections.sophia.replatform.plugins.module_utils.swarm import drain, giving_up, operations
from hypothesis import strategies as st
from swarm_model import service


def run(swarm, state, check=False, node="n2", deadline=60, **wanted):
    swarm.stoppable = set(wanted.get("may_stop", ()))
    op = operations.Drain(swarm, drain.Wanted(node, state, **wanted), move_timeout=30)
    return giving_up.perform(op, {"journal": None, "phase": "cutover", "deadline": deadline}, check)


def names(result):
    return [step["name"] for step in result["steps"]]


@st.composite
def fleets(draw):
    """Mostly what can be moved, so that most drains go to their end."""

    def rarely(value, otherwise):
        return draw(st.sampled_from([otherwise] * 9 + [value]))

    services = [
        service(
            f"s{i}",
            rarely(None, draw(st.sampled_from([1, 2, 3, 4, 6]))),
            port=rarely(80 + i, 0),
            most=draw(st.sampled_from([0, 0, 0, 2])),
            memory=draw(st.sampled_from([0, 5, 10])),
            health=rarely(False, True),
            volume=rarely(True, False),
            order=draw(st.sampled_from(["stop-first", "start-first", ""])),
        )
        for i in range(draw(st.integers(1, 4)))
    ]
    names = {one["Spec"]["Name"] for one in services}
    return draw(st.integers(3, 5)), services, rarely({"shop_s0"}, set()), rarely(set(), names)
