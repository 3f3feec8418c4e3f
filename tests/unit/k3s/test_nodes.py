from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.nodes import (
    expected_node,
    label_changes,
    node_faults,
    nodes,
)

V = "v1.35.6+k3s1"


def item(name, ready="True", gpus="1", version=V):
    return {
        "metadata": {"name": name},
        "status": {
            "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}],
            "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
            "allocatable": {"cpu": "2", **({"nvidia.com/gpu": gpus} if gpus is not None else {})},
            "nodeInfo": {"kubeletVersion": version},
        },
    }


def test_nodes_come_by_name_with_what_the_report_needs():
    found = nodes({"items": [item("b", gpus=None), item("a")]})
    assert found == [
        {"name": "a", "ready": True, "gpus": 1, "version": V, "address": "10.0.0.1"},
        {"name": "b", "ready": True, "gpus": 0, "version": V, "address": "10.0.0.1"},
    ]


def test_a_node_that_has_just_registered_is_not_ready():
    found = nodes({"items": [{"metadata": {"name": "a"}}]})
    assert found[0]["ready"] is False and found[0]["version"] is None


def test_all_as_expected():
    assert node_faults(nodes({"items": [item("a")]}), [{"name": "a", "version": V, "gpus": 1}]) == []


@pytest.mark.parametrize(
    "there, said",
    [
        ([], "a has not joined"),
        ([item("a", ready="False")], "a is not Ready"),
        ([item("a", ready="Unknown")], "a is not Ready"),
        ([item("a", version="v1.34.0+k3s1")], "a runs v1.34.0+k3s1, not v1.35.6+k3s1"),
        ([item("a", gpus="0")], "a offers 0 GPUs, not 1 (k3s_gpu_count)"),
        ([item("a", gpus="2")], "a offers 2 GPUs, not 1 (k3s_gpu_count)"),
    ],
)
def test_what_is_missing_is_named(there, said):
    assert node_faults(nodes({"items": there}), [{"name": "a", "version": V, "gpus": 1}]) == [said]


def test_gpus_are_not_checked_without_an_expectation():
    assert node_faults(nodes({"items": [item("a", gpus="7")]}), [{"name": "a", "version": V, "gpus": None}]) == []


def test_what_a_host_is_expected_to_become():
    host = {"inventory_hostname": "a", "k3s_gpu_count": 1}
    assert expected_node(host, V) == {"name": "a", "version": V, "gpus": 1}
    host = {"inventory_hostname": "a", "k3s_node_name": "b", "k3s_version": "v1.34.9+k3s1"}
    assert expected_node(host, V) == {"name": "b", "version": "v1.34.9+k3s1", "gpus": None}


def test_only_labels_that_differ_are_changed():
    node = item("a")
    node["metadata"]["labels"] = {"gpu-type": "A10", "zone": "old", "kept": "x"}
    host = {"inventory_hostname": "a", "k3s_node_labels": {"gpu-type": "A10", "zone": "new", "rank": 1}}
    assert label_changes({"items": [node]}, [host]) == [{"name": "a", "labels": ["rank=1", "zone=new"]}]
    host["k3s_node_labels"] = {"gpu-type": "A10"}
    assert label_changes({"items": [node]}, [host]) == []


def test_a_node_that_has_not_joined_gets_no_label():
    assert label_changes({"items": []}, [{"inventory_hostname": "a", "k3s_node_labels": {"x": "y"}}]) == []
