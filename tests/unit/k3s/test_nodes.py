from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.nodes import (
    expected_node,
    node_faults,
    nodes,
    removal_faults,
    stale_node,
)

V = "v1.35.6+k3s1"
PRESENT = {"nvidia.com/gpu.present": "true"}


def item(name, ready="True", gpus="1", version=V, labels=None):
    return {
        "metadata": {"name": name, "labels": labels},
        "status": {
            "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}],
            "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
            "allocatable": {"cpu": "2", **({"nvidia.com/gpu": gpus} if gpus is not None else {})},
            "nodeInfo": {"kubeletVersion": version},
        },
    }


def test_nodes_come_by_name_with_what_the_report_needs():
    found = nodes({"items": [item("b", gpus=None), item("a", labels=PRESENT)]})
    assert found == [
        {"name": "a", "ready": True, "gpus": 1, "hands_out_gpus": True, "version": V, "address": "10.0.0.1"},
        {"name": "b", "ready": True, "gpus": 0, "hands_out_gpus": False, "version": V, "address": "10.0.0.1"},
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
        ([item("a", gpus="0", labels=PRESENT)], "a offers 0 GPUs, not 1 (k3s_gpu_count)"),
        ([item("a", gpus="2")], "a offers 2 GPUs, not 1 (k3s_gpu_count)"),
    ],
)
def test_what_is_missing_is_named(there, said):
    assert node_faults(nodes({"items": there}), [{"name": "a", "version": V, "gpus": 1}]) == [said]


@pytest.mark.parametrize("labels", [None, {}, {"nvidia.com/gpu.present": "false"}])
def test_a_node_whose_gpus_nothing_hands_out_may_offer_none(labels):
    assert (
        node_faults(nodes({"items": [item("a", gpus="0", labels=labels)]}), [{"name": "a", "version": V, "gpus": 1}])
        == []
    )


def test_gpus_are_not_checked_without_an_expectation():
    assert node_faults(nodes({"items": [item("a", gpus="7")]}), [{"name": "a", "version": V, "gpus": None}]) == []


def test_what_a_host_is_expected_to_become():
    host = {"inventory_hostname": "a", "k3s_gpu_count": 1}
    assert expected_node(host, V) == {"name": "a", "version": V, "gpus": 1}
    host = {"inventory_hostname": "a", "k3s_node_name": "b", "k3s_version": "v1.34.9+k3s1"}
    assert expected_node(host, V) == {"name": "b", "version": "v1.34.9+k3s1", "gpus": None}


def test_what_is_left_of_a_wiped_host_is_stale():
    assert stale_node({"items": [item("a", ready="Unknown")]}, "a", known=False) is True
    assert stale_node({"items": [item("a", ready="Unknown")]}, "a", known=True) is False
    assert stale_node({"items": [item("b", ready="Unknown")]}, "a", known=False) is False


def test_a_name_that_another_machine_has_is_refused():
    with pytest.raises(RefusedError, match="a node 'a' that is Ready, and this host is not it"):
        stale_node({"items": [item("a")]}, "a", known=False)
    assert stale_node({"items": [item("a")]}, "a", known=True) is False


def servers(*states, etcd=True):
    found = [item(name, ready=state) for name, state in zip("abc", states)]
    roles = ["control-plane", "etcd"] if etcd else ["control-plane"]
    for one in found:
        one["metadata"]["labels"] = {f"node-role.kubernetes.io/{role}": "true" for role in roles}
    return {"items": [*found, item("w")]}


@pytest.mark.parametrize("name", ["a", "w", "nobody"])
def test_a_node_that_can_go(name):
    assert removal_faults(servers("True", "True", "True"), name) == []


def test_a_dead_server_can_go_and_so_can_one_of_two():
    assert removal_faults(servers("Unknown", "True", "True"), "a") == []
    assert removal_faults(servers("True", "True"), "a") == []


def test_a_server_that_the_others_need_stays():
    (line,) = removal_faults(servers("True", "True", "Unknown"), "a")
    assert line == "without a the servers that are Ready are no majority (1 of 3); mend c first"
    assert len(removal_faults(servers("Unknown", "True"), "a")) == 1


def test_a_vote_tells_of_etcd_too():
    listing = servers("True", "True", "Unknown", etcd=False)
    listing["items"][1]["status"]["conditions"].append({"type": "EtcdIsVoter", "status": "True"})
    assert len(removal_faults(listing, "a")) == 1


def test_without_etcd_there_is_no_majority_to_keep():
    assert removal_faults(servers("True", "True", "Unknown", etcd=False), "a") == []
    assert removal_faults(servers("Unknown", "True", etcd=False), "a") == []


@pytest.mark.parametrize("etcd", [True, False])
def test_the_last_server_stays(etcd):
    (line,) = removal_faults(servers("True", etcd=etcd), "a")
    assert "a is the last server" in line
