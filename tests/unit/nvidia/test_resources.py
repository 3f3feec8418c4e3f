from __future__ import annotations

import hosts
import pytest
from ansible_collections.sophia.replatform.plugins.filter.gpu import FilterModule
from ansible_collections.sophia.replatform.plugins.module_utils.gpu.resources import (
    expected_resources,
    job_fault,
    node_faults,
    pinned,
    plugin_faults,
)

DIGEST = "@sha256:" + "a1" * 32
IMAGES = {"nvidia_device_plugin_image": f"nvcr.io/nvidia/k8s-device-plugin{DIGEST}"}


def sliced(replicas, **more):
    return {
        "version": "v1",
        "sharing": {"timeSlicing": {"resources": [{"name": "nvidia.com/gpu", "replicas": replicas}], **more}},
    }


def node(**allocatable):
    return {
        "metadata": {"name": "a"},
        "status": {"allocatable": {name.replace("__", "/").replace("_", "."): n for name, n in allocatable.items()}},
    }


@pytest.mark.parametrize(
    "config, expected",
    [
        ({}, {"nvidia.com/gpu": 2}),
        (sliced(4), {"nvidia.com/gpu": 8}),
        (sliced(4, renameByDefault=True), {"nvidia.com/gpu.shared": 8}),
        ({"version": "v1", "flags": {"migStrategy": "mixed"}}, None),
        ({"version": "v1", "flags": {"migStrategy": "none"}}, {"nvidia.com/gpu": 2}),
    ],
)
def test_what_a_host_with_two_gpus_should_offer(config, expected):
    assert expected_resources({**hosts.A100, "gpu_count": 2}, config) == expected


def test_the_nodes_own_configuration_goes_before_the_default():
    ask = FilterModule().filters()["gpu_expected_resources"]
    configs = {"plain": {"version": "v1"}, "four": sliced(4)}
    assert ask(hosts.A100, configs, "plain", "four") == {"nvidia.com/gpu": 4}
    assert ask(hosts.A100, configs, "plain", "") == {"nvidia.com/gpu": 1}
    assert ask(hosts.A100, {}, "", "") == {"nvidia.com/gpu": 1}


def test_a_node_that_offers_too_few_or_too_many_is_named():
    assert node_faults(node(nvidia_com__gpu="2"), {"nvidia.com/gpu": 2}) == []
    assert node_faults(node(), {"nvidia.com/gpu": 1}) == ["a offers 0 nvidia.com/gpu, and its host has 1"]
    assert node_faults(node(nvidia_com__gpu="4"), {"nvidia.com/gpu": 1}) == [
        "a offers 4 nvidia.com/gpu, and its host has 1"
    ]
    assert node_faults({}, {"nvidia.com/gpu": 1}) == ["the node offers 0 nvidia.com/gpu, and its host has 1"]
    assert node_faults(node(), None) == []


PENDING = {
    "status": {
        "conditions": [
            {
                "type": "PodScheduled",
                "status": "False",
                "message": "0/5 nodes are available: 1 Insufficient nvidia.com/gpu.",
            }
        ]
    }
}
NO_RUNTIME = {
    "status": {
        "containerStatuses": [
            {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}}
        ]
    }
}
CRASHED = {"status": {"containerStatuses": [{"state": {"terminated": {"reason": "Error", "exitCode": 1}}}]}}
LATE = {
    "status": {
        "conditions": [
            {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "Job was active too long"}
        ]
    }
}


@pytest.mark.parametrize(
    "job, pods, said",
    [
        (
            LATE,
            [PENDING],
            "DeadlineExceeded: Job was active too long; 0/5 nodes are available: 1 Insufficient nvidia.com/gpu.",
        ),
        (LATE, [NO_RUNTIME], "ImagePullBackOff Back-off pulling image"),
        ({"status": {}}, [CRASHED], "Error"),
        ({}, [], "its pod was not started"),
    ],
)
def test_why_a_workload_did_not_succeed(job, pods, said):
    assert said in job_fault(job, pods)


def test_a_workload_that_did():
    assert (
        job_fault({"status": {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}}, [CRASHED]) == ""
    )


def test_sound_settings():
    assert plugin_faults(IMAGES, {}, "", "") == []
    assert plugin_faults(IMAGES, {"four": sliced(4)}, "four", "four") == []


@pytest.mark.parametrize(
    "image", ["nvcr.io/nvidia/k8s-device-plugin:v0.20.0", "x@sha256:abc", "x@sha256:" + "g" * 64, "", "x@sha256:..."]
)
def test_an_image_without_its_digest_is_refused(image):
    (fault,) = plugin_faults({"nvidia_device_plugin_image": image}, {}, "", "")
    assert fault.startswith(f"nvidia_device_plugin_image: '{image}' is not pinned")
    assert not pinned(image)


@pytest.mark.parametrize(
    "configs, default, own, said",
    [
        ({"four": sliced(4)}, "", "", "nvidia_device_plugin_default_config: '' is none of four"),
        ({"four": sliced(4)}, "four", "for", "nvidia_device_plugin_node_config: 'for' is none of"),
        ({}, "", "four", "nvidia_device_plugin_node_config: 'four'"),
        ({"a": {}}, "a", "", "nvidia_device_plugin_configs: a: version: v1 is missing"),
        ({"a": "x"}, "a", "", "nvidia_device_plugin_configs: a: a mapping is wanted"),
        ({"a": sliced(1)}, "a", "", "wants two replicas or more, not 1"),
        (
            {"a": {"version": "v1", "flags": {"migStrategy": "all"}}},
            "a",
            "",
            "migStrategy 'all' is none of none, single, mixed",
        ),
    ],
)
def test_a_fault_names_the_variable(configs, default, own, said):
    (fault,) = plugin_faults(IMAGES, configs, default, own)
    assert said in fault


def test_a_refusal_is_an_answer_for_the_role():
    told = FilterModule().filters()["gpu_driver_plan"](hosts.ubuntu(gpu=hosts.gpu(None)), hosts.SETTINGS)
    assert told == {"refused": "no NVIDIA GPU is seen on this host; take it out of the group gpu", "needed": False}
    assert FilterModule().filters()["gpu_driver_plan"](hosts.ubuntu(), hosts.SETTINGS)["refused"] == ""
