"""Whole drains on a model of a Swarm that looks, at every moment, whether a service has too few running tasks."""

from __future__ import annotations

import copy
import json

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import drain, operations, specs
from drain_run import fleets, names, run
from hypothesis import given, settings
from hypothesis import strategies as st
from swarm_model import Killed, Swarm, service

pytestmark = pytest.mark.usefixtures("no_waiting")


def refused(swarm, node="n2", **wanted):
    """Why the node is not drained; nothing is changed by it."""
    before = swarm.specs()
    with pytest.raises(RefusedError) as caught:
        run(swarm, "drained", node=node, **wanted)
    assert swarm.specs() == before
    return str(caught.value)


def seen(swarm):
    return {"info": swarm.info(), "nodes": swarm.nodes(), "services": swarm.services(), "tasks": swarm.tasks()}


def test_a_service_is_moved_before_the_node_is_drained_and_has_its_spec_back():
    swarm = Swarm(3, [service("web", 3)])
    services, _nodes = swarm.specs()
    result = run(swarm, "drained")
    assert names(result) == ["pause", "pin", "wait_for_move", "drain", "revert", "restore"]
    assert swarm.specs()[0] == services
    assert swarm.on("n2") == []
    assert swarm.nodes_["n2"]["Spec"] == {"Role": "worker", "Availability": "drain", "Labels": {}}
    assert not run(swarm, "drained")["changed"]


def test_active_again_the_tasks_come_back_one_by_one():
    swarm = Swarm(3, [service("web", 6)])
    before = swarm.specs()
    run(swarm, "drained")
    assert swarm.spread("id-web") == {"n1": 3, "n3": 3}
    result = run(swarm, "active")
    turn = ["surge", "wait_for_surge", "revert", "wait_for_settling", "restore"]
    assert [name for name in names(result) if name in turn] == names(result)[1:]
    assert names(result)[0] == "activate"
    assert swarm.spread("id-web") == {"n1": 2, "n2": 2, "n3": 2}
    assert swarm.specs() == before
    assert not run(swarm, "active")["changed"]


def test_nothing_comes_back_unasked():
    swarm = Swarm(3, [service("web", 6)])
    run(swarm, "drained")
    assert names(run(swarm, "active", rebalance=False)) == ["activate"]
    assert swarm.on("n2") == []


def test_check_mode_tells_the_steps_and_changes_nothing():
    swarm = Swarm(3, [service("web", 3), service("api", 4)])
    before = swarm.specs()
    told = names(run(swarm, "drained", check=True))
    assert swarm.specs() == before
    assert swarm.writes == 0
    assert told == names(run(swarm, "drained"))
    assert "surge" in names(run(swarm, "active", check=True))


def test_the_update_policy_is_that_of_a_move_and_then_again_the_services_own():
    spec = service("web")["Spec"]
    moving = specs.pin(spec, "n2")
    assert moving["UpdateConfig"]["Order"] == "start-first"
    assert moving["UpdateConfig"]["FailureAction"] == "pause"
    noted = specs.noted({"Spec": moving})
    assert specs.restore(specs.revert(moving, noted), noted) == spec


@pytest.mark.parametrize("absent", ["UpdateConfig", "Labels"])
def test_what_was_absent_is_absent_again(absent):
    spec = service("web")["Spec"]
    del spec[absent]
    moving = specs.pin(spec, "n2")
    noted = specs.noted({"Spec": moving})
    assert specs.restore(specs.revert(moving, noted), noted) == spec


@pytest.mark.parametrize("had", [True, False])
def test_a_placement_is_never_taken_away(had):
    spec = service("web")["Spec"]
    if not had:
        del spec["TaskTemplate"]["Placement"]
    moving = specs.pin(spec, "n2")
    assert specs.revert(moving, specs.noted({"Spec": moving}))["TaskTemplate"]["Placement"] == {}


def test_what_somebody_else_changed_meanwhile_stays():
    moving = specs.pin(service("web", constraints=["node.hostname!=x"])["Spec"], "n2")
    moving["UpdateConfig"]["Parallelism"] = 9
    moving["TaskTemplate"]["Placement"]["Constraints"].append("node.hostname!=y")
    noted = specs.noted({"Spec": moving})
    back = specs.restore(specs.revert(moving, noted), noted)
    assert back["UpdateConfig"]["Parallelism"] == 9
    assert back["TaskTemplate"]["Placement"]["Constraints"] == ["node.hostname!=x", "node.hostname!=y"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"node": "n2"}', '{"node": "n2", "empty": []}'])
def test_a_label_that_is_no_note_is_told(text):
    spec = service("web")["Spec"]
    spec["Labels"][specs.LABEL] = text
    with pytest.raises(operations.ReplatformError, match="shop_web can't be read"):
        specs.noted({"Spec": spec})


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        ({"replicas": None}, "shop_web is global"),
        ({"volume": True}, "shop_web has a local volume"),
        ({"bind": True}, "shop_web mounts files"),
        ({"health": False}, "shop_web has no health check"),
        ({"port": 80, "replicas": 3}, "host-n1 has port 80 in use, host-n3 has port 80 in use"),
        ({"most": 1, "replicas": 3}, "host-n1 has 1 of them, the most per node"),
        ({"memory": 40, "replicas": 5}, "host-n1 has too little memory"),
        ({"constraints": ["node.hostname==host-n2"]}, "host-n1 is not node.hostname==host-n2"),
        ({"memory": 40, "replicas": 9}, "shop_web has fewer running tasks"),
    ],
)
def test_what_cannot_be_started_elsewhere_first_is_refused(of, reason):
    assert reason in refused(Swarm(3, [service("web", **of)]))


def test_a_single_task_is_moved_when_a_person_allows_it():
    swarm = Swarm(3, [service("web", 1, constraints=["node.id!=n1"])])
    assert list(swarm.spread("id-web")) == ["n2"]
    assert "single task" in refused(swarm)
    assert "pin" in names(run(swarm, "drained", may_move={"shop_web"}))
    assert list(swarm.spread("id-web")) == ["n3"]


def test_a_local_volume_is_moved_by_no_permission():
    assert "local volume" in refused(Swarm(3, [service("web", volume=True)]), may_move={"shop_web"})


@pytest.mark.parametrize("name", ["pin", "surge"])
def test_a_service_without_a_placement_gets_none(name):
    """The next update that sends none, of a service whose tasks have one, would end all managers."""
    swarm = Swarm(3, [service("web", 6)])
    if name == "surge":
        run(swarm, "drained")
    del swarm.services_["id-web"]["Spec"]["TaskTemplate"]["Placement"]
    if name == "pin":
        assert "no Placement in its spec" in refused(swarm, may_move={"shop_web"})
    else:
        assert "surge" not in names(run(swarm, "active", may_move={"shop_web"}))


def test_services_share_the_room_that_is_left():
    both = [service("web", 3, memory=30), service("api", 3, memory=30)]
    assert "has nowhere to go" in refused(Swarm(3, both, memory=80))
    assert "pin" in names(run(Swarm(3, both, memory=100), "drained"))


def test_a_restart_policy_that_would_lose_the_task_is_refused():
    swarm = Swarm(3, [service("web", 3, restart="none")])
    assert "restart condition 'none'" in refused(swarm, may_stop={"shop_web"})
    assert "pin" in names(run(swarm, "drained")), "a moved task is no restarted one"


def test_what_stops_for_good_stops_in_a_swarm_that_goes():
    swarm = Swarm(3, [service("web", 3, restart="none")])
    assert "drain" in names(run(swarm, "drained", may_stop={"shop_web"}, move=False))


def test_a_limit_of_restarts_counts_as_used_up():
    limited = service("web", 3)
    limited["Spec"]["TaskTemplate"]["RestartPolicy"]["MaxAttempts"] = 3
    assert "limit of restart attempts" in refused(Swarm(3, [limited]), may_stop={"shop_web"})


def test_without_leave_to_move_the_node_is_refused():
    assert "shop_web" in refused(Swarm(3, [service("web", 3)]), move=False)


@pytest.mark.parametrize(("managers", "words"), [(1, "the last manager"), (2, "one of 2 managers")])
def test_a_manager_without_which_there_is_no_quorum_is_not_drained(managers, words):
    assert words in refused(Swarm(4, [service("web")], managers=managers), node="n1")


@pytest.mark.parametrize("state", ["demoted", "removed"])
def test_what_may_not_be_demoted_is_not_drained_first(state):
    swarm = Swarm(3, [service("web", 3)])
    with pytest.raises(RefusedError, match="the last manager"):
        run(swarm, state, node="n1")
    assert swarm.writes == 0


def test_a_manager_that_can_be_spared_is_drained():
    swarm = Swarm(4, [service("web", 4)], managers=3)
    assert "drain" in names(run(swarm, "drained", node="n3"))


def test_while_one_node_is_being_drained_no_other_is():
    swarm = Swarm(4, [service("web", 4)])
    swarm.die_at = 1
    with pytest.raises(Killed):
        run(swarm, "drained")
    swarm.die_at = None
    assert "drain of host-n2 is still under way" in refused(swarm, node="n3")


def test_a_service_that_runs_nowhere_else_is_taken_back():
    swarm = Swarm(3, [service("web", 1, constraints=["node.id!=n1"])])
    before = swarm.specs()
    swarm.crashes = {"id-web": {"n2"}}
    with pytest.raises(RefusedError, match=r"its update is paused .update paused due to failure.*taken back"):
        run(swarm, "drained", may_move={"shop_web"})
    assert swarm.specs() == before
    assert list(swarm.spread("id-web")) == ["n2"]


def test_a_move_that_takes_too_long_is_taken_back():
    swarm = Swarm(3, [service("web", 3)])
    before = swarm.specs()
    swarm._has_room = lambda *_args: False
    with pytest.raises(RefusedError, match="shop_web was not moved in time: no suitable node"):
        run(swarm, "drained")
    assert swarm.specs() == before
    assert swarm.spread("id-web") == {"n1": 1, "n2": 1, "n3": 1}


def test_what_is_taken_back_leaves_a_node_paused_that_somebody_else_paused():
    swarm = Swarm(3, [service("web", 3)])
    swarm.nodes_["n2"]["Spec"]["Availability"] = "pause"
    swarm._has_room = lambda *_args: False
    assert "not moved in time" in refused(swarm)


def test_a_task_too_many_that_goes_elsewhere_is_not_tried_for_ever():
    swarm = Swarm(3, [service("web", 6)])
    run(swarm, "drained")
    swarm._has_room = lambda node, _service: node["ID"] == "n1"
    result = run(swarm, "active")
    assert names(result).count("surge") == 1
    assert swarm.running(swarm.services_["id-web"]) == 6


def test_a_task_too_many_that_never_comes_to_run_costs_none_that_runs():
    swarm = Swarm(3, [service("web", 6)])
    run(swarm, "drained")
    swarm.crashes = {"id-web": {"n1", "n3"}}
    assert names(run(swarm, "active")).count("surge") == 1
    assert swarm.running(swarm.services_["id-web"]) == 6


def test_a_task_too_many_that_never_runs_is_given_up():
    swarm = Swarm(3, [service("web", 6)])
    run(swarm, "drained")
    swarm._has_room = lambda *_args: False
    assert names(run(swarm, "active")).count("surge") == 1
    assert swarm.running(swarm.services_["id-web"]) == 6


def test_a_node_made_active_in_mid_drain_is_paused_again_before_anything_else():
    swarm = Swarm(3, [service("web", 3)])
    swarm.die_at, swarm.after = 1, False
    with pytest.raises(Killed):
        run(swarm, "drained")
    swarm.die_at = None
    world = seen(swarm)
    world["services"][0]["Spec"] = specs.pin(world["services"][0]["Spec"], "n2")
    world["nodes"][1]["Spec"]["Availability"] = "active"
    assert drain.next_step(world, drain.Wanted("n2", "drained")).name == "pause"


def test_a_node_that_somebody_else_drains_in_mid_drain_keeps_no_label():
    swarm = Swarm(3, [service("web", 3)])
    swarm.die_at = 1
    with pytest.raises(Killed):
        run(swarm, "drained")
    swarm.die_at = None
    swarm.stoppable = {"shop_web"}
    swarm.nodes_["n2"]["Spec"]["Availability"] = "drain"
    assert run(swarm, "drained", may_stop={"shop_web"})["changed"]
    assert swarm.nodes_["n2"]["Spec"]["Labels"] == {}
    assert not run(swarm, "drained", may_stop={"shop_web"})["changed"]


FLEET = [service("web", 4), service("api", 3, port=8080), service("job", 1, health=False), service("log", None)]
WANTED = {"may_move": {"shop_job"}, "may_stop": {"shop_log"}}


def fleet(**changes):
    swarm = Swarm(4, json.loads(json.dumps(FLEET)))
    for key, value in changes.items():
        setattr(swarm, key, value)
    return swarm


def writes_of(*states):
    swarm = fleet()
    for state in states:
        run(swarm, state, **WANTED)
    return swarm.writes


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("die_at", range(writes_of("drained", "active")))
@pytest.mark.parametrize("then", ["drained", "active"])
def test_killed_at_any_write_the_next_run_finishes_or_undoes(die_at, after, then):
    swarm = fleet(die_at=die_at, after=after)
    before = swarm.specs()
    with pytest.raises(Killed):
        for state in ("drained", "active"):
            run(swarm, state, **WANTED)
    swarm.die_at = None
    run(swarm, then, **WANTED)
    if then == "drained":
        assert swarm.on("n2") == []
        assert swarm.specs()[0] == before[0]
        run(swarm, "active", **WANTED)
    assert swarm.specs() == before
    assert not run(swarm, "active", **WANTED)["changed"]


@pytest.mark.parametrize("number", range(writes_of("drained")))
def test_a_write_between_the_look_and_the_own_write_is_kept(number):
    swarm = fleet(meddle=(number,))
    result = run(swarm, "drained", **WANTED)
    assert sum("again" in step for step in result["steps"]) == 1
    services, nodes = swarm.specs()
    assert {spec["Labels"]["somebody"] for spec in [*services.values(), *nodes.values()]} == {f"else {number}"}


@settings(deadline=None, max_examples=150)
@given(fleets(), st.integers(0, 25), st.booleans(), st.sampled_from(["drained", "active"]))
def test_no_service_falls_below_its_number_of_tasks(made, die_at, after, then):
    """On any fleet, killed anywhere; refused means untouched, drained means empty, and every spec is as it was."""
    nodes, services, may_stop, may_move = made
    swarm = Swarm(nodes, services)
    wanted = {"may_stop": may_stop, "may_move": may_move}
    before = swarm.specs()
    swarm.die_at, swarm.after = die_at, after
    try:
        run(swarm, "drained", **wanted)
    except Killed:
        pass
    except RefusedError:
        assert swarm.specs() == before
    swarm.die_at = None
    try:
        run(swarm, then, **wanted)
        if then == "drained":
            assert swarm.on("n2") == []
            assert swarm.specs()[0] == before[0]
    except RefusedError:
        assert then == "drained"
        assert swarm.specs() == before
    run(swarm, "active", **wanted)
    assert swarm.specs() == before
    assert not run(swarm, "active", **wanted)["changed"]


def test_a_job_that_is_asked_to_stop_is_waited_for():
    """A drain does not stop jobs, so a job that never ends ends at the deadline and not in a false success."""
    swarm = Swarm(3, [service("web", 3)])
    world = seen(swarm)
    world["services"][0]["Spec"]["Mode"] = {"ReplicatedJob": {"TotalCompletions": 3}}
    decision = drain.next_step(world, drain.Wanted("n2", "drained"))
    assert "shop_web is a job" in decision.reason
    world["nodes"][1]["Spec"]["Availability"] = "drain"
    assert drain.next_step(world, drain.Wanted("n2", "drained")).name == "wait_for_tasks"


def moving(update="completed"):
    """Three tasks, one on n2, from which the service is pinned away; the update's own word is O(update)."""
    world = seen(Swarm(3, [service("web", 3)]))
    world["nodes"][1]["Spec"] = specs.pause(world["nodes"][1]["Spec"])
    world["services"][0]["Spec"] = specs.pin(world["services"][0]["Spec"], "n2")
    world["services"][0]["UpdateStatus"] = {"State": update} if update else None
    return world


@pytest.mark.parametrize("update", ["completed", None])
def test_the_updates_own_word_for_it_is_not_enough(update):
    world = moving(update)
    (old,) = [task for task in world["tasks"] if task["NodeID"] == "n2"]
    wanted = drain.Wanted("n2", "drained")
    assert drain.next_step(world, wanted).name == "wait_for_move", "no replacement runs yet"
    world["tasks"].append({**copy.deepcopy(old), "ID": "new", "NodeID": "n3"})
    assert drain.next_step(world, wanted).name == "wait_for_move", "the old one is not asked to stop yet"
    old["DesiredState"] = "shutdown"
    assert drain.next_step(world, wanted).name == "wait_for_move", "the old one stops"
    old["Status"]["State"] = "shutdown"
    assert drain.next_step(world, wanted).name == "drain"


def test_a_task_that_has_gone_without_a_replacement_is_waited_for():
    world = moving()
    world["tasks"] = [task for task in world["tasks"] if task["NodeID"] != "n2"]
    assert drain.next_step(world, drain.Wanted("n2", "drained")).name == "wait_for_move"


@pytest.mark.parametrize(
    ("replacement", "step"),
    [
        ({"NodeID": "n3", "Status": {"State": "starting"}}, "wait_for_start"),
        ({"NodeID": "n3", "Status": {"State": "starting"}, "DesiredState": "ready"}, "revert"),
        ({"NodeID": "n3", "Status": {"State": "starting"}, "Slot": 9}, "revert"),
        ({"NodeID": "n3"}, "revert"),
        ({"NodeID": None, "Status": {"State": "pending"}}, "revert"),
    ],
)
def test_a_move_is_not_taken_back_while_swarm_might_keep_the_task_that_does_not_run_yet(replacement, step):
    world = moving("updating")
    (old,) = [task for task in world["tasks"] if task["NodeID"] == "n2"]
    world["tasks"].append({**copy.deepcopy(old), "ID": "new", **replacement})
    assert drain.next_step(world, drain.Wanted("n2", "active")).name == step


def test_a_move_that_is_taken_back_in_check_mode_comes_to_its_end():
    swarm = Swarm(3, [service("web", 3)])
    swarm.die_at, swarm.after = 1, True
    with pytest.raises(Killed):
        run(swarm, "drained")
    told = names(run(swarm, "active", check=True))
    assert [name for name in told if not name.startswith("wait_")] == ["revert", "activate", "restore"]


def test_the_policy_of_the_move_stays_until_its_tasks_have_settled():
    world = moving()
    spec = world["services"][0]["Spec"]
    world["services"][0]["Spec"] = specs.revert(spec, specs.noted({"Spec": spec}))
    back = drain.Wanted("n2", "active", because="it failed")
    assert drain.next_step(world, back).name == "activate", "what runs nowhere else could not settle before"
    world["nodes"][1]["Spec"] = specs.available(world["nodes"][1]["Spec"], "active")
    assert drain.next_step(world, back).name == "restore"
    world["tasks"].append({**world["tasks"][0], "ID": "extra", "NodeID": None, "Status": {"State": "pending"}})
    assert drain.next_step(world, back).name == "wait_for_settling"
    assert drain.next_step({**world, "late": {("wait_for_settling", "shop_web")}}, back).name == "restore"
    world["tasks"].pop()
    world["services"][0]["UpdateStatus"] = {"State": "updating"}
    assert drain.next_step(world, back).name == "wait_for_settling"
