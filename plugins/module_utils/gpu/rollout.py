# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a DaemonSet's pod on one node is the one that its present template asks for."""

from __future__ import annotations

import typing as t

Map = t.Mapping[str, t.Any]

#: On every ControllerRevision of a DaemonSet, and on the pods that were made from it.
HASH = "controller-revision-hash"


def is_observed(daemonset: Map) -> bool:
    """Whether the controller has seen the DaemonSet as it is now; its revisions and pods say nothing before."""
    generation = daemonset.get("metadata", {}).get("generation")
    return generation is not None and int((daemonset.get("status") or {}).get("observedGeneration", 0)) >= generation


def current_revision(daemonset: Map, revisions: t.Iterable[Map]) -> str:
    """The hash of a DaemonSet's newest ControllerRevision; empty where it has none.

    A template that comes back takes its old revision up again, with the highest number
    (U(https://kubernetes.io/docs/tasks/manage-daemon/rollback-daemon-set/)).
    """
    uid = daemonset.get("metadata", {}).get("uid")
    own = [
        revision
        for revision in revisions
        if any(owner.get("uid") == uid for owner in revision["metadata"].get("ownerReferences") or [])
    ]
    newest = max(own, key=lambda revision: int(revision["revision"]), default=None)
    return "" if newest is None else str((newest["metadata"].get("labels") or {}).get(HASH, ""))


def rollout_fault(daemonset: Map, revisions: t.Iterable[Map], pods: t.Iterable[Map]) -> str:
    """Why the present template of a DaemonSet does not run on a node yet, in a line; empty if it does.

    C(pods) are those of the DaemonSet on that node, C(revisions) the ControllerRevisions of its namespace.
    """
    name = daemonset.get("metadata", {}).get("name", "the DaemonSet")
    if not is_observed(daemonset):
        return f"the controller has not seen the present {name}"
    wanted = current_revision(daemonset, revisions)
    if not wanted:
        return f"{name} has no ControllerRevision"
    there = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    current = [pod for pod in there if (pod["metadata"].get("labels") or {}).get(HASH) == wanted]
    if not current:
        return f"the node's pod of {name} is " + ("of an earlier revision" if there else "not there")
    if not any(_is_ready(pod) for pod in current):
        return f"the node's pod of {name} is not Ready" + _waits(current)
    return ""


def _is_ready(pod: Map) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(item.get("type") == "Ready" and item.get("status") == "True" for item in conditions)


def _waits(pods: t.Iterable[Map]) -> str:
    for pod in pods:
        for container in (pod.get("status") or {}).get("containerStatuses") or []:
            reason = (container.get("state", {}).get("waiting") or {}).get("reason")
            if reason:
                return f" ({reason})"
    return ""
