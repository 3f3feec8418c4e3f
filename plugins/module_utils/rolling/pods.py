# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pods as the API server reports them: which of them have to leave a node that is drained, and what would be lost. Pure."""

from __future__ import annotations

import typing as t

Raw = t.Mapping[str, t.Any]

_MIRROR = "kubernetes.io/config.mirror"
_FINISHED = frozenset({"Succeeded", "Failed"})
_UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
# The emptyDirs in the manifests of K3s' packaged components (U(https://docs.k3s.io/installation/packaged-components)), by a label of
# the pods and its value. What a user has added to a component is not among them.
_SCRATCH = {
    ("k8s-app", "metrics-server"): frozenset({"tmp-dir"}),
    ("app.kubernetes.io/instance", "traefik-kube-system"): frozenset({"data", "tmp"}),
}


def leaving(pods: t.Iterable[Raw]) -> list[Raw]:
    """The pods that have to leave, by name.

    A DaemonSet would start its pod on the node again, and a mirror pod only shows what the kubelet runs from a file: both
    stay. A finished pod runs nothing; it stays with its log.
    """
    return sorted((pod for pod in pods if not (_of_daemonset(pod) or _is_mirror(pod) or _is_finished(pod))), key=name)


def name(pod: Raw) -> str:
    """C(namespace/name)."""
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def is_ending(pod: Raw) -> bool:
    """Whether the pod has been asked to end."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def is_pending(pod: Raw) -> bool:
    """Whether none of its containers has started: no budget counts such a pod."""
    return bool(pod.get("status", {}).get("phase") == "Pending")


def has_controller(pod: Raw) -> bool:
    """Whether something starts a replacement when the pod ends."""
    return _controller(pod) is not None


def has_emptydir(pod: Raw) -> bool:
    """Whether it has data that end with it and are more than the scratch of a component that K3s packages."""
    volumes = pod.get("spec", {}).get("volumes") or []
    return bool({volume.get("name") for volume in volumes if "emptyDir" in volume} - _scratch(pod))


def tolerates_cordon(pod: Raw) -> bool:
    """Whether the scheduler may put such a pod on a cordoned node, and so back on the one that it was evicted from."""
    return any(_tolerates(toleration) for toleration in pod.get("spec", {}).get("tolerations") or [])


def _scratch(pod: Raw) -> frozenset[str]:
    labels = pod["metadata"].get("labels") or {}
    if pod["metadata"]["namespace"] != "kube-system":
        return frozenset()
    return frozenset().union(*(names for label, names in _SCRATCH.items() if label in labels.items()))


def _tolerates(toleration: Raw) -> bool:
    key = toleration.get("key")
    wanted = key == _UNSCHEDULABLE or (not key and toleration.get("operator") == "Exists")
    return wanted and toleration.get("effect") in (None, "", "NoSchedule")


def _controller(pod: Raw) -> Raw | None:
    owners = pod["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)


def _of_daemonset(pod: Raw) -> bool:
    controller = _controller(pod)
    return controller is not None and controller.get("kind") == "DaemonSet"


def _is_mirror(pod: Raw) -> bool:
    return _MIRROR in (pod["metadata"].get("annotations") or {})


def _is_finished(pod: Raw) -> bool:
    return pod.get("status", {}).get("phase") in _FINISHED
