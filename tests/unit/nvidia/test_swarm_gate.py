from __future__ import annotations

import json

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.gpu.swarm_gate import gate_faults, gpu_holders, offered


def container(name="/shop_rag.1.o3s6", env=(), task="shop_rag.1.o3s6", **host):
    labels = {"com.docker.swarm.task.name": task} if task else {}
    return {"Name": name, "Config": {"Env": list(env), "Labels": labels}, "HostConfig": host}


def info(*kinds, state="active"):
    resources = [{"DiscreteResourceSpec": {"Kind": kind, "Value": 1}} for kind in kinds]
    return json.dumps({"Swarm": {"LocalNodeState": state, "NodeID": "n1"}, "GenericResources": resources or None})


@pytest.mark.parametrize(
    "holder, how",
    [
        (container(env=["A=b", "DOCKER_RESOURCE_NVIDIA-GPU=1"]), "NVIDIA-GPU 1"),
        (container(env=["DOCKER_RESOURCE_GPU=GPU-3a1f"]), "GPU GPU-3a1f"),
        (container(DeviceRequests=[{"Count": -1, "Capabilities": [["gpu"]]}]), "--gpus"),
        (container(Devices=[{"PathOnHost": "/dev/nvidia0"}]), "/dev/nvidia*"),
        (container(Runtime="nvidia", env=["NVIDIA_VISIBLE_DEVICES=all"]), "runtime nvidia"),
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
        {"Name": "/bare", "Config": {"Env": None, "Labels": None}, "HostConfig": {"Devices": None}},
    ],
)
def test_who_holds_none_is_not(other):
    assert gpu_holders(json.dumps([other])) == []


def test_a_container_outside_the_swarm_counts_too():
    found = gpu_holders(json.dumps([container(name="/jupyter", task="", DeviceRequests=[{"Capabilities": [["gpu"]]}])]))
    assert found == ["jupyter (--gpus)"]


def test_what_the_engine_offers_to_its_swarm():
    assert offered(info("NVIDIA-GPU", "SSD")) == ["NVIDIA-GPU"]
    assert offered(info("NVIDIA-GPU", state="inactive")) == []
    assert offered(info()) == offered("") == []


def test_named_resources_count():
    told = json.loads(info())
    told["GenericResources"] = [{"NamedResourceSpec": {"Kind": "gpu", "Value": "GPU-1"}}]
    assert offered(json.dumps(told)) == ["gpu"]


@pytest.mark.parametrize("availability, closed", [("active", True), ("", True), ("drain", False), ("pause", False)])
def test_a_swarm_that_may_still_give_the_gpu_away_keeps_the_gate_closed(availability, closed):
    faults = gate_faults("", info("NVIDIA-GPU"), availability)
    assert bool(faults) is closed
    assert all("docker node update --availability drain" in fault for fault in faults)


def test_a_host_without_docker_passes():
    assert gate_faults("", "", "") == []


def test_a_drained_node_with_a_container_left_does_not():
    (fault,) = gate_faults(json.dumps([container(env=["DOCKER_RESOURCE_NVIDIA-GPU=1"])]), info("NVIDIA-GPU"), "drain")
    assert fault == "shop_rag.1.o3s6 (NVIDIA-GPU 1) use a GPU of this host outside K3s; move or stop them first"
