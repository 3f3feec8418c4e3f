from __future__ import annotations

import swarm_raw as raw
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Done, Refused, Step
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import leave, stack


def own(task):
    task["Spec"] = {"ContainerSpec": {"Labels": {"com.docker.stack.namespace": "shop"}}}
    return task


def world(services=(), tasks=(), **things):
    things = {kind: things.get(kind, []) for kind in stack.KINDS}
    return {"info": raw.info(), "nodes": [], "services": list(services), "tasks": list(tasks), **things}


def removal(start, handed_over=(), last=False):
    names = []
    while True:
        decision = stack.next_removal(start, "shop", handed_over, last)
        if not isinstance(decision, Step):
            return names, decision
        names.append((decision.name, decision.data.get(decision.name.partition("_")[2])))
        start = stack.simulate_removal(start, decision)


def test_a_stack_goes_services_first_and_what_they_used_after_their_tasks():
    start = world(
        [raw.service("web"), raw.service("db"), raw.service("web", stack="other")],
        [own(raw.task("web", "n2"))],
        network=[{"Id": "net1", "Name": "shop_default"}],
        secret=[{"ID": "sec1", "Spec": {"Name": "shop_password"}}],
        config=[{"ID": "con1", "Spec": {"Name": "shop_settings"}}],
    )
    names, end = removal(start, {"shop_web", "shop_db"})
    assert names == [
        ("remove_service", "shop_db"),
        ("remove_service", "shop_web"),
        ("wait_for_tasks", None),
        ("remove_network", "shop_default"),
        ("remove_secret", "shop_password"),
        ("remove_config", "shop_settings"),
    ]
    assert isinstance(end, Done)


def test_nothing_is_removed_while_one_service_is_not_handed_over():
    names, end = removal(world([raw.service("web"), raw.service("db")]), {"shop_web"})
    assert names == []
    assert isinstance(end, Refused)
    assert "shop_db of stack shop are not handed over" in end.reason


def test_cut_off_after_the_services_it_goes_on_with_the_rest():
    start = world(
        tasks=[own(raw.task("web", "n2", "running", "remove"))], network=[{"Id": "net1", "Name": "shop_default"}]
    )
    assert [name for name, _thing in removal(start)[0]] == ["wait_for_tasks", "remove_network"]


def test_tasks_of_other_stacks_are_not_waited_for():
    assert removal(world(tasks=[raw.task("web", "n2")]))[0] == []


def scaling(start, replicas):
    names = []
    while True:
        decision = stack.next_scaling(start, "shop_db", replicas)
        if not isinstance(decision, Step):
            return names, decision
        names.append(decision.name)
        start = stack.simulate_scaling(start, decision)


def test_scaled_to_nothing_when_the_last_task_has_ended():
    start = world([raw.service("db")], [raw.task("db", "n1")])
    names, end = scaling(start, 0)
    assert names == ["scale", "wait_for_tasks"]
    assert isinstance(end, Done)
    stopping = world([raw.service("db", replicas=0)], [raw.task("db", "n1", "running", "shutdown")])
    assert scaling(stopping, 0)[0] == ["wait_for_tasks"]
    assert scaling(world([raw.service("db", replicas=0)], [raw.task("db", "n1", "shutdown", "shutdown")]), 0)[0] == []


def test_scaled_up_again_when_a_task_runs():
    start = world([raw.service("db", replicas=0)], [raw.task("db", "n1", "shutdown", "shutdown")])
    assert scaling(start, 1)[0] == ["scale", "wait_for_tasks"]


def test_a_service_that_is_gone_has_no_tasks_but_cannot_get_any():
    assert isinstance(scaling(world(), 0)[1], Done)
    assert isinstance(scaling(world(), 1)[1], Refused)


def test_a_global_service_is_not_scaled():
    assert "not replicated" in scaling(world([raw.service("db", replicas=None)]), 0)[1].reason


def leaving(start, last):
    names = []
    while True:
        decision = leave.next_step(start, last)
        if not isinstance(decision, Step):
            return names, decision
        names.append((decision.name, decision.data.get("force")))
        start = leave.simulate(start, decision)


def engine(info, nodes=(), containers=(), services=()):
    return {"info": info, "nodes": list(nodes), "containers": list(containers), "services": list(services)}


def test_a_worker_leaves_and_its_containers_are_waited_for():
    names, end = leaving(engine(raw.info(manager=False), containers=[{}]), False)
    assert names == [("leave", False), ("wait_for_containers", None)]
    assert isinstance(end, Done)


def test_an_engine_in_no_swarm_has_nothing_to_do():
    assert leaving(engine(raw.info("inactive", False)), True)[0] == []


def test_a_manager_is_waited_for_until_it_knows_that_it_was_demoted():
    assert leaving(engine(raw.info()), False)[0] == [("wait_for_demotion", None), ("leave", False)]


def test_the_last_manager_leaves_by_force_and_only_alone():
    alone = [raw.node("n1", "manager", leader=True)]
    assert leaving(engine(raw.info(), alone), True)[0] == [("leave", True)]
    names, end = leaving(engine(raw.info(), [*alone, raw.node("n2", state="down")]), True)
    assert names == []
    assert "host-n2 are still nodes" in end.reason
