"""What would be lost with a Swarm that goes with its last stack, and nodes that stand in its way."""

from __future__ import annotations

import pytest
import swarm_raw as raw
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Done, Refused, Step
from ansible_collections.sophia.replatform.plugins.module_utils.secrets import carrier
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import leave, stack
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.astray import astray

LABELS = {"com.docker.stack.namespace": "shop"}
UP = [raw.node("n1", "manager", leader=True), raw.node("n2")]
COPY = {"ID": "id-copy", "Spec": carrier.specification("r1", "n1", "web:1.0", {"shop_token": "s1"}, 60)}


def alone(name):
    """A service that no stack has made; its tasks may be none."""
    service = raw.service(name, replicas=0)
    service["Spec"].update(Name=name, Labels={})
    return service


def own(task):
    return {**task, "Spec": {"ContainerSpec": {"Labels": LABELS}}}


def world(services, tasks=(), nodes=()):
    things = {"network": [], "secret": [], "config": []}
    return {"info": raw.info(), "nodes": [*UP, *nodes], "services": list(services), "tasks": list(tasks), **things}


def removal(start, last=True):
    return stack.next_removal(start, "shop", {"shop_web"}, last)


def leaving(*services):
    return leave.next_step({"info": raw.info(), "nodes": UP[:1], "containers": [], "services": list(services)}, True)


def test_what_is_not_of_the_stack_is_named_before_anything_is_removed():
    others = [raw.service("portainer", stack="ops"), alone("registry")]
    named = "ops_portainer (stack ops), registry (of no stack) would be lost with the Swarm: move or remove each first"
    tasks = [raw.task("portainer", "n1")]
    assert removal(world([raw.service("web"), *others], tasks)) == Refused(named)
    assert removal(world(others, tasks)) == Refused(named)
    assert leaving(*others) == Refused(named)


def test_a_stack_that_is_not_the_last_goes_alone():
    start = world([raw.service("web"), raw.service("portainer", stack="ops")])
    assert removal(start, last=False).data["service"] == "shop_web"


def test_what_a_killed_copy_of_secrets_has_left_goes_first():
    start = world([raw.service("web"), COPY])
    assert removal(start) == Step("remove_service", {"service": "replatform-secret-copy-r1", "id": "id-copy"})
    assert removal(start, last=False).data["service"] == "shop_web"
    assert leaving(COPY) == Step("leave", {"force": True})


@pytest.mark.parametrize(
    ("availability", "task"),
    [("active", None), ("pause", None), ("drain", own(raw.task("web", "n3", "running", "remove")))],
)
def test_a_node_that_is_down_is_named_before_anything_is_removed(availability, task):
    nodes = [raw.node("n3", availability=availability, state="down")]
    decision = removal(world([raw.service("web")], [task] if task else [], nodes))
    assert decision == Refused(
        "host-n3 (ID n3): down, so what runs there is not known:"
        " bring each back, or take it off the list once its host is gone for good (docker node rm ID)"
    )


def test_a_manager_that_is_down_is_no_manager_any_more_before_it_goes_off_the_list():
    decision = removal(world([raw.service("web")], nodes=[raw.node("n3", "manager", state="down")]))
    assert isinstance(decision, Refused) and decision.reason.endswith(
        "once its host is gone for good (docker node demote ID, then docker node rm ID)"
    )


def test_a_node_that_was_drained_before_it_went_down_stands_in_nobodys_way():
    ended = [own(raw.task("web", "n3", "shutdown", "shutdown")), own(raw.task("web", "n2"))]
    start = world([raw.service("web")], ended, [raw.node("n3", availability="drain", state="down")])
    assert removal(start).name == "remove_service"


def test_once_the_services_are_gone_a_node_is_down_because_it_has_left():
    gone = world([], nodes=[raw.node("n3", state="down")])
    assert isinstance(removal(gone), Done)
    stuck = world([], [own(raw.task("web", "n3", "running", "remove"))], gone["nodes"])
    assert "host-n3 (ID n3): down" in removal(stuck).reason


def seen(node_id, *nodes):
    swarm = "active" if node_id else "inactive"
    return {"swarm": swarm, "node_id": node_id, "is_manager": bool(nodes), "nodes": [{"id": one} for one in nodes]}


def test_hosts_of_one_swarm_and_those_that_have_left_are_at_home():
    assert astray({"w1": seen("n2"), "m1": seen("n1", "n1", "n2", "n9"), "w2": seen("")}) == ""
    assert astray({"w1": seen(""), "m1": seen("")}) == ""


def test_a_worker_of_another_swarm_and_a_second_swarm_are_named():
    hosts = {"m1": seen("n1", "n1", "n2"), "w1": seen("n2"), "w3": seen("x3"), "m2": seen("x1", "x1")}
    assert astray(hosts).startswith("m2, w3: in another Swarm than m1, a manager; have those in a wrong one leave it")


def test_workers_without_a_manager_are_named():
    said = "w3, w4: in a Swarm that no host of the inventory manages; add its managers"
    assert astray({"w4": seen("x4"), "w3": seen("x3"), "m1": seen("")}).startswith(said)
