# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do next to have a node's GPUs given to no task of the Swarm any more, or to its tasks again. Pure: raw API answers in, a step out.

A label of the node, and one constraint on every service that reserves GPUs. Swarmkit leaves tasks alone when constraints alone change and
their node still meets them (C(orchestrator/task.go), C(IsTaskDirty)). The node is paused between the last look at its tasks and the label, in
one write each, because swarmkit ends at once what an active node may not run.
"""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Done, Refused, Step
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import drain, enforcer, held, specs
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.gpu_resources import reserved
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import TERMINAL, Raw, is_manager

STATES = ("withdrawn", "offered")
# Without a slash, which the key of a constraint must not have (C(manager/constraint/constraint.go)).
LABEL = "replatform.sophia.ai.gpu"
GIVEN, BEGUN = "k3s", "withdrawing"
CONSTRAINT = f"node.labels.{LABEL}!={GIVEN}"
# On a service that RV(constrained) has changed: what was not in its spec before.
NOTE = "replatform.sophia.ai/gpu"
# Tasks in these states have got no resources yet.
_UNSCHEDULED = frozenset({"new", "allocated", "pending"})


def next_step(world: Raw, name: str, state: str, kinds: t.Collection[str] = ()) -> Decision:
    """The next step to have the GPUs of the node O(name) in O(state), one of RV(STATES).

    O(kinds) are the names of the generic resources that are GPUs; without any, those with C(gpu) in their name.
    """
    if not is_manager(world["info"]):
        return Refused("this Engine is no manager of a Swarm: run on a manager")
    found = drain.find(world, name)
    if len(found) != 1:
        return Refused(f"'{name}' names {len(found)} nodes of the Swarm, not one: give the node's ID")
    managers = sum(1 for node in world["nodes"] if node["Spec"]["Role"] == "manager")
    lost = drain.unreachable(world)
    if managers - len(lost) < drain.quorum(managers):
        return Refused(f"managers {', '.join(lost)} are not reachable, so there is no quorum: bring them back first")
    (node,) = found
    if state == "offered":
        return _given_back(world, node) or Done(f"the GPUs of {_name(node)} are the Swarm's")
    refused = _unsafe(world, node, kinds)
    if refused:
        # A task that came in between: what had begun is taken back, and then the same is said.
        undo = None if _mark(node) == GIVEN else _given_back(world, node)
        return undo or Refused(refused)
    for service in _users(world, kinds):
        if CONSTRAINT not in specs.constraints(service["Spec"]):
            return Step("constrain", {"service": service["Spec"]["Name"]})
    if _mark(node) == GIVEN:
        return Done(f"the Swarm gives the GPUs of {_name(node)} to no task")
    if node["Spec"]["Availability"] == "active":
        return Step("hold", {"node": _name(node)})
    return Step("give", {"node": _name(node)})


def simulate(world: Raw, step: Step, name: str) -> dict[str, t.Any]:
    """The world after O(step) of the node O(name)."""
    after = copy.deepcopy(dict(world))
    if "node" in step.data:
        (thing,) = t.cast("list[dict[str, t.Any]]", drain.find(after, name))
    else:
        (thing,) = [one for one in after["services"] if one["Spec"]["Name"] == step.data["service"]]
    thing["Spec"] = spec_after(step.name, thing["Spec"])
    return after


def spec_after(step: str, spec: Raw) -> dict[str, t.Any]:
    """The whole spec, of a node or a service, that a step writes."""
    return _SPECS[step](spec)


def constrained(spec: Raw) -> dict[str, t.Any]:
    """The service kept off nodes whose GPUs were given away."""
    after = copy.deepcopy(dict(spec))
    placement = after["TaskTemplate"]["Placement"]
    absent = [key for key, where in (("Constraints", placement), ("Labels", after)) if not where.get(key)]
    placement["Constraints"] = [*specs.constraints(spec), CONSTRAINT]
    after["Labels"] = {NOTE: ",".join(absent), **(after.get("Labels") or {})}
    return after


def unconstrained(spec: Raw) -> dict[str, t.Any]:
    """The service as it was before RV(constrained); a constraint without the note is somebody else's."""
    after = copy.deepcopy(dict(spec))
    noted = (after.get("Labels") or {}).get(NOTE)
    if noted is None:
        return after
    placement = after["TaskTemplate"]["Placement"]
    placement["Constraints"] = [one for one in specs.constraints(spec) if one != CONSTRAINT]
    del after["Labels"][NOTE]
    for key, where in (("Constraints", placement), ("Labels", after)):
        if not where[key] and key in noted.split(","):
            del where[key]
    return after


def is_kept_off(nodes: t.Iterable[Raw], spec: Raw, kinds: t.Collection[str] = ()) -> bool:
    """Whether a service with GPUs has to be RV(constrained) because the GPUs of one of the nodes were given away."""
    given = any(_mark(node) == GIVEN for node in nodes)
    return given and bool(reserved(spec["TaskTemplate"], kinds)) and CONSTRAINT not in specs.constraints(spec)


def _unsafe(world: Raw, node: Raw, kinds: t.Collection[str]) -> str:
    name = _name(node)
    if node["Status"]["State"] != "ready":
        return f"{name} is '{node['Status']['State']}', so what runs on it is not known: bring it back first"
    if specs.is_paused_here(node):
        return f"the drain of {name} is still under way: finish it or take it back (swarm_drain, state: active) first"
    users = _users(world, kinds)
    for service in users:
        own = service["Spec"]["Name"]
        update = (service.get("UpdateStatus") or {}).get("State")
        if update in held.UPDATING | held.STUCK:
            return f"service {own} is in mid-update ({update}): let it end, or roll it back, first"
        if "Placement" not in service["Spec"]["TaskTemplate"]:
            return f"service {own} has no Placement in its spec, and one that came and went would end Swarm's managers: give it a constraint first"
    for other in [node, *(one for one in world["nodes"] if _mark(one) == GIVEN and one["ID"] != node["ID"])]:
        holding = sorted({service["Spec"]["Name"] for service in users if _holds(world, service, other, kinds)})
        if holding:
            mend = "scale it down, or have it run elsewhere"
            return f"{', '.join(holding)} still has a GPU of {_name(other)}: {mend}, until its tasks there have ended"
    ends = _ends(world, node) if _mark(node) != GIVEN else {}
    if ends:
        mend = "have it run elsewhere, or name its resources in kinds where they are GPUs"
        return (
            f"Swarm would end a task of {ends['ends']}, which holds generic resources, with the label on {name}: {mend}"
        )
    return ""


def _given_back(world: Raw, node: Raw) -> Decision | None:
    if _mark(node):
        return Step("offer", {"node": _name(node), **_ends(world, node)})
    if any(_mark(other) for other in world["nodes"]):
        return None
    for service in sorted(world["services"], key=lambda one: str(one["Spec"]["Name"])):
        if NOTE in (service["Spec"].get("Labels") or {}):
            update = (service.get("UpdateStatus") or {}).get("State")
            if update in held.UPDATING:
                return Refused(f"service {service['Spec']['Name']} is in mid-update ({update}): let it end first")
            return Step("unconstrain", {"service": service["Spec"]["Name"]})
    return None


def _ends(world: Raw, node: Raw) -> dict[str, t.Any]:
    return enforcer.told(world, node) if _unheld(node["Spec"]) == "active" else {}


def _users(world: Raw, kinds: t.Collection[str]) -> list[Raw]:
    found = [service for service in world["services"] if reserved(service["Spec"]["TaskTemplate"], kinds)]
    return sorted(found, key=lambda service: str(service["Spec"]["Name"]))


def _holds(world: Raw, service: Raw, node: Raw, kinds: t.Collection[str]) -> bool:
    """Whether a task of the service has not ended on the node, asked to or not: until then the GPU is its own."""
    return any(
        task["ServiceID"] == service["ID"]
        and task.get("NodeID") == node["ID"]
        and task["Status"]["State"] not in TERMINAL | _UNSCHEDULED
        and reserved(task.get("Spec") or service["Spec"]["TaskTemplate"], kinds)
        for task in world["tasks"]
    )


def _mark(node: Raw) -> str:
    return str((node["Spec"].get("Labels") or {}).get(LABEL, ""))


def _name(node: Raw) -> str:
    return str(node["Description"]["Hostname"])


def _held(spec: Raw) -> dict[str, t.Any]:
    return {**spec, "Availability": "pause", "Labels": {**(spec.get("Labels") or {}), LABEL: BEGUN}}


def _given(spec: Raw) -> dict[str, t.Any]:
    labels = spec.get("Labels") or {}
    return {**spec, "Availability": _unheld(spec), "Labels": {**labels, LABEL: GIVEN}}


def _offered(spec: Raw) -> dict[str, t.Any]:
    labels = {key: value for key, value in (spec.get("Labels") or {}).items() if key != LABEL}
    return {**spec, "Availability": _unheld(spec), "Labels": labels}


def _unheld(spec: Raw) -> str:
    """The availability without the pause of RV(_held); what somebody else has made of it meanwhile stays."""
    ours = (spec.get("Labels") or {}).get(LABEL) == BEGUN and spec["Availability"] == "pause"
    return "active" if ours else str(spec["Availability"])


_SPECS = {"constrain": constrained, "unconstrain": unconstrained, "hold": _held, "give": _given, "offer": _offered}
