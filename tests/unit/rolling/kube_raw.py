"""Makers of API objects, in the shape that kubectl gives them."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.rolling.drain import ANNOTATION

Raw = t.Dict[str, t.Any]


def node(
    name: str = "n1",
    *,
    ready: bool = True,
    cordoned: bool = False,
    mark: str | None = None,
    server: bool = False,
    voter: bool | None = None,
    version: str = "v1.35.6+k3s1",
    gpus: int = 0,
    hands_out: bool = False,
) -> Raw:
    conditions = [{"type": "Ready", "status": "True" if ready else "Unknown"}]
    if voter is not None:
        conditions.append({"type": "EtcdIsVoter", "status": str(voter)})
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "resourceVersion": "7",
            "labels": {
                **({"node-role.kubernetes.io/control-plane": "true"} if server else {}),
                **({"nvidia.com/gpu.present": "true"} if hands_out else {}),
            },
            "annotations": {"other": "kept", **({} if mark is None else {ANNOTATION: mark})},
        },
        "spec": {"podCIDR": "10.42.0.0/24", **({"unschedulable": True} if cordoned else {})},
        "status": {
            "conditions": conditions,
            "nodeInfo": {"kubeletVersion": version},
            "allocatable": {"nvidia.com/gpu": str(gpus)} if gpus else {},
        },
    }


def pod(
    name: str,
    owner: str | None = "ReplicaSet",
    *,
    namespace: str = "shop",
    phase: str = "Running",
    labels: dict[str, str] | None = None,
    mirror: bool = False,
    ending: bool = False,
    emptydir: bool = False,
    tolerations: list[Raw] | None = None,
) -> Raw:
    meta: Raw = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "labels": labels or {}}
    if owner:
        meta["ownerReferences"] = [{"kind": owner, "name": "owner", "controller": True}]
    if mirror:
        meta["annotations"] = {"kubernetes.io/config.mirror": "abc"}
    if ending:
        meta["deletionTimestamp"] = "2026-11-24T05:00:00Z"
    volumes = [{"name": "token", "projected": {}}, *([{"name": "data", "emptyDir": {}}] if emptydir else [])]
    return {
        "metadata": meta,
        "spec": {"nodeName": "n1", "volumes": volumes, "tolerations": tolerations or []},
        "status": {"phase": phase},
    }


def budget(
    name: str, labels: dict[str, str] | None, allowed: int = 0, *, version: str = "policy/v1", namespace: str = "shop"
) -> Raw:
    return {
        "apiVersion": version,
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {} if labels is None else {"selector": {"matchLabels": labels}},
        "status": {
            "disruptionsAllowed": allowed,
            "currentHealthy": 2,
            "desiredHealthy": 2 - allowed,
            "expectedPods": 2,
        },
    }


def world(node_: Raw | None = None, pods: t.Sequence[Raw] = (), budgets: t.Sequence[Raw] = ()) -> Raw:
    return {"node": node_ if node_ is not None else node(), "pods": list(pods), "budgets": list(budgets)}
