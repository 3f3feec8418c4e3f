"""The thinking behind traffic_shift: which step comes next, seen from every world."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Done, Refused, Step
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import Route, Side
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.shift import (
    Wanted,
    World,
    merged,
    next_step,
    schedule,
    serving,
    simulate,
)
from hypothesis import given
from hypothesis import strategies as st

SWARM = Side("swarm", ("http://10.0.0.1:80",))
K3S = Side("k3s", ("http://10.0.0.1:30080", "http://10.0.0.2:30080"))
ROUTE = Route("app", "Host(`a`)", SWARM, K3S)


def at(weight, **changes):
    values = {"in_effect": True, "safe_weight": weight}
    return World(route=replace(ROUTE, weight=weight), **{**values, **changes})


def wanted(state="shifted", **changes):
    return Wanted(ROUTE, state, step_weights=(5, 50), threshold=3, **changes)


def names_of_a_run(world, want, limit=50):
    names = []
    for _step in range(limit):
        decision = next_step(world, want)
        if not isinstance(decision, Step):
            return names, decision, world
        names.append((decision.name, decision.data["weight"]) if "weight" in decision.data else (decision.name,))
        world = simulate(world, decision, want)
    raise AssertionError(f"no end: {names}")


def test_the_whole_way_from_nothing():
    names, end, world = names_of_a_run(World(None), wanted())
    assert names == [
        ("precheck", 0),
        ("create", 0),
        ("precheck", 5),
        ("weight", 5),
        ("precheck", 50),
        ("weight", 50),
        ("precheck", 100),
        ("weight", 100),
    ]
    assert isinstance(end, Done) and world.route.weight == 100


@given(
    weight=st.integers(0, 100),
    safe=st.one_of(st.none(), st.integers(0, 100)),
    in_effect=st.booleans(),
    steps=st.lists(st.integers(0, 100), max_size=5),
    max_weight=st.integers(1, 100),
    state=st.sampled_from(["present", "shifted", "rolled_back"]),
)
def test_every_world_comes_to_an_end_and_only_goes_its_way(weight, safe, in_effect, steps, max_weight, state):
    want = Wanted(ROUTE, state, tuple(steps), max_weight)
    names, end, world = names_of_a_run(World(replace(ROUTE, weight=weight), in_effect, safe), want)
    assert isinstance(end, Done)
    assert world.route.weight == {"present": weight, "shifted": max_weight, "rolled_back": 0}[state]
    written = [step[1] for step in names if step[0] == "weight"]
    if state == "shifted" and weight <= max_weight:
        assert written == sorted(set(written)) and all(weight < w <= max_weight for w in written)
    else:
        assert len(written) <= 1


@given(weight=st.integers(0, 100), breaches=st.integers(3, 9))
def test_too_many_breaches_end_at_zero_and_are_refused(weight, breaches):
    decision = next_step(at(weight, breaches=breaches, breach="5xx"), wanted())
    if weight:
        assert isinstance(decision, Step) and (decision.name, decision.data["weight"]) == ("weight", 0)
        assert decision.data["reason"] == "5xx"
    else:
        assert isinstance(decision, Refused) and "5xx" in decision.reason


def test_a_weight_is_never_raised_before_the_one_below_passed_its_watch():
    decision = next_step(at(5, safe_weight=None), wanted())
    assert (decision.name, decision.changes) == ("watch", False)
    assert next_step(at(100, safe_weight=50), wanted()).name == "watch"
    assert isinstance(next_step(at(100), wanted()), Done)


def test_a_weight_is_never_raised_before_its_servers_answered():
    assert next_step(at(5), wanted()).name == "precheck"
    assert next_step(at(5, prechecked=replace(ROUTE, weight=50)), wanted()).name == "weight"
    assert next_step(at(5, prechecked=replace(ROUTE, weight=5)), wanted()).name == "precheck"


def test_a_route_that_is_written_but_not_served_is_waited_for():
    decision = next_step(at(50, in_effect=False), wanted())
    assert (decision.name, decision.changes) == ("settle", False)


def test_present_keeps_weights_and_servers_that_are_not_named():
    existing = replace(ROUTE, weight=50)
    bare = replace(ROUTE, primary=Side("swarm"), canary=None)
    assert merged(bare, existing) == existing
    assert isinstance(next_step(World(existing, True, 50), Wanted(bare, "present")), Done)
    fewer = replace(ROUTE, primary=Side("swarm", ("http://10.0.0.9:80",)))
    assert merged(fewer, existing).weight == 50
    assert merged(fewer, existing).primary.servers == ("http://10.0.0.9:80",)


def test_new_servers_of_a_serving_side_are_probed_before_they_are_written():
    more = replace(ROUTE, canary=Side("k3s", ("http://10.0.0.3:30080",)))
    want = replace(wanted("present"), route=more)
    assert next_step(at(50), want).name == "precheck"
    decision = next_step(at(50, prechecked=replace(more, weight=50)), want)
    assert decision.name == "update"
    assert decision.data["servers"]["k3s"] == ["http://10.0.0.3:30080"]


@pytest.mark.parametrize(
    ("world", "route", "state", "says"),
    [
        (World(None), replace(ROUTE, primary=Side("swarm")), "present", "no server on its primary side 'swarm'"),
        (World(None), replace(ROUTE, canary=None), "shifted", "nothing to shift to"),
        (World(None), replace(ROUTE, canary=Side("swarm", ("http://a:1",))), "present", "both sides"),
        (at(5, fault="other.yml is broken"), ROUTE, "shifted", "other.yml is broken"),
    ],
)
def test_refusals(world, route, state, says):
    decision = next_step(world, Wanted(route, state))
    assert isinstance(decision, Refused) and says in decision.reason


def test_only_a_route_wholly_on_the_canary_is_promoted_and_then_has_no_way_back():
    assert isinstance(next_step(at(99), wanted("promoted")), Refused)
    names, end, world = names_of_a_run(at(100), wanted("promoted"))
    assert [name for name, *_rest in names] == ["precheck", "update"] and isinstance(end, Done)
    assert world.route.primary.servers == () and world.route.weight == 100
    bare = replace(ROUTE, primary=Side("swarm"))
    for state in ("present", "shifted", "promoted"):
        assert isinstance(next_step(world, Wanted(bare, state)), Done)
    assert isinstance(next_step(world, Wanted(bare, "rolled_back")), Refused)


def test_schedule_ends_at_the_highest_weight():
    assert schedule(Wanted(ROUTE, "shifted", (50, 5, 80, 0), 60)) == [5, 50, 60]


def test_only_sides_with_a_share_serve():
    assert serving(ROUTE) == [SWARM]
    assert serving(replace(ROUTE, weight=50)) == [SWARM, K3S]
    assert serving(replace(ROUTE, weight=100)) == [K3S]
