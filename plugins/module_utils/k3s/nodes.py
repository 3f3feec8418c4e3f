# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nodes as the API server reports them, against what the inventory expects."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.versions import running

GPU = "nvidia.com/gpu"
# The label with which role nvidia_device_plugin, and NVIDIA's own feature discovery, have a node hand its GPUs out.
GPU_PRESENT = "nvidia.com/gpu.present"
_ETCD_ROLE = "node-role.kubernetes.io/etcd"
_ETCD_VOTER = "EtcdIsVoter"


def nodes(listing: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """From C(kubectl get nodes -o json): C({name, ready, gpus, hands_out_gpus, version, address}) a node, by name.

    The version is the one the kubelet runs, not the one of a file on disk. C(gpus) counts what is allocatable,
    C(hands_out_gpus) tells whether the node has the label that a device plugin runs by.
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
                "hands_out_gpus": (item["metadata"].get("labels") or {}).get(GPU_PRESENT) == "true",
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
        if gpus is not None and not offers(node, int(gpus)):
            faults.append(f"{want['name']} offers {node['gpus']} GPUs, not {gpus} (k3s_gpu_count)")
    return faults


def offers(node: t.Mapping[str, t.Any], gpus: int) -> bool:
    """Whether a node of RV(nodes) offers so many GPUs, or none because nothing hands them out there: a Swarm may have them."""
    return bool(node["gpus"] == gpus or (node["gpus"] == 0 and not node["hands_out_gpus"]))


def expected_node(host: t.Mapping[str, t.Any], version: str) -> dict[str, t.Any]:
    """What is expected of the node that a host becomes, from its host variables."""
    return {
        "name": host.get("k3s_node_name") or host["inventory_hostname"],
        "version": host.get("k3s_version") or version,
        "gpus": host.get("k3s_gpu_count"),
    }


def stale_node(listing: t.Mapping[str, t.Any], name: str, known: bool) -> bool:
    """Whether the Node C(name) is what is left of an earlier life of a host.

    C(known) says that the host still holds what makes it that node (a server's data, an agent's node password).

    Raises C(RefusedError) when the Node is Ready without the host being known: then another machine has its name.
    """
    there = next((node for node in nodes(listing) if node["name"] == name), None)
    if known or there is None:
        return False
    if there["ready"]:
        raise RefusedError(
            f"the cluster has a node '{name}' that is Ready, and this host is not it; set another k3s_node_name, "
            "or wait a minute if this host has just been wiped"
        )
    return True


def removal_faults(listing: t.Mapping[str, t.Any], name: str) -> list[str]:
    """Why the Node C(name) can't be taken out of the cluster; a name that is not there can.

    A server is stopped before its etcd member is removed, so the others must be a majority of all. Of two, one leaves while it
    serves, which takes both. With an external datastore no server has a member, and any but the last can go.
    """
    ready = {node["name"]: node["ready"] for node in nodes(listing)}
    members = [server["name"] for server in running(listing) if server["server"]]
    if name not in members:
        return []
    others = [member for member in members if member != name]
    if not others:
        return [f"{name} is the last server; take the whole cluster away with k3s_state: absent, agents first"]
    if not any(_has_etcd(item) for item in listing["items"]):
        return []
    up = [member for member in others if ready[member]]
    if len(up) * 2 <= len(members) and not (len(members) == 2 and up and ready[name]):
        down = ", ".join(member for member in others if not ready[member])
        return [
            f"without {name} the servers that are Ready are no majority ({len(up)} of {len(members)}); mend {down or 'one'} first"
        ]
    return []


def _has_etcd(item: t.Mapping[str, t.Any]) -> bool:
    """Whether the node holds a member of K3s' own etcd."""
    conditions = item.get("status", {}).get("conditions") or []
    return _ETCD_ROLE in (item["metadata"].get("labels") or {}) or any(c.get("type") == _ETCD_VOTER for c in conditions)
