# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the steps of C(drain) do: the spec that each writes, and the world after it, for check mode. Pure."""

from __future__ import annotations

import copy
import typing as t
from collections import Counter

from ansible_collections.sophia.replatform.plugins.module_utils.loop import Step
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import movable, placement, specs
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import Raw

_AVAILABILITY = {"drain": "drain", "activate": "active"}


def service_spec(step: Step, service: Raw, node_id: str) -> dict[str, t.Any]:
    """The spec of the service that O(step) writes; O(node_id) is the node that the drain is about."""
    if step.name == "pin":
        return specs.pin(service["Spec"], node_id)
    if step.name == "surge":
        return specs.surge(service["Spec"], node_id, step.data["here"])
    noted = specs.noted(service) or {}
    return specs.revert(service["Spec"], noted) if step.name == "revert" else specs.restore(service["Spec"], noted)


def node_spec(step: Step, node: Raw) -> dict[str, t.Any]:
    """The whole spec of the node that O(step) writes: an update without the labels would wipe them."""
    if step.name == "demote":
        return {**node["Spec"], "Role": "worker"}
    if step.name == "pause":
        return specs.pause(node["Spec"])
    return specs.available(node["Spec"], _AVAILABILITY[step.name])


def world_after(world: Raw, step: Step, node_id: str) -> dict[str, t.Any]:
    """The world after O(step), as far as C(drain.next_step) looks at it."""
    after = copy.deepcopy(dict(world))
    if step.name.startswith("wait_for_"):
        # What a wait can't be foreseen to bring is too late.
        after["late"] = {*world.get("late", ()), (step.name, step.data.get("service") or step.data.get("other"))}
    for service in [one for one in after["services"] if one["Spec"]["Name"] == step.data.get("service")]:
        _act_on_service(after, step, service, node_id)
    for node in [one for one in after["nodes"] if one["ID"] == node_id and "node" in step.data]:
        _act_on_node(after, step, node)
    return after


def _act_on_service(after: dict[str, t.Any], step: Step, service: dict[str, t.Any], node_id: str) -> None:
    if step.name in ("wait_for_update", "wait_for_settling"):
        service["UpdateStatus"] = {"State": "completed"}
    elif step.name == "wait_for_start":
        starting = movable.starting_tasks(after, service)
        running = {"Status": {"State": "running"}}
        after["tasks"] = [{**task, **running} if task in starting else task for task in after["tasks"]]
    elif step.name == "wait_for_move":
        _move(after, service, node_id)
    elif step.name == "wait_for_surge":
        after["tasks"].append(_task(service, node_id))
    else:
        shrinks = step.name == "revert" and not specs.is_pin(specs.noted(service) or {})
        service["Spec"] = service_spec(step, service, node_id)
        if shrinks:
            _drop_one(after, service)


def _act_on_node(after: dict[str, t.Any], step: Step, node: dict[str, t.Any]) -> None:
    if step.name == "wait_for_tasks":
        after["tasks"] = [task for task in after["tasks"] if task.get("NodeID") != node["ID"]]
    elif step.name == "wait_for_demotion":
        node.pop("ManagerStatus", None)
    elif step.name == "wait_for_leave":
        node["Status"]["State"] = "down"
    elif step.name == "remove":
        after["nodes"].remove(node)
    else:
        node["Spec"] = node_spec(step, node)


def _move(after: dict[str, t.Any], service: dict[str, t.Any], node_id: str) -> None:
    service["UpdateStatus"] = {"State": "completed"}
    homes, _reasons = placement.plan(after, {"ID": node_id}, [service])
    after["tasks"] = [
        task for task in after["tasks"] if (task["ServiceID"], task.get("NodeID")) != (service["ID"], node_id)
    ]
    after["tasks"] += [_task(service, home) for home in homes[service["ID"]]]


def _drop_one(after: dict[str, t.Any], service: dict[str, t.Any]) -> None:
    tasks = placement.wanted_tasks(after, service)
    if len(tasks) <= specs.replicas(service["Spec"]):
        return
    there = Counter(task.get("NodeID") for task in tasks)
    after["tasks"].remove(max(tasks, key=lambda task: there[task.get("NodeID")]))


def _task(service: Raw, node_id: str) -> dict[str, t.Any]:
    return {
        "ServiceID": service["ID"],
        "NodeID": node_id,
        "DesiredState": "running",
        "Status": {"State": "running"},
        "Spec": service["Spec"]["TaskTemplate"],
    }
