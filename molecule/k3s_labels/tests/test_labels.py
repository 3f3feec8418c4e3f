"""The running node has what the inventory says, no other node has it, and K3s was not started again."""

from __future__ import annotations

LABELLED = "sophia-development"


def test_the_node_is_labelled_and_no_other(fleet):
    nodes = fleet.nodes()
    assert {name for name, node in nodes.items() if "sophia.ai/tier" in node["metadata"]["labels"]} == {LABELLED}
    assert nodes[LABELLED]["metadata"]["labels"]["sophia.ai/tier"] == "development"
    assert "node-role.kubernetes.io/worker" in nodes[LABELLED]["metadata"]["labels"]


def test_the_node_is_tainted_and_no_other(fleet):
    taints = {name: node["spec"].get("taints", []) for name, node in fleet.nodes().items()}
    assert taints.pop(LABELLED) == [{"key": "sophia.ai/tier", "value": "development", "effect": "NoSchedule"}]
    assert all(not found for found in taints.values())


def test_k3s_was_not_started_again(fleet):
    command = "systemctl show k3s.service k3s-agent.service --property ExecMainStartTimestamp --value"
    for name in fleet.hosts:
        host = fleet.on(name)
        assert host.check_output(command).strip() == host.file("/run/molecule-started").content_string.strip()
