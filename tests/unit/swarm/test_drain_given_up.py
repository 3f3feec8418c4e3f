"""A drain that has begun and meets a fault, at any of its writes: what it changed is taken back, or the line says what stays."""

from __future__ import annotations

import pytest
import swarm_raw as raw
from ansible_collections.sophia.replatform.plugins.module_utils.errors import (
    DeadlineError,
    RefusedError,
    ReplatformError,
)
from drain_run import fleets, names, run
from hypothesis import given, settings
from hypothesis import strategies as st
from swarm_model import Killed, Swarm, service

pytestmark = pytest.mark.usefixtures("no_waiting")

# The writes of a drain of n2: pause, pin, pin, then drain and four that give the specs back.
WITHIN = (1, 2, 3)
FOR_EVER = float("inf")


def fleet(**changes):
    swarm = Swarm(5, [service("api", 5), service("web", 5)], managers=4)
    for key, value in changes.items():
        setattr(swarm, key, value)
    return swarm


def cut_off(writes):
    """A drain that was killed after that many writes."""
    swarm = fleet(die_at=writes - 1, after=True)
    before = swarm.specs()
    with pytest.raises(Killed):
        run(swarm, "drained")
    swarm.die_at = None
    return swarm, before


def freezes(swarm):
    swarm.nodes_["n2"]["Status"]["State"] = "down"


def loses_a_manager(swarm):
    swarm.nodes_["n3"]["ManagerStatus"]["Reachability"] = "unreachable"


def is_the_last_but_one(swarm):
    for name in ("n3", "n4"):
        swarm.nodes_[name]["Spec"]["Role"] = "worker"
        swarm.nodes_[name].pop("ManagerStatus")


@pytest.mark.parametrize("writes", WITHIN)
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (freezes, "host-n2 is 'down'"),
        (loses_a_manager, "manager host-n3 is not reachable"),
        (is_the_last_but_one, "one of 2 managers"),
    ],
)
def test_what_is_unsafe_on_the_way_is_taken_back_first(fault, words, writes):
    swarm = fleet()
    services, nodes = swarm.specs()
    swarm.at = {writes: lambda: fault(swarm)}
    with pytest.raises(RefusedError, match=rf"{words}.*\(what had begun was taken back\)$"):
        run(swarm, "drained")
    assert swarm.specs()[0] == services
    assert swarm.specs()[1]["n2"] == nodes["n2"]
    assert swarm.writes == 3 * writes - 1, "nothing is brought back to the node"


@pytest.mark.parametrize("writes", WITHIN)
def test_a_run_that_goes_on_meets_the_same(writes):
    swarm, before = cut_off(writes)
    loses_a_manager(swarm)
    with pytest.raises(RefusedError, match=r"not reachable.*\(what had begun was taken back\)$"):
        run(swarm, "drained")
    assert swarm.specs() == before


def test_what_nothing_allows_to_move_any_more_is_taken_back():
    """A retirement after a drain that was cut off."""
    swarm, before = cut_off(2)
    with pytest.raises(RefusedError, match=r"still runs shop_web.*\(what had begun was taken back\)$"):
        run(swarm, "drained", move=False)
    assert swarm.specs() == before


@pytest.mark.parametrize("writes", WITHIN)
def test_at_the_deadline_it_is_taken_back(writes):
    swarm, before = cut_off(writes)
    with pytest.raises(RefusedError, match=r"^0 s have passed and the step .*\(what had begun was taken back\)$"):
        run(swarm, "drained", deadline=0)
    assert swarm.specs() == before


def test_at_the_deadline_a_node_that_is_drained_stays_so_and_the_specs_go_back():
    swarm, before = cut_off(4)
    with pytest.raises(RefusedError, match=r"0 s have passed.*host-n2 stays drained.*state: active"):
        run(swarm, "drained", deadline=0)
    assert swarm.specs()[0] == before[0]
    assert swarm.nodes_["n2"]["Spec"]["Availability"] == "drain"
    run(swarm, "drained")
    assert swarm.on("n2") == []


@pytest.mark.parametrize(("state", "writes"), [("drained", 0), ("active", 2)])
def test_a_deadline_of_anything_else_is_just_told(state, writes):
    swarm = cut_off(writes)[0] if writes else fleet()
    before = swarm.specs()
    with pytest.raises(DeadlineError, match=r"^0 s have passed and the step '\w+' is still to be done \([^()]*\)$"):
        run(swarm, state, deadline=0)
    assert swarm.specs() == before


def test_a_node_of_a_swarm_that_goes_is_not_given_back():
    going = {"may_stop": {"shop_api", "shop_web"}, "move": False}
    swarm = fleet(die_at=0, after=True)
    with pytest.raises(Killed):
        run(swarm, "demoted", **going)
    swarm.die_at = None
    before = swarm.specs()
    with pytest.raises(DeadlineError, match=r"'wait_for_tasks' is still to be done \([^()]*\)$"):
        run(swarm, "demoted", deadline=0, **going)
    assert swarm.specs() == before


def test_check_mode_takes_nothing_back():
    swarm, _before = cut_off(2)
    left = swarm.specs()
    with pytest.raises(DeadlineError, match=r"still to be done \([^()]*\)$"):
        run(swarm, "drained", check=True, deadline=0)
    assert swarm.specs() == left


@pytest.mark.parametrize("writes", WITHIN)
def test_a_write_that_fails_is_taken_back(writes):
    swarm = fleet(failing=(writes,))
    before = swarm.specs()
    with pytest.raises(RefusedError, match=r"^could not .*deadline exceeded \(what had begun was taken back\)$"):
        run(swarm, "drained")
    assert swarm.specs() == before


@pytest.mark.parametrize("writes", WITHIN)
def test_managers_that_elect_a_leader_are_waited_for_and_then_it_is_taken_back(writes):
    swarm = fleet()
    before = swarm.specs()
    swarm.at = {writes: lambda: setattr(swarm, "silent", 20)}
    with pytest.raises(RefusedError, match=r"does not have a leader \(what had begun was taken back\)$"):
        run(swarm, "drained")
    assert swarm.specs() == before


@pytest.mark.parametrize(
    ("writes", "stays"),
    [
        (1, "host-n2 stays paused"),
        (2, "host-n2 stays paused and shop_api pinned away from it"),
        (3, "host-n2 stays paused and shop_api, shop_web pinned away from it"),
    ],
)
def test_without_a_quorum_the_line_says_what_stays_and_the_mend(writes, stays):
    swarm = fleet()
    before = swarm.specs()
    swarm.at = {writes: lambda: setattr(swarm, "silent", FOR_EVER)}
    with pytest.raises(ReplatformError) as caught:
        run(swarm, "drained")
    assert "does not have a leader; it could not be taken back: " in str(caught.value)
    assert str(caught.value).endswith(f"{stays}; once that is mended, run it with state: active")
    assert "\n" not in str(caught.value)
    swarm.silent = 0
    run(swarm, "active")
    assert swarm.specs() == before


def test_a_manager_that_is_none_any_more_says_what_stays():
    swarm = fleet()
    swarm.at = {2: lambda: setattr(swarm, "info", lambda: raw.info(manager=False))}
    with pytest.raises(
        ReplatformError, match="no manager.*host-n2 stays paused and shop_api pinned away from it; once"
    ):
        run(swarm, "drained")


def test_a_taking_back_that_fails_says_both_faults():
    swarm = fleet(failing=(2, 3, 4))
    swarm.at = {2: lambda: freezes(swarm)}
    with pytest.raises(ReplatformError) as caught:
        run(swarm, "drained")
    assert "host-n2 is 'down'" in str(caught.value)
    assert "could not be taken back (could not write: context deadline exceeded): host-n2 stays paused" in str(
        caught.value
    )
    assert "and shop_api pinned away from it; once" in str(caught.value)


def test_a_write_of_which_nobody_knows_counts_as_made():
    swarm = fleet()
    written = swarm._write

    def write(*args):
        written(*args)
        swarm.silent = FOR_EVER
        raise ReplatformError("could not pause node=host-n2: read timed out")

    swarm._write = write
    with pytest.raises(ReplatformError, match="read timed out; .*host-n2 stays paused; once"):
        run(swarm, "drained")


def updating(swarm, state="updating"):
    """A service that somebody updates, without an end."""
    swarm.services_["id-web"]["UpdateStatus"] = {"State": state}
    swarm._update = lambda one, update=swarm._update: one["ID"] == "id-web" or update(one)


@pytest.mark.parametrize("state", ["updating", "rollback_started"])
def test_a_service_in_mid_update_is_refused_before_the_first_write(state):
    swarm = fleet()
    updating(swarm, state)
    before = swarm.specs()
    with pytest.raises(RefusedError, match=rf"^service shop_web is in mid-update \({state}\): let it end first$"):
        run(swarm, "drained")
    assert (swarm.specs(), swarm.writes) == (before, 0)


def test_an_update_that_begins_on_the_way_is_waited_for_as_long_as_a_move_and_then_it_is_taken_back():
    swarm = fleet()
    before = swarm.specs()
    swarm.at = {2: lambda: updating(swarm)}
    with pytest.raises(RefusedError, match=r"shop_web is in mid-update .*\(what had begun was taken back\)$"):
        run(swarm, "drained")
    assert swarm.specs() == before


def test_an_update_that_ends_on_the_way_holds_up_nothing():
    swarm, _before = cut_off(1)
    swarm.services_["id-web"]["UpdateStatus"] = {"State": "updating"}
    assert "wait_for_update" in names(run(swarm, "drained"))
    assert swarm.on("n2") == []


def test_a_rebalancing_that_was_cut_off_is_finished_before_the_refusal():
    swarm = Swarm(3, [service("web", 6)])
    run(swarm, "drained")
    swarm.die_at, swarm.after = swarm.writes + 1, True
    with pytest.raises(Killed):
        run(swarm, "active")
    swarm.die_at = None
    freezes(swarm)
    with pytest.raises(RefusedError, match=r"host-n2 is 'down'.*\(what had begun was taken back\)$"):
        run(swarm, "drained")
    assert swarm.specs()[0]["id-web"]["Mode"]["Replicated"]["Replicas"] == 6
    assert "Labels" in swarm.specs()[0]["id-web"] and len(swarm.specs()[0]["id-web"]["Labels"]) == 1


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("die_at", range(2, 5))
@pytest.mark.parametrize("mended", [False, True])
def test_killed_while_it_is_taken_back_the_next_run_ends_the_same(die_at, after, mended):
    swarm = fleet(die_at=die_at, after=after)
    before = swarm.specs()
    swarm.at = {2: lambda: freezes(swarm)}
    with pytest.raises(Killed):
        run(swarm, "drained")
    swarm.die_at = None
    if mended:
        swarm.nodes_["n2"]["Status"]["State"] = "ready"
        run(swarm, "drained")
        assert swarm.on("n2") == []
        assert swarm.specs()[0] == before[0]
        return
    with pytest.raises(RefusedError, match="host-n2 is 'down'"):
        run(swarm, "drained")
    assert swarm.specs() == before


def with_gpus(**changes):
    """A Swarm ends a task with a GPU when its node, which is active by that, is written."""
    swarm = Swarm(5, [service("api", 5), service("rag", 5, gpus=1)], managers=4)
    for node in swarm.nodes_.values():
        node["Description"]["Resources"]["GenericResources"] = [
            {"DiscreteResourceSpec": {"Kind": "NVIDIA-GPU", "Value": 2}}
        ]
    for key, value in changes.items():
        setattr(swarm, key, value)
    return swarm


@pytest.mark.parametrize("fault", [freezes, loses_a_manager])
def test_a_node_whose_task_would_not_outlive_it_stays_paused_until_it_is_asked_back(fault):
    swarm = with_gpus()
    before, on_n2 = swarm.specs(), swarm.on("n2")
    swarm.at = {2: lambda: fault(swarm)}
    for _again in range(2):
        with pytest.raises(RefusedError, match=r"host-n2 stays paused, for .* ends a task of shop_rag there") as caught:
            run(swarm, "drained")
        assert "could not be taken back" not in str(caught.value)
    assert swarm.specs()[0] == before[0]
    assert [task for task in swarm.on("n2") if task["ServiceID"] == "id-rag"] == on_n2[1:]
    foreseen = run(swarm, "active", check=True)["steps"]
    assert foreseen[0] == {"name": "activate", "node": "host-n2", "ends": "shop_rag"}
    run(swarm, "active", may_stop={"shop_rag"})
    assert swarm.specs() == before


def test_what_stays_paused_is_drained_by_the_next_run():
    swarm = with_gpus(failing=(2,))
    with pytest.raises(RefusedError, match=r"^could not .*deadline exceeded; host-n2 stays paused"):
        run(swarm, "drained")
    run(swarm, "drained")
    assert swarm.on("n2") == []


def test_a_pause_of_somebody_else_is_not_asked_about_its_tasks():
    swarm = with_gpus()
    swarm.nodes_["n2"]["Spec"]["Availability"] = "pause"
    before = swarm.specs()
    swarm.at = {1: lambda: loses_a_manager(swarm)}
    with pytest.raises(RefusedError, match=r"\(what had begun was taken back\)$"):
        run(swarm, "drained")
    assert swarm.specs() == before


@settings(max_examples=60)
@given(fleets(), st.integers(0, 12), st.sampled_from([freezes, "silent", "failing"]))
def test_on_any_fleet_a_fault_at_any_write_leaves_no_trace(made, writes, fault):
    """A node that is drained already may stay so."""
    nodes, services, may_stop, may_move = made
    swarm = Swarm(nodes, services)
    wanted = {"may_stop": may_stop, "may_move": may_move}
    before = swarm.specs()
    if fault == "failing":
        swarm.failing = (writes,)
    else:
        swarm.at = {writes: lambda: fault(swarm) if callable(fault) else setattr(swarm, "silent", 9)}
    try:
        run(swarm, "drained", **wanted)
    except ReplatformError as exc:
        assert "could not be taken back" not in str(exc)
    drained = {**before[1]["n2"], "Availability": "drain"}
    assert swarm.specs()[0] == before[0]
    assert swarm.specs()[1]["n2"] in (before[1]["n2"], drained)
    swarm.failing, swarm.at = (), {}
    run(swarm, "active", **wanted)
    assert swarm.specs() == before
