# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a node may be changed now, how much of the change is still to be done, and whether it has passed. Pure.

O(listing) is always the parsed answer of C(kubectl get ... --output json).
"""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.k3s.nodes import nodes, offers
from ansible_collections.sophia.replatform.plugins.module_utils.rolling.drain import is_half_way, is_ready, mark

Raw = t.Mapping[str, t.Any]

_SERVER_LABELS = (
    "node-role.kubernetes.io/control-plane",
    "node-role.kubernetes.io/master",
    "node-role.kubernetes.io/etcd",
)
_VOTER = "EtcdIsVoter"


def plan(
    listing: Raw | None,
    node: str,
    *,
    needed: bool,
    reason: str,
    adopt: bool = False,
    member: bool = True,
    servers: t.Sequence[str] = (),
    batch: t.Sequence[str] = (),
    silent: t.Sequence[str] = (),
) -> dict[str, t.Any]:
    """C(stage) and C(faults) of a change of O(node).

    The stage is C(none), C(whole), C(gate) (an earlier run left the node after the act, and nothing but the proof and the
    release is missing) or C(alone) (the host is no O(member) of a cluster, so there is nothing to drain or to ask).
    O(servers) are the servers that the inventory knows, O(batch) the nodes that are changed at the same time, O(silent) the servers that
    did not answer when they were asked just now: a Node stays Ready for 40 s after its host is gone.
    Of several nodes that were left half-way each may be finished, unless both are servers.
    """
    if not member:
        return {"stage": "alone" if needed else "none", "faults": []}
    if not listing:
        return {
            "stage": "none",
            "faults": [f"no server ({', '.join(servers)}) says what the nodes are: start K3s on one"],
        }
    found = _by_name(listing)
    if node not in found:
        fault = (
            f"the host runs K3s, and the cluster has no node {node}: set rolling_node to the name in kubectl get nodes"
        )
        return {"stage": "none", "faults": [fault]}
    ours = is_half_way(found[node])
    stage = "whole" if needed else "gate" if ours else "none"
    if stage == "none":
        return {"stage": stage, "faults": []}
    members = _servers(found, servers)
    faults = [
        f"{name} was left half-way by {_what(found[name])}: finish it first"
        for name in half_way(listing)
        if name != node and name not in batch and (not ours or {name, node} <= members)
    ]
    if ours and not adopt and (mark(found[node]) or {}).get("reason") != reason:
        faults.append(
            f"{node} was left half-way by {_what(found[node])}, not by '{reason}': run that again, or set rolling_adopt"
        )
    if stage == "whole" and node in members:
        faults += _server_faults(found, node, servers, batch, silent)
    return {"stage": stage, "faults": faults}


def half_way(listing: Raw) -> list[str]:
    """The nodes that we have cordoned and not released."""
    return [name for name, node in _by_name(listing).items() if is_half_way(node)]


def gate_faults(listing: Raw, node: str, expected: Raw, before: Raw) -> list[str]:
    """Why the node has not passed; O(listing) and O(before) hold the Node and its Lease.

    The kubelet renews the lease every few seconds. Until it has done so after O(before), the Node is only what was known
    before the change.
    """
    found = _by_name(listing)
    if node not in found:
        return [f"the cluster has no node {node}"]
    (seen,) = nodes({"items": [found[node]]})
    faults = []
    if not seen["ready"]:
        faults.append(f"{node} is not Ready")
    if _renewed(listing) == _renewed(before):
        faults.append(f"{node} has not reported since the change")
    if expected.get("version") and seen["version"] != expected["version"]:
        faults.append(f"{node} runs {seen['version']}, not {expected['version']}")
    if not _votes(found[node]):
        faults.append(f"{node} is no voter of etcd yet")
    # What offered some before the change, by whosever device plugin, has to offer them again; a run that is resumed may have seen none.
    before_it = (mark(found[node]) or {}).get("gpus", "")
    seen["hands_out_gpus"] |= bool(before_it)
    if expected.get("gpus") is not None:
        gpus = int(expected["gpus"]) or int(before_it if before_it.isdecimal() else 0)
        if not offers(seen, gpus):
            faults.append(f"{node} offers {seen['gpus']} GPUs, not {gpus}")
    return faults


def _server_faults(
    found: t.Mapping[str, Raw],
    node: str,
    servers: t.Sequence[str],
    batch: t.Sequence[str],
    silent: t.Sequence[str],
) -> list[str]:
    faults = []
    for other in sorted(_servers(found, servers) - {node}):
        if other in batch:
            faults.append(f"{node} and {other} are servers, which are changed one at a time: give the play serial 1")
        elif other not in found:
            faults.append(f"server {other} is no node of the cluster: let it join first")
        elif other in silent:
            faults.append(f"server {other} does not answer: bring it back before another one is touched")
        elif not is_ready(found[other]):
            faults.append(f"server {other} is not Ready: bring it back before another one is touched")
        elif not _votes(found[other]):
            faults.append(f"server {other} is no voter of etcd: wait until it is, or replace it")
    return faults


def _servers(found: t.Mapping[str, Raw], servers: t.Iterable[str]) -> set[str]:
    labelled = (
        name
        for name, node in found.items()
        if any(label in (node["metadata"].get("labels") or {}) for label in _SERVER_LABELS)
    )
    return {*servers, *labelled}


def _votes(node: Raw) -> bool:
    """Whether the node votes in etcd; one without etcd has no such condition, and nothing to vote on."""
    conditions = node.get("status", {}).get("conditions") or []
    return all(one.get("status") == "True" for one in conditions if one.get("type") == _VOTER)


def _what(node: Raw) -> str:
    said = mark(node) or {}
    since = f" since {said['since']}" if said.get("since") else ""
    fault = f" ({said['fault']})" if said.get("fault") else ""
    return f"'{said.get('reason', '')}'{since}{fault}"


def _renewed(listing: Raw) -> str:
    leases = [item for item in listing.get("items", []) if item.get("kind") == "Lease"]
    return str(leases[0].get("spec", {}).get("renewTime", "")) if leases else ""


def _by_name(listing: Raw) -> dict[str, Raw]:
    found = (item for item in listing.get("items", []) if item.get("kind", "Node") == "Node")
    return {node["metadata"]["name"]: node for node in sorted(found, key=lambda node: str(node["metadata"]["name"]))}
