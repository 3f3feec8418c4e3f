from __future__ import annotations

import pytest
import swarm_raw as raw
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import placement
from swarm_model import service


def node(node_id="n1", **description):
    one = raw.node(node_id)
    one["Spec"]["Labels"] = {"disk": "SSD"}
    one["Description"].update({"Platform": {"OS": "linux", "Architecture": "x86_64"}, **description})
    return one


@pytest.mark.parametrize(
    ("constraint", "met"),
    [
        ("node.id==n1", True),
        ("node.id != n1", False),
        ("node.hostname==HOST-N1", True),
        ("node.role==worker", True),
        ("node.role!=manager", True),
        ("node.labels.disk==ssd", True),
        ("node.labels.disk!=ssd", False),
        ("node.labels.zone==a", False),
        ("node.labels.zone!=a", True),
        ("engine.labels.gpu==yes", True),
        ("node.platform.os==linux", True),
        ("node.platform.arch==aarch64", False),
        ("node.ip==192.0.2.0/24", True),
        ("node.ip!=192.0.2.1", False),
        ("node.ip==x", False),
        ("node.colour==red", False),
        ("node.colour!=red", False),
        ("nonsense", False),
    ],
)
def test_constraints_as_swarmkit_reads_them(constraint, met):
    assert placement.meets(node(Engine={"Labels": {"gpu": "yes"}}), constraint) is met


def why_not(the_service, the_node=None, tasks=()):
    world = {"nodes": [the_node or node()], "services": [the_service], "tasks": list(tasks)}
    return placement.Room(world).why_not(the_service, "n1")


@pytest.mark.parametrize(
    ("platforms", "fits"),
    [
        ([], True),
        ([{"OS": "linux", "Architecture": "amd64"}], True),
        ([{"OS": "linux"}], True),
        ([{"OS": "linux", "Architecture": "aarch64"}, {"OS": "windows"}], False),
    ],
)
def test_platforms(platforms, fits):
    one = service("web")
    one["Spec"]["TaskTemplate"]["Placement"] = {"Platforms": platforms}
    assert (why_not(one) == "") is fits


@pytest.mark.parametrize("change", [{"availability": "pause"}, {"availability": "drain"}, {"state": "down"}])
def test_a_node_that_takes_nothing(change):
    assert why_not(service("web"), raw.node("n1", **change)) == "takes no tasks"


GPUS = {"GenericResources": [{"NamedResourceSpec": {"Kind": "GPU", "Value": f"GPU-{i}"}} for i in (0, 1)]}


@pytest.mark.parametrize(("state", "why"), [("running", "has too little GPU"), ("shutdown", "")])
def test_what_a_task_has_reserved_is_free_only_when_it_has_ended(state, why):
    one = service("web")
    wanted = {"GenericResources": [{"DiscreteResourceSpec": {"Kind": "GPU", "Value": 2}}]}
    one["Spec"]["TaskTemplate"]["Resources"] = {"Reservations": wanted}
    task = {**raw.task("web", "n1", state, "shutdown"), "Spec": one["Spec"]["TaskTemplate"]}
    assert why_not(one, node(Resources=GPUS)) == ""
    assert why_not(one, node(Resources=GPUS), [task]) == why


@pytest.mark.parametrize(("protocol", "why"), [("tcp", "has port 80 in use"), ("udp", "")])
def test_a_host_port_is_one_with_its_protocol(protocol, why):
    one, other = service("web", port=80), service("dns", port=80)
    other["Spec"]["EndpointSpec"]["Ports"][0]["Protocol"] = protocol
    world = {"nodes": [node()], "services": [one, other], "tasks": [raw.task("dns", "n1")]}
    assert placement.Room(world).why_not(one, "n1") == why


def test_a_port_of_the_routing_mesh_holds_nobody_up():
    one = service("web", port=80)
    one["Spec"]["EndpointSpec"]["Ports"][0]["PublishMode"] = "ingress"
    assert why_not(one, tasks=[raw.task("web", "n1")]) == ""
