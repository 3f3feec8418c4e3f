from __future__ import annotations

import pytest
import swarm_raw as raw
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import state


class Engine:
    """A client that gives recorded or made answers and counts what was asked."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []

    def __getattr__(self, name):
        self.asked.append(name)
        return lambda *args, **kwargs: self.answers[name]


def facts(services, tasks, nodes=None):
    nodes = nodes or [raw.node("n1", "manager", leader=True), raw.node("n2"), raw.node("n3")]
    return state.stack_info({"info": raw.info(), "nodes": nodes, "services": services, "tasks": tasks}, "shop")


def only(answer):
    (service,) = answer["services"]
    return service


def test_an_engine_in_no_swarm_is_asked_nothing_more():
    engine = Engine(info=raw.info("inactive", False))
    assert state.stack_info(state.read_swarm(engine), "shop") == {**state.INACTIVE, "hostname": "host"}
    assert engine.asked == ["info"]


def test_a_worker_says_active_and_knows_no_services():
    engine = Engine(info=raw.info(manager=False))
    answer = state.stack_info(state.read_swarm(engine), "shop")
    assert (answer["swarm"], answer["is_manager"], answer["nodes"], answer["services"]) == ("active", False, [], [])


@pytest.mark.parametrize("between", ["pending", "locked", "error"])
def test_a_member_that_cannot_speak_is_not_inactive(between):
    with pytest.raises(ReplatformError, match=f"is '{between}' .no quorum"):
        state.stack_info({"info": raw.info(between, error="no quorum")}, "shop")


def test_only_the_services_of_the_stack_and_their_names_without_it():
    answer = facts([raw.service("web"), raw.service("web", stack="other")], [])
    assert [(s["name"], s["full_name"]) for s in answer["services"]] == [("web", "shop_web")]


def test_a_stack_that_is_absent_has_no_services():
    assert facts([raw.service("web", stack="other")], [])["services"] == []


def test_host_mode_is_reached_where_tasks_run_on_ready_nodes():
    nodes = [raw.node("n1", "manager"), raw.node("n2"), raw.node("n3", state="down")]
    tasks = [
        raw.task("web", "n1", slot=1),
        raw.task("web", "n2", "starting", slot=2),
        raw.task("web", "n2", "running", "shutdown", slot=2),
        raw.task("web", "n3", slot=3),
        raw.task("web", None, "pending", slot=4),
    ]
    service = only(facts([raw.service("web", replicas=4)], tasks, nodes))
    assert service["endpoints"] == ["192.0.2.1:8001"]
    assert (service["replicas"], service["running"]) == (4, 1)
    assert service["tasks"] == [{"id": "task-web-1-n1", "node": "host-n1", "container": "c-web-1"}]


def test_ingress_is_reached_on_every_ready_node():
    nodes = [raw.node("n1", "manager"), raw.node("n2"), raw.node("n3", state="down")]
    service = only(facts([raw.service("web", mode="ingress")], [raw.task("web", "n1")], nodes))
    assert service["endpoints"] == ["192.0.2.1:8001", "192.0.2.2:8001"]


def test_a_leader_that_calls_itself_unspecified_has_its_managers_address():
    nodes = [raw.node("n1", "manager", leader=True, address="0.0.0.0")]
    assert facts([], [], nodes)["nodes"][0]["address"] == "192.0.2.1"


def test_global_services_want_as_many_as_are_desired():
    tasks = [raw.task("web", "n1"), raw.task("web", "n2", "starting"), raw.task("web", "n3", "shutdown", "shutdown")]
    service = only(facts([raw.service("web", replicas=None)], tasks))
    assert (service["mode"], service["replicas"], service["running"]) == ("global", 2, 1)


def test_a_service_without_ports_has_no_endpoints():
    service = raw.service("web")
    del service["Endpoint"]
    service["Spec"].pop("EndpointSpec")
    assert only(facts([service], [raw.task("web", "n1")]))["endpoints"] == []


@pytest.mark.parametrize(
    ("policy", "condition", "attempts"),
    [
        (None, "any", 0),
        ({}, "any", 0),
        ({"Condition": "any", "Delay": 5000000000, "MaxAttempts": 0}, "any", 0),
        ({"Condition": "on-failure", "MaxAttempts": 3, "Window": 120000000000}, "on-failure", 3),
        ({"Condition": "none"}, "none", 0),
    ],
)
def test_whether_a_task_that_has_ended_is_started_again(policy, condition, attempts):
    service = raw.service("web")
    if policy is not None:
        service["Spec"]["TaskTemplate"]["RestartPolicy"] = policy
    answer = only(facts([service], []))
    assert (answer["restart_condition"], answer["restart_max_attempts"]) == (condition, attempts)
