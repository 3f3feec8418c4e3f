"""A node's GPUs are given to one side alone, on a model of a Swarm that looks, at every moment, whether a service has too few running tasks."""

from __future__ import annotations

import json

import pytest
import swarm_raw as raw
from ansible_collections.sophia.replatform.plugins.module_utils import operation
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Done, Refused
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import (
    gpu,
    gpu_resources,
    operations,
    placement,
    restoration,
)
from swarm_model import Killed, Swarm, service

PARAMS = {"journal": None, "phase": "cutover", "deadline": 60}
WITHDRAWN = ["constrain", "constrain", "hold", "give"]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Time passes with each look."""
    monkeypatch.setattr(operations, "wait_while", lambda holds, seconds: {"waited_s": 0 if holds() else seconds})


def swarm_of(*more):
    """Five nodes; C(rag), which keeps its own constraint, has GPUs of n2 alone, C(ml) none yet, C(web) no GPU at all."""
    on_n2 = ("node.id==n2",)
    return Swarm(
        5, [service("rag", 1, gpus=1, constraints=on_n2), service("ml", 0, gpus=2), service("web", 5), *more], memory=0
    )


def run(swarm, node, state="withdrawn", check=False, params=None):
    result = operation.perform(
        operations.Gpu(swarm, node, state, ()), "swarm_gpu", node, {**PARAMS, **(params or {})}, check
    )
    return [step["name"] for step in result["steps"]], result["changed"]


def on(swarm, service_id):
    return {task["ID"]: task["NodeID"] for task in swarm.tasks() if task["ServiceID"] == service_id}


def test_withdrawn_and_offered_again_and_no_task_is_started_anew():
    swarm = swarm_of()
    before, tasks = swarm.specs(), [task["ID"] for task in swarm.tasks()]
    assert run(swarm, "n3") == (WITHDRAWN, True)
    assert run(swarm, "n3") == ([], False)
    assert run(swarm, "host-n4") == (["hold", "give"], True)
    assert [node["Spec"]["Availability"] for node in swarm.nodes()] == ["active"] * 5
    swarm.services_["id-ml"]["Spec"]["Mode"]["Replicated"]["Replicas"] = 8
    for _look in range(8):
        swarm.tick()
    assert set(on(swarm, "id-ml").values()) == {"n1", "n2", "n5"}
    swarm.services_["id-ml"]["Spec"]["Mode"]["Replicated"]["Replicas"] = 0
    assert run(swarm, "n3", "offered") == (["offer"], True)
    assert run(swarm, "n4", "offered") == (["offer", "unconstrain", "unconstrain"], True)
    assert run(swarm, "n4", "offered") == ([], False)
    assert swarm.specs() == before
    assert [task["ID"] for task in swarm.tasks() if task["ServiceID"] != "id-ml"] == tasks


def test_check_mode_tells_the_steps_and_changes_nothing():
    swarm = swarm_of()
    before = swarm.specs()
    assert run(swarm, "n3", check=True) == (WITHDRAWN, True)
    assert swarm.specs() == before


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("write", range(4))
@pytest.mark.parametrize("end", ["withdrawn", "offered"])
def test_cut_off_at_any_write_the_next_run_finishes_or_takes_it_back(write, after, end):
    whole = swarm_of()
    before = whole.specs()
    run(whole, "n3")
    swarm = swarm_of()
    swarm.die_at, swarm.after = write, after
    with pytest.raises(Killed):
        run(swarm, "n3")
    swarm.die_at = None
    run(swarm, "n3", end)
    assert swarm.specs() == (whole.specs() if end == "withdrawn" else before)


@pytest.mark.parametrize("write", range(3))
@pytest.mark.parametrize("end", ["withdrawn", "offered"])
def test_a_change_of_somebody_else_is_kept(write, end):
    swarm = swarm_of()
    if end == "offered":
        run(swarm, "n3")
    swarm.meddle = (swarm.writes + write,)
    run(swarm, "n3", end)
    services, nodes = swarm.specs()
    assert all(f"else {max(swarm.meddle)}" in one["Labels"].values() for one in services.values())
    assert nodes["n3"]["Labels"].get(gpu.LABEL) == ("k3s" if end == "withdrawn" else None)


def test_a_task_with_a_gpu_is_named_and_nothing_is_changed():
    swarm = swarm_of()
    before = swarm.specs()
    with pytest.raises(RefusedError, match="^shop_rag still has a GPU of host-n2: scale it down"):
        run(swarm, "n2")
    assert swarm.specs() == before


def test_a_task_with_other_generic_resources_would_not_outlive_the_label():
    swarm = swarm_of(service("vram", 1, gpus=1, kind="VRAM", constraints=("node.id==n3",)))
    before = swarm.specs()
    with pytest.raises(RefusedError, match="^Swarm would end a task of shop_vram.*name its resources in kinds"):
        run(swarm, "n3")
    assert swarm.specs() == before
    swarm.nodes_["n3"]["Spec"]["Availability"] = "pause"  # by somebody, and it stays so
    assert run(swarm, "n3")[0] == WITHDRAWN[:2] + ["give"]


def test_offered_again_the_steps_tell_what_it_ends():
    swarm = swarm_of(service("vram", 0, gpus=1, kind="VRAM", constraints=("node.id==n3",)))
    run(swarm, "n3")
    swarm.services_["id-vram"]["Spec"]["Mode"]["Replicated"]["Replicas"] = 1
    for _look in range(8):
        swarm.tick()
    told = operation.perform(operations.Gpu(swarm, "n3", "offered", ()), "swarm_gpu", "n3", PARAMS, True)["steps"]
    assert told[0] == {"name": "offer", "node": "host-n3", "ends": "shop_vram"}


def test_a_task_that_comes_in_between_takes_back_what_had_begun():
    """It gets there when the node is being paused, so that it is seen only after it."""
    swarm = swarm_of(service("late", 0, gpus=1, constraints=("node.id==n3",)))
    before = swarm.specs()

    def come():
        task = raw.task("late", "n3")
        swarm.tasks_.append({**task, "Spec": swarm.services_["id-late"]["Spec"]["TaskTemplate"]})
        swarm.services_["id-late"]["Spec"]["Mode"]["Replicated"]["Replicas"] = 1

    swarm.at = {4: come}
    with pytest.raises(RefusedError, match="shop_late still has a GPU of host-n3"):
        run(swarm, "n3")
    before[0]["id-late"]["Mode"]["Replicated"]["Replicas"] = 1
    assert swarm.specs() == before
    assert "n3" in on(swarm, "id-late").values()


def world_with(**more):
    rag = service("rag", 1, gpus=1)
    world = {"info": raw.info(), "nodes": [raw.node("n1", "manager"), raw.node("n2")], "services": [rag], "tasks": []}
    return {**world, **more}


def refused(world, node="n2", state="withdrawn"):
    decision = gpu.next_step(world, node, state)
    assert isinstance(decision, Refused), decision
    return decision.reason


def test_what_is_not_safe_is_refused_in_a_line():
    updating = {**service("rag", 1, gpus=1), "UpdateStatus": {"State": "updating"}}
    assert "service shop_rag is in mid-update (updating)" in refused(world_with(services=[updating]))
    bare = service("rag", 1, gpus=1)
    del bare["Spec"]["TaskTemplate"]["Placement"]
    assert "shop_rag has no Placement" in refused(world_with(services=[bare]))
    down = world_with(nodes=[raw.node("n1", "manager"), raw.node("n2", state="down")])
    assert "host-n2 is 'down'" in refused(down)
    lost = [raw.node("n1", "manager"), raw.node("n2", "manager", reachability="unreachable")]
    assert "host-n2 are not reachable, so there is no quorum" in refused(world_with(nodes=lost))
    assert "no manager" in refused(world_with(info=raw.info(manager=False)))
    assert "'n7' names 0 nodes" in refused(world_with(), "n7")
    drained = raw.node("n2", availability="pause")
    drained["Spec"]["Labels"]["replatform.sophia.ai/drain"] = "was active"
    assert "the drain of host-n2 is still under way" in refused(world_with(nodes=[raw.node("n1", "manager"), drained]))


def test_a_new_service_on_a_node_that_was_withdrawn_before_is_named():
    given = raw.node("n2")
    given["Spec"]["Labels"][gpu.LABEL] = "k3s"
    world = world_with(nodes=[raw.node("n1", "manager"), given], tasks=[raw.task("rag", "n2", "starting")])
    assert "shop_rag still has a GPU of host-n2" in refused(world, "n1")


@pytest.mark.parametrize("state", ["new", "pending", "shutdown", "complete"])
def test_a_task_that_has_got_nothing_or_has_ended_holds_nothing(state):
    decision = gpu.next_step(world_with(tasks=[raw.task("rag", "n2", state)]), "n2", "withdrawn")
    assert not isinstance(decision, (Refused, Done))


def test_a_task_that_is_asked_to_end_has_its_gpu_until_it_has_ended():
    assert "still has a GPU" in refused(world_with(tasks=[raw.task("rag", "n2", desired="shutdown")]))


def test_a_pause_of_somebody_else_stays():
    swarm = swarm_of()
    swarm.nodes_["n3"]["Spec"]["Availability"] = "pause"
    before = swarm.specs()
    assert run(swarm, "n3")[0][-1] == "give"
    assert swarm.specs()[1]["n3"]["Availability"] == "pause"
    run(swarm, "n3", "offered")
    assert swarm.specs() == before


@pytest.mark.parametrize("end", ["withdrawn", "offered"])
def test_a_drain_of_somebody_else_meanwhile_stays(end):
    swarm = swarm_of()
    swarm.die_at, swarm.after = WITHDRAWN.index("hold"), True
    with pytest.raises(Killed):
        run(swarm, "n3")
    swarm.die_at = None
    swarm.watched = False  # the drain checks nothing
    swarm.nodes_["n3"]["Spec"]["Availability"] = "drain"
    run(swarm, "n3", end)
    assert swarm.specs()[1]["n3"]["Availability"] == "drain"


def test_a_node_that_somebody_makes_active_meanwhile_is_held_again():
    swarm = swarm_of()
    swarm.die_at, swarm.after = WITHDRAWN.index("hold"), True
    with pytest.raises(Killed):
        run(swarm, "n3")
    swarm.die_at = None
    swarm.nodes_["n3"]["Spec"]["Availability"] = "active"
    assert run(swarm, "n3") == (["hold", "give"], True)
    assert swarm.specs()[1]["n3"]["Availability"] == "active"


def test_a_node_that_was_joined_twice_under_its_name_is_foreseen_by_its_id():
    swarm = swarm_of()
    old = raw.node("n9", state="down")
    old["Description"] = swarm.nodes_["n3"]["Description"]
    swarm.nodes_["n9"] = old
    assert run(swarm, "n3", check=True) == (WITHDRAWN, True)


def test_a_constraint_that_was_there_stays():
    own = service("rag", 1, gpus=1, constraints=(gpu.CONSTRAINT,))["Spec"]
    assert gpu.unconstrained(own) == own


def test_the_names_of_gpus_can_be_given():
    template = {"Resources": {"Reservations": {"GenericResources": [{"NamedResourceSpec": {"Kind": "A10"}}] * 2}}}
    assert gpu_resources.reserved(template) == 0
    assert gpu_resources.reserved(template, ("A10",)) == 2


def test_a_drain_knows_which_nodes_the_constraint_leaves():
    node = raw.node("n2")
    assert placement.meets(node, gpu.CONSTRAINT)
    node["Spec"]["Labels"][gpu.LABEL] = "k3s"
    assert not placement.meets(node, gpu.CONSTRAINT)


def test_a_stack_that_is_made_again_knows_nothing_of_it():
    own = service("rag", 1, gpus=1, constraints=("node.role==worker",))["Spec"]
    kept = {"specs": {"shop_rag": gpu.constrained(own)}}
    assert restoration.services(json.loads(json.dumps(kept))) == {"shop_rag": own}
