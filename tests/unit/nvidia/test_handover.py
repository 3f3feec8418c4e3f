from __future__ import annotations

from ansible_collections.sophia.replatform.plugins.module_utils.gpu.handover import plan

SWARM = {"swarm-1": "h1", "swarm-2": "h2"}
K3S = {"k3s-1": "h1", "k3s-2": "h2"}


def service(name, *nodes, gpus=1):
    return {"name": name, "gpus": gpus, "tasks": [{"node": node} for node in nodes]}


def pod(name, gpus=1, node=None, phase="Pending", ready=False):
    container = {"resources": {"limits": {"nvidia.com/gpu": str(gpus)}}} if gpus else {}
    spec = {"containers": [container, {"resources": None}], **({"nodeName": node} if node else {})}
    status = {"phase": phase, "conditions": [{"type": "Ready", "status": str(ready)}]}
    return {"metadata": {"name": name}, "spec": spec, "status": status}


def test_hosts_that_the_swarm_does_not_use_are_free():
    services = [service("rag", "swarm-1"), service("web", "swarm-2", gpus=0)]
    found = plan(services, [pod("rag-a"), pod("web-a", gpus=0)], SWARM, K3S, {"h1": 1, "h2": 1, "h3": 2})
    assert found == {"free": ["h2", "h3"], "waiting": ["rag-a"], "faults": []}


def test_too_few_are_told_with_names_and_figures():
    services = [service("rag", "swarm-1")]
    (fault,) = plan(services, [pod("rag-a"), pod("rag-b")], SWARM, K3S, {"h1": 1, "h2": 1})["faults"]
    assert fault.startswith(
        "K3s is asked for 2 GPUs (rag-a 1, rag-b 1), and the hosts whose GPUs the Swarm does not use have 1 (h2)"
    )
    assert "h1 has rag of the Swarm" in fault and "docker service scale" in fault


def test_a_host_that_both_sides_use_is_named():
    pods = [pod("rag-a", node="k3s-1", phase="Running", ready=True)]
    (fault,) = plan([service("rag", "swarm-1")], pods, SWARM, K3S, {"h1": 1, "h2": 1})["faults"]
    assert fault == "h1 has rag of the Swarm and rag-a of K3s on its GPUs: scale one of them down"


def test_a_pod_that_is_ending_asks_for_nothing_and_one_that_has_a_node_waits_for_no_gpu():
    ending = pod("rag-old", node="k3s-1", phase="Running")
    ending["metadata"]["deletionTimestamp"] = "2026-11-29T12:00:00Z"
    broken = pod("rag-new", node="k3s-1", phase="Running", ready=False)
    assert plan([], [ending, broken], {}, K3S, {"h1": 1}) == {"free": ["h1"], "waiting": [], "faults": []}


def test_pods_that_have_ended_ask_for_nothing_and_without_a_swarm_all_hosts_are_free():
    pods = [pod("old", gpus=9, phase="Succeeded"), pod("rag", node="k3s-2", phase="Running", ready=True)]
    assert plan([], pods, {}, K3S, {"h1": 1, "h2": 1}) == {"free": ["h1", "h2"], "waiting": [], "faults": []}
