from __future__ import annotations

import json

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.gpu.swarm_gate import (
    Holder,
    gate_faults,
    holders,
    offered,
)
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.gpu import CONSTRAINT, LABEL
from hypothesis import given
from hypothesis import strategies as st


def container(name="/shop_rag.1.o3s6", env=(), task="shop_rag.1.o3s6", mounts=(), **host):
    labels = {"com.docker.swarm.task.name": task, "com.docker.swarm.service.name": "shop_rag"} if task else {}
    return {
        "Name": name,
        "Config": {"Env": list(env), "Labels": labels},
        "HostConfig": host,
        "Mounts": [{"Destination": path} for path in mounts],
    }


def gpu_holders(inspected, known=()):
    return [f"{name} ({how})" if how else name for name, how in holders(inspected, known)]


def info(*kinds, state="active"):
    resources = [{"DiscreteResourceSpec": {"Kind": kind, "Value": 1}} for kind in kinds]
    return json.dumps({"Swarm": {"LocalNodeState": state, "NodeID": "n1"}, "GenericResources": resources or None})


def told_node(availability, **labels):
    """What a manager tells of the node; nothing where there is no availability."""
    return json.dumps({"Availability": availability, "Labels": labels}) if availability else ""


def told_service(name, gpus=1, constraints=(CONSTRAINT,)):
    kind = {"DiscreteResourceSpec": {"Kind": "NVIDIA-GPU", "Value": gpus}}
    resources = {"Reservations": {"GenericResources": [kind]}} if gpus else None
    return json.dumps({"name": name, "resources": resources, "placement": {"Constraints": list(constraints)}})


def kinds_of(info):
    return offered(json.loads(info))


@pytest.mark.parametrize(
    "holder, how",
    [
        (container(env=["A=b", "DOCKER_RESOURCE_NVIDIA-GPU=1"]), "NVIDIA-GPU 1"),
        (container(env=["DOCKER_RESOURCE_GPU=GPU-3a1f"]), "GPU GPU-3a1f"),
        (container(DeviceRequests=[{"Count": -1, "Capabilities": [["gpu"]]}]), "--gpus"),
        (container(Devices=[{"PathOnHost": "/dev/nvidia0"}]), "/dev/nvidia*"),
        (container(Runtime="nvidia", env=["NVIDIA_VISIBLE_DEVICES=all"]), "runtime nvidia"),
        (container(Runtime="nvidia-cdi", env=["NVIDIA_VISIBLE_DEVICES=nvidia.com/gpu=0"]), "runtime nvidia-cdi"),
        (container(Runtime="nvidia", mounts=["/var/run/nvidia-container-devices/all"]), "runtime nvidia"),
        (container(DeviceRequests=[{"Driver": "nvidia", "Capabilities": None}]), "--gpus"),
        (container(DeviceRequests=[{"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=all"]}]), "a CDI device"),
        (
            container(DeviceRequests=[{"Driver": "cdi", "DeviceIDs": ["a.b/c=d", "runtime.nvidia.com/gpu=0"]}]),
            "a CDI device",
        ),
        (container(Devices=[{"PathOnHost": "nvidia.com/gpu=GPU-1"}]), "a CDI device"),
        (container(Annotations={"cdi.k8s.io/x": "a.b/c=d,nvidia.com/mig=0:0"}), "a CDI annotation"),
        (container(DeviceCgroupRules=["c 1:3 r", "c 195:* rmw"]), "a device rule for major 195"),
        (container(Privileged=True, env=["NVIDIA_VISIBLE_DEVICES=all"]), "privileged, with NVIDIA_VISIBLE_DEVICES"),
        (container(Privileged=True, Devices=[{"PathOnHost": "/dev/nvidiactl"}]), "/dev/nvidia*"),
    ],
)
def test_whoever_holds_a_gpu_is_named_and_how(holder, how):
    assert gpu_holders(json.dumps([container(), holder])) == [f"shop_rag.1.o3s6 ({how})"]


@pytest.mark.parametrize(
    "other",
    [
        container(env=["DOCKER_RESOURCE_SSD=1", "GPU=1"]),
        container(Runtime="nvidia"),
        container(Runtime="nvidia", env=["NVIDIA_VISIBLE_DEVICES=void"]),
        container(Runtime="runc", env=["NVIDIA_VISIBLE_DEVICES=all"]),
        container(Devices=[{"PathOnHost": "/dev/fuse"}], DeviceRequests=None),
        container(DeviceRequests=[{"Driver": "cdi", "DeviceIDs": ["vendor.com/net=eth0", "notnvidia.com/gpu=0"]}]),
        container(DeviceRequests=[{"Driver": "cdi", "DeviceIDs": None}]),
        container(Annotations={"note": "nvidia.com/gpu=0"}),
        container(DeviceCgroupRules=["c 1195:* rmw"], Privileged=False),
        container(mounts=["/var/run/nvidia-container-devices/all"]),
        {"Name": "/bare", "Config": {"Env": None, "Labels": None}, "HostConfig": {"Devices": None}},
    ],
)
def test_who_holds_none_is_not(other):
    assert gpu_holders(json.dumps([other])) == []


def test_a_container_outside_the_swarm_counts_too():
    found = gpu_holders(json.dumps([container(name="/jupyter", task="", DeviceRequests=[{"Capabilities": [["gpu"]]}])]))
    assert found == ["jupyter (--gpus)"]


def test_what_the_engine_offers_to_its_swarm():
    assert kinds_of(info("NVIDIA-GPU", "SSD")) == ["NVIDIA-GPU"]
    assert kinds_of(info()) == []


def test_named_resources_count():
    told = json.loads(info())
    told["GenericResources"] = [{"NamedResourceSpec": {"Kind": "gpu", "Value": "GPU-1"}}]
    assert offered(told) == ["gpu"]


@pytest.mark.parametrize("availability, closed", [("active", True), ("", True), ("drain", False), ("pause", False)])
def test_a_swarm_that_may_still_give_the_gpu_away_keeps_the_gate_closed(availability, closed):
    faults = gate_faults("", info("NVIDIA-GPU"), told_node(availability))
    assert bool(faults) is closed
    assert all("docker node update --availability drain" in fault for fault in faults)


def test_a_host_without_docker_passes():
    assert gate_faults("", "", "") == []


def test_a_drained_node_with_a_container_left_does_not():
    (fault,) = gate_faults(
        json.dumps([container(env=["DOCKER_RESOURCE_NVIDIA-GPU=1"])]), info("NVIDIA-GPU"), told_node("drain")
    )
    assert fault == "shop_rag.1.o3s6 (NVIDIA-GPU 1) use a GPU of this host outside K3s; move or stop them first"


def test_a_privileged_container_sees_every_gpu_and_is_refused_until_it_is_known_to_use_none():
    agent = container(name="/agent", task="", Privileged=True, env=["TOKEN=s3cret"])
    assert holders(json.dumps([agent])) == [Holder("agent", "")]
    (fault,) = gate_faults(json.dumps([agent]), "", "")
    assert fault.startswith("agent are privileged") and fault.endswith("nvidia_device_plugin_without_gpu")
    assert gate_faults(json.dumps([agent]), "", "", ["agent"]) == []
    assert gate_faults(json.dumps([agent]), "", "", ["agen"]) == [fault]
    task = container(Privileged=True)
    assert gate_faults(json.dumps([task]), "", "", ["shop_rag"]) == []


def test_one_that_asks_for_a_gpu_is_not_excused_by_its_name():
    asks = container(name="/agent", task="", Privileged=True, env=["NVIDIA_VISIBLE_DEVICES=all"])
    assert gpu_holders(json.dumps([asks]), ["agent"]) == ["agent (privileged, with NVIDIA_VISIBLE_DEVICES)"]


@pytest.mark.parametrize(
    "state, said", [("locked", "docker swarm unlock"), ("pending", "'pending'"), ("error", "'error'")]
)
def test_a_swarm_of_which_nothing_can_be_told_keeps_the_gate_closed(state, said):
    for availability in ("", "drain"):
        (fault,) = gate_faults("", info(state=state), told_node(availability))
        assert said in fault
    assert gate_faults("", info("NVIDIA-GPU", state="inactive"), "") == []


def test_a_node_that_hands_out_its_gpus_while_the_gate_is_closed_is_named():
    _fault, also = gate_faults("", info("NVIDIA-GPU"), told_node("active"), [], "gpu-1")
    assert "of gpu-1;" in also and "playbooks/nvidia_remove.yml" in also
    assert gate_faults("", info("NVIDIA-GPU"), told_node("drain"), [], "gpu-1") == []


BARE = told_service("shop_bare", constraints=["node.role==worker"])


@pytest.mark.parametrize(
    ("label", "services", "said"),
    [
        ("k3s", [told_service("shop_rag"), told_service("shop_web", gpus=0, constraints=())], ""),
        ("k3s", ['{"name": "", "resources": null, "placement": null}'], ""),
        ("k3s", [told_service("shop_rag"), BARE], f"(shop_bare lack the constraint {CONSTRAINT})"),
        ("k3s", [], "services that no manager has told of"),
        ("k3s", ["Error: No such service"], "services that no manager has told of"),
        ("withdrawing", [told_service("shop_rag")], "(availability active)"),
        ("", [told_service("shop_rag")], "(availability active)"),
    ],
)
def test_gpus_that_the_swarm_has_withdrawn_open_the_gate_without_a_drain(label, services, said):
    faults = gate_faults("", info("NVIDIA-GPU"), told_node("active", **{LABEL: label}), services="\n".join(services))
    assert [said in fault for fault in faults] == ([True] if said else [])


def test_a_node_that_is_paused_to_be_withdrawn_is_not_free_yet():
    node = told_node("pause", **{LABEL: "withdrawing"})
    assert gate_faults("", info("NVIDIA-GPU"), node, services=told_service("shop_rag"))


def test_withdrawn_or_not_a_container_that_has_the_gpu_keeps_the_gate_closed():
    holder = container(env=["DOCKER_RESOURCE_NVIDIA-GPU=GPU-0"])
    node = told_node("active", **{LABEL: "k3s"})
    (fault,) = gate_faults(json.dumps([holder]), info("NVIDIA-GPU"), node, services=told_service("shop_rag"))
    assert "shop_rag.1.o3s6 (NVIDIA-GPU GPU-0) use a GPU" in fault


SIGNS = st.fixed_dictionaries(
    {},
    optional={
        "Privileged": st.booleans(),
        "Runtime": st.sampled_from(["runc", "nvidia"]),
        "Devices": st.sampled_from([None, [{"PathOnHost": "/dev/nvidia0"}]]),
        "DeviceRequests": st.sampled_from([None, [{"Capabilities": [["gpu"]]}]]),
    },
)


@given(SIGNS, st.sampled_from(["all", "void", "s3cret"]))
def test_no_line_tells_a_containers_environment(host, value):
    told = gate_faults(
        json.dumps([container(env=["PASSWORD=s3cret", f"NVIDIA_VISIBLE_DEVICES={value}"], **host)]), info(), ""
    )
    assert not any("s3cret" in line or "PASSWORD" in line for line in told)
