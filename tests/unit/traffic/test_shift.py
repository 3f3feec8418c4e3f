"""The thinking behind traffic_shift: which step comes next, seen from every world."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Done, Refused, Step
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.gates import Gate
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


GATES = (Gate("smoke", "command", (), ("x",)), Gate("on-call", "approval", (100,)))


def test_gates_come_before_the_probe_of_the_weights_that_they_are_for():
    names, end, _world = names_of_a_run(at(5), wanted(gates=GATES))
    assert names == [
        ("gate", 50),
        ("precheck", 50),
        ("weight", 50),
        ("gate", 100),
        ("gate", 100),
        ("precheck", 100),
        ("weight", 100),
    ]
    assert isinstance(end, Done)


def test_copies_come_before_the_first_weight_and_end_with_it():
    names, _end, world = names_of_a_run(at(0), wanted(mirror=10))
    assert names[:4] == [("precheck", 0), ("mirror",), ("precheck", 5), ("weight", 5)]
    assert world.route.mirror == 0
    assert names_of_a_run(at(5), wanted(mirror=10))[0][0] == ("precheck", 50)


def test_a_run_killed_while_copies_are_sent_watches_them_anew():
    world = World(replace(ROUTE, mirror=10), True, 0)
    assert next_step(world, wanted(mirror=10)) == Step("mirror", {"service": "app", "mirror": 10}, changes=False)
    assert next_step(replace(world, breaches=3, breach="x"), wanted(mirror=10)).name == "weight"
    assert next_step(world, wanted("rolled_back")).name == "weight"


def test_sessions_get_a_tail_that_is_drained_and_a_breach_cuts_them():
    want = replace(wanted(), route=replace(ROUTE, sticky="c"))
    names, end, world = names_of_a_run(World(want.route, True, 0), want)
    assert names[-2:] == [("weight", 100), ("drain", 100)] and isinstance(end, Done)
    assert not world.route.tail
    back = next_step(at(50, breaches=3, breach="x"), wanted())
    assert "tail" not in back.data
    back = next_step(World(replace(want.route, weight=100), True, 100), replace(want, state="rolled_back"))
    assert back.data["tail"] is True


def test_the_tail_is_one_of_a_thousand():
    assert [weight for *_names, weight in replace(ROUTE, weight=100, tail=True).children()] == [1, 999]
    assert [weight for *_names, weight in replace(ROUTE, weight=0, tail=True).children()] == [999, 1]


def test_without_analysis_there_is_one_step():
    assert schedule(wanted(skip_analysis=True)) == [100]


@given(weight=st.integers(0, 100), until=st.integers(0, 100))
def test_nothing_goes_above_the_stop_and_nothing_is_lowered_to_it(weight, until):
    names, end, world = names_of_a_run(at(weight), wanted(until=until))
    assert isinstance(end, Done) and world.route.weight >= weight
    assert all(step[1] <= until for step in names if step[0] == "weight")


def test_a_fault_of_a_stranger_never_stands_in_the_way_back():
    assert isinstance(next_step(at(5, fault="theirs.yml"), wanted()), Refused)
    assert next_step(at(5, fault="theirs.yml"), wanted("rolled_back")).data["weight"] == 0
    assert next_step(at(5, fault="theirs.yml", breaches=3, breach="x"), wanted()).data["weight"] == 0
    assert next_step(at(5, in_effect=False), wanted("rolled_back")).data["weight"] == 0


def test_what_is_rolled_back_for_a_breach_waits_for_no_session():
    sticky = replace(ROUTE, sticky="c")
    back = replace(wanted("rolled_back"), route=sticky, reason="another edge: 5xx")
    step = next_step(World(replace(sticky, weight=100), True, 100), back)
    assert step.data == {"service": "app", "weight": 0, "from_weight": 100, "reason": "another edge: 5xx"}
    names, end, world = names_of_a_run(World(replace(sticky, tail=True), True, 0), back)
    assert names == [("weight", 0)] and isinstance(end, Done) and not world.route.tail


@pytest.mark.parametrize("weight", [100, 75])
@pytest.mark.parametrize(
    ("state", "seen"), [("shifted", {"breaches": 3, "breach": "5xx"}), ("rolled_back", {})], ids=["own", "another's"]
)
def test_a_breach_never_lowers_what_has_reached_its_lowest_weight(weight, state, seen):
    decision = next_step(at(weight, floor=75, **seen), wanted(state, reason="5xx"))
    assert isinstance(decision, Refused) and "5xx" in decision.reason
    assert "'app' stays at weight 75: by min_weight" in decision.reason
