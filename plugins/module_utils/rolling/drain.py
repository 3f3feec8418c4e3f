# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do next to have a node of a cluster drained, cordoned or schedulable. Pure: API objects in, a step out.

An annotation tells our cordon from anybody else's, and says what is going on. Both are written and removed together, in one
request, so that no moment leaves a cordon of which nobody knows whose it is.
"""

from __future__ import annotations

import copy
import json
import typing as t
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.k3s.nodes import GPU
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Done, Refused, Step
from ansible_collections.sophia.replatform.plugins.module_utils.rolling import budgets as pdb
from ansible_collections.sophia.replatform.plugins.module_utils.rolling import pods as pods_

Raw = t.Mapping[str, t.Any]

ANNOTATION = "replatform.sophia.ai/rolling"
_NAMED_AT_MOST = 10


@dataclass(frozen=True)
class Wanted:
    """The node, what it shall be (C(drained), C(cordoned) or C(schedulable)), what for, and what may be lost on the way.

    O(fault) is why the node did not pass. It is added to the annotation of a node that is ours, and cordons none.
    """

    node: str
    state: str
    reason: str = ""
    fault: str = ""
    adopt: bool = False
    delete_emptydir_data: bool = False
    force: bool = False


def next_step(world: Raw, wanted: Wanted) -> Decision:
    """The next step for O(world): C(node) (None where there is none), the C(pods) on it, and all C(budgets)."""
    node = world["node"]
    if node is None:
        return Refused(f"the cluster has no node '{wanted.node}': give the name that kubectl get nodes shows")
    if wanted.state == "schedulable":
        return _schedulable(node)
    refused = _unsafe(world, wanted) if wanted.state == "drained" else None
    if refused:
        return refused
    decision = _cordoned(node, wanted)
    if isinstance(decision, Done) and wanted.state == "drained":
        return _drained(world)
    return decision


def mark(node: Raw) -> dict[str, str] | None:
    """What our annotation says (C(reason), C(fault), C(since), C(gpus)); None without one. C(gpus) is what the node offered before."""
    text = (node["metadata"].get("annotations") or {}).get(ANNOTATION)
    if text is None:
        return None
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    said = said if isinstance(said, dict) else {"reason": text}
    return {key: str(said.get(key) or "") for key in ("reason", "fault", "since", "gpus")}


def is_cordoned(node: Raw) -> bool:
    return bool(node.get("spec", {}).get("unschedulable"))


def is_half_way(node: Raw) -> bool:
    """Whether we have cordoned the node and not released it. A node that a person has made schedulable again is released."""
    return is_cordoned(node) and mark(node) is not None


def is_ready(node: Raw) -> bool:
    conditions = node.get("status", {}).get("conditions") or []
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def blockers(world: Raw) -> list[str]:
    """Why the pods that are still on the node are, one line a pod."""
    left = pods_.leaving(world.get("pods", []))
    lines = [_blocker(pod, world["budgets"]) for pod in left[:_NAMED_AT_MOST]]
    return lines + ([f"and {len(left) - _NAMED_AT_MOST} more"] if len(left) > _NAMED_AT_MOST else [])


def simulate(world: Raw, step: Step) -> dict[str, t.Any]:
    """The world after O(step), as far as RV(next_step) looks at it."""
    after = copy.deepcopy(dict(world))
    node = after["node"]
    if step.name in ("cordon", "adopt", "annotate"):
        node.setdefault("spec", {})["unschedulable"] = True
        annotations = node["metadata"].get("annotations") or {}
        node["metadata"]["annotations"] = {**annotations, ANNOTATION: annotation(step, "")}
    elif step.name in ("uncordon", "unmark"):
        node["spec"].pop("unschedulable", None)
        del node["metadata"]["annotations"][ANNOTATION]
    elif step.name == "evict":
        for pod in after["pods"]:
            if pods_.name(pod) in step.data["pods"]:
                pod["metadata"]["deletionTimestamp"] = "now"
    elif step.name == "wait_for_pods":
        after["pods"] = [pod for pod in after["pods"] if pods_.name(pod) not in step.data["pods"]]
    return after


def annotation(step: Step, now: str) -> str:
    """The text of the annotation for a step that cordons or annotates."""
    noted = {key: step.data.get(key, "") for key in ("fault", "gpus")}
    said = {"reason": step.data["reason"], **noted, "since": now}
    return json.dumps({key: value for key, value in said.items() if value}, sort_keys=True)


def _schedulable(node: Raw) -> Decision:
    name = node["metadata"]["name"]
    ours = mark(node) is not None
    if not is_cordoned(node):
        return Step("unmark", {"node": name}) if ours else Done(f"{name} is schedulable")
    if ours:
        return Step("uncordon", {"node": name})
    return Done(f"{name} is cordoned by somebody else, who alone knows why: it stays so")


def _cordoned(node: Raw, wanted: Wanted) -> Decision:
    name = node["metadata"]["name"]
    data = {"node": name, "reason": wanted.reason, **({"fault": wanted.fault} if wanted.fault else {})}
    if wanted.fault and not is_half_way(node):
        return Done(f"{name} is not cordoned by us, so there is nothing to add the fault to")
    gpus = node.get("status", {}).get("allocatable", {}).get(GPU, "0")
    offered = {} if gpus == "0" else {"gpus": gpus}
    if not is_cordoned(node):
        return Step("cordon", {**data, **offered})
    said = mark(node)
    if said is None:
        if wanted.adopt:
            return Step("adopt", {**data, **offered})
        return Refused(
            f"{name} was cordoned by somebody else: ask why, then run kubectl uncordon {name}, or take it over with adopt"
        )
    reason = wanted.reason or said["reason"]
    if (reason, wanted.fault) != (said["reason"], said["fault"]):
        return Step("annotate", {**data, "reason": reason, **({"gpus": said["gpus"]} if said["gpus"] else {})})
    return Done(f"{name} is cordoned")


def _unsafe(world: Raw, wanted: Wanted) -> Refused | None:
    left = pods_.leaving(world["pods"])
    live = [pod for pod in left if not pods_.is_ending(pod)]
    name = world["node"]["metadata"]["name"]
    if left and not is_ready(world["node"]):
        return Refused(
            f"{name} is not Ready, so nobody can tell whether {_names(left)} would end on it: bring the node back first"
        )
    faults = []
    twice = [pod for pod in live if not pods_.is_pending(pod) and len(pdb.budgets_of(pod, world["budgets"])) > 1]
    for pod in twice:
        names = ", ".join(str(one["metadata"]["name"]) for one in pdb.budgets_of(pod, world["budgets"]))
        faults.append(
            f"{pods_.name(pod)} is under more than one budget ({names}), so it can't be evicted: leave it one"
        )
    bare = [pod for pod in live if not pods_.has_controller(pod)]
    if bare and not wanted.force:
        faults.append(f"{_names(bare)} would not be started again (no controller): remove them, or set force")
    local = [pod for pod in live if pods_.has_emptydir(pod)]
    if local and not wanted.delete_emptydir_data:
        faults.append(f"{_names(local)} would lose the data of an emptyDir: save them, and set delete_emptydir_data")
    return Refused(f"{name} is not drained: {'; '.join(faults)}") if faults else None


def _drained(world: Raw) -> Decision:
    name = world["node"]["metadata"]["name"]
    left = pods_.leaving(world["pods"])
    live = [pod for pod in left if not pods_.is_ending(pod)]
    if live:
        held = [line for pod in live for line in _held(pod, world["budgets"])]
        data = {"node": name, "pods": [pods_.name(pod) for pod in live], **({"held": held} if held else {})}
        return Step("evict", data)
    if left:
        return Step("wait_for_pods", {"node": name, "pods": [pods_.name(pod) for pod in left]}, changes=False)
    return Done(f"{name} is drained")


def _held(pod: Raw, budgets: t.Iterable[Raw]) -> list[str]:
    if pods_.is_pending(pod):
        return []
    return [
        f"{pods_.name(pod)} by {one['metadata']['name']}"
        for one in pdb.budgets_of(pod, budgets)
        if not pdb.allowed(one)
    ]


def _blocker(pod: Raw, budgets: t.Iterable[Raw]) -> str:
    name = pods_.name(pod)
    if pods_.is_ending(pod):
        finalizers = pod["metadata"].get("finalizers") or []
        waits = f" and waits for {', '.join(finalizers)}" if finalizers else ""
        return f"{name} has been ending since {pod['metadata']['deletionTimestamp']}{waits}"
    held = [] if pods_.is_pending(pod) else pdb.budgets_of(pod, budgets)
    if held:
        return f"{name} is held by {' and '.join(pdb.described(one) for one in held)}"
    if pods_.tolerates_cordon(pod):
        return f"{name} tolerates the cordon, so it is started here again each time"
    return f"{name} has not been evicted"


def _names(found: t.Sequence[Raw]) -> str:
    named = ", ".join(pods_.name(pod) for pod in found[:_NAMED_AT_MOST])
    return named + (f" and {len(found) - _NAMED_AT_MOST} more" if len(found) > _NAMED_AT_MOST else "")
