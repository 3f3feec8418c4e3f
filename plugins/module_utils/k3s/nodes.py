# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nodes as the API server reports them, against what the inventory expects."""

from __future__ import annotations

import typing as t

GPU = "nvidia.com/gpu"


def nodes(listing: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """From C(kubectl get nodes -o json): C({name, ready, gpus, version, address}) a node, by name.

    The version is the one the kubelet runs, not the one of a file on disk. C(gpus) counts what is allocatable.
    """
    found = []
    for item in listing.get("items", []):
        status = item.get("status", {})
        conditions = {c.get("type"): c.get("status") for c in status.get("conditions", [])}
        addresses = {a.get("type"): a.get("address") for a in status.get("addresses", [])}
        found.append(
            {
                "name": item["metadata"]["name"],
                "ready": conditions.get("Ready") == "True",
                "gpus": int(status.get("allocatable", {}).get(GPU, 0)),
                "version": status.get("nodeInfo", {}).get("kubeletVersion"),
                "address": addresses.get("InternalIP"),
            }
        )
    return sorted(found, key=lambda node: node["name"])


def node_faults(found: t.Sequence[t.Mapping[str, t.Any]], expected: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """Why the nodes are not yet what is expected (C({name, version, gpus}), where C(gpus) may be None: not checked)."""
    by_name = {node["name"]: node for node in found}
    faults = []
    for want in expected:
        node = by_name.get(want["name"])
        if node is None:
            faults.append(f"{want['name']} has not joined")
            continue
        if not node["ready"]:
            faults.append(f"{want['name']} is not Ready")
        if node["version"] != want["version"]:
            faults.append(f"{want['name']} runs {node['version']}, not {want['version']}")
        gpus = want.get("gpus")
        if gpus is not None and node["gpus"] != int(gpus):
            faults.append(f"{want['name']} offers {node['gpus']} GPUs, not {gpus} (k3s_gpu_count)")
    return faults


def expected_node(host: t.Mapping[str, t.Any], version: str) -> dict[str, t.Any]:
    """What is expected of the node that a host becomes, from its host variables."""
    return {
        "name": host.get("k3s_node_name") or host["inventory_hostname"],
        "version": host.get("k3s_version") or version,
        "gpus": host.get("k3s_gpu_count"),
    }


def label_changes(listing: t.Mapping[str, t.Any], hosts: t.Iterable[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """The labels that running nodes lack or have otherwise: C({name, labels: ["key=value"]}) a node that needs any.

    K3s gives labels at registration alone, so a later change has to be made through the API.
    """
    there = {item["metadata"]["name"]: item["metadata"].get("labels", {}) for item in listing.get("items", [])}
    changes = []
    for host in hosts:
        name = host.get("k3s_node_name") or host["inventory_hostname"]
        wanted = {str(key): str(value) for key, value in (host.get("k3s_node_labels") or {}).items()}
        labels = [f"{key}={value}" for key, value in sorted(wanted.items()) if there.get(name, {}).get(key) != value]
        if labels and name in there:
            changes.append({"name": name, "labels": labels})
    return changes
