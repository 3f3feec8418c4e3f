from __future__ import annotations

import hosts
import pytest
from ansible_collections.sophia.replatform.plugins.filter.gpu import FilterModule
from ansible_collections.sophia.replatform.plugins.module_utils.gpu.resources import (
    expected_resources,
    gpu_users,
    job_fault,
    node_faults,
    offered,
    pinned,
    plugin_faults,
    workload_resource,
)
from hypothesis import given
from hypothesis import strategies as st

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


def allocatable(**counts):
    names = {
        "gpu": "nvidia.com/gpu",
        "shared": "nvidia.com/gpu.shared",
        "small": "nvidia.com/mig-1g.5gb",
        "big": "nvidia.com/mig-3g.20gb",
    }
    return {
        "metadata": {"name": "a"},
        "status": {"allocatable": {"cpu": "8", **{names[key]: str(n) for key, n in counts.items()}}},
    }


def test_a_node_whose_slices_can_not_be_foretold_must_offer_something():
    assert node_faults(allocatable(small=7), None) == node_faults(allocatable(gpu=7), None) == []
    for bare in (allocatable(), allocatable(gpu=0, small=0), {}):
        (fault,) = node_faults(bare, None)
        assert "offers no GPU and no slice of one" in fault


@pytest.mark.parametrize(
    "counts, expected, resource",
    [
        ({"gpu": 1}, {"nvidia.com/gpu": 1}, "nvidia.com/gpu"),
        ({"shared": 4}, {"nvidia.com/gpu.shared": 4}, "nvidia.com/gpu.shared"),
        ({"gpu": 0, "small": 7}, None, "nvidia.com/mig-1g.5gb"),
        ({"gpu": 1, "big": 2}, None, "nvidia.com/mig-3g.20gb"),
        ({"gpu": 0, "small": 0, "big": 1}, None, "nvidia.com/mig-3g.20gb"),
        ({"gpu": 7}, None, "nvidia.com/gpu"),
        ({"gpu": 0}, None, ""),
        ({}, None, ""),
    ],
)
def test_the_workload_asks_for_one_of_what_the_node_really_offers(counts, expected, resource):
    assert workload_resource(allocatable(**counts), expected) == resource


@given(st.dictionaries(st.sampled_from(["gpu", "shared", "small", "big"]), st.integers(0, 8)))
def test_a_workload_never_asks_for_what_is_not_there(counts):
    there = allocatable(**counts)
    resource = workload_resource(there, None)
    assert resource in offered(there) if offered(there) else resource == ""
    assert bool(node_faults(there, None)) is not bool(resource)


def pod(name, phase="Running", where="containers", **limits):
    spec = {"containers": [{"name": "c"}], where: [{"name": "c", "resources": {"limits": limits}}]}
    return {"metadata": {"namespace": "shop", "name": name}, "spec": spec, "status": {"phase": phase}}


def test_who_uses_a_gpu_of_a_node():
    gpu, slice_ = {"nvidia.com/gpu": "1"}, {"nvidia.com/mig-1g.5gb": "1"}
    pods = [
        pod("whole", **gpu),
        pod("slice", **slice_),
        pod("starts", phase="Pending", where="initContainers", **gpu),
        pod("done", phase="Succeeded", **gpu),
        pod("none", cpu="1"),
        {"metadata": {"namespace": "shop", "name": "bare"}, "spec": {"containers": [{"name": "c", "resources": None}]}},
    ]
    assert gpu_users(pods) == ["shop/slice", "shop/starts", "shop/whole"]


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
