# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do next to have a node of a Swarm drained, active, demoted or removed. Pure: raw API answers in, a step out.

Swarm's own drain checks nothing, waits for nothing and stops tasks before it starts their replacements (moby #34139,
#33220), so everything that must hold before and after it is held here.
"""

from __future__ import annotations

import copy
import typing as t
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Done, Refused, Step
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import Raw, is_manager

TERMINAL = frozenset({"complete", "shutdown", "failed", "rejected", "remove", "orphaned"})
STATES = ("active", "drained", "demoted", "removed")
_AVAILABILITY = {"drain": "drain", "activate": "active"}
_MOVING = frozenset({"updating", "rollback_started"})
_STUCK = frozenset({"paused", "rollback_paused"})


@dataclass(frozen=True)
class Wanted:
    """The node, by ID or host name; what it shall be (one of RV(STATES)); and the services, by full name, whose tasks may
    stop with no replacement because their traffic is elsewhere.
    """

    node: str
    state: str
    may_stop: frozenset[str] = frozenset()


def next_step(world: Raw, wanted: Wanted) -> Decision:
    """The next step for the raw answers O(world): C(info), C(nodes), C(services) and C(tasks)."""
    if not is_manager(world["info"]):
        return Refused("this Engine is no manager of a Swarm: run on a manager")
    found = [node for node in world["nodes"] if wanted.node in (node["ID"], _name(node))]
    if not found and wanted.state == "removed":
        return Done(f"{wanted.node} is no node of the Swarm")
    if len(found) != 1:
        return Refused(f"'{wanted.node}' names {len(found)} nodes of the Swarm, not one: give the node's ID")
    (node,) = found
    if wanted.state == "active":
        return _activate(node)
    decision = _removed(world, node, wanted) if wanted.state == "removed" else _drained(world, node, wanted)
    if isinstance(decision, Done) and wanted.state == "demoted":
        return _demoted(world, node)
    return decision


def _activate(node: Raw) -> Decision:
    if node["Spec"]["Availability"] != "active":
        return Step("activate", {"node": _name(node)})
    return Done(f"{_name(node)} is active")


def _drained(world: Raw, node: Raw, wanted: Wanted) -> Decision:
    tasks = live_tasks(world, node)
    if node["Spec"]["Availability"] == "drain":
        if tasks:
            return Step("wait_for_tasks", {"node": _name(node), "tasks": len(tasks)}, changes=False)
        return Done(f"{_name(node)} is drained")
    refused = _unsafe(world, node)
    if refused:
        return refused
    here = {task["ServiceID"] for task in tasks}
    for service in (service for service in world["services"] if service["ID"] in here):
        update = (service.get("UpdateStatus") or {}).get("State")
        if update in _STUCK:
            return Refused(f"service {_service(service)} is {update}: finish or roll back its update first")
        if update in _MOVING:
            return Step("wait_for_update", {"service": _service(service)}, changes=False)
    serving = sorted({_service(s) for s in world["services"] if s["ID"] in here} - wanted.may_stop)
    if serving:
        return Refused(
            f"{_name(node)} still runs {', '.join(serving)}, which would be stopped before a replacement starts:"
            " move their traffic first and name them in may_stop"
        )
    return Step("drain", {"node": _name(node)})


def _unsafe(world: Raw, node: Raw) -> Refused | None:
    if node["Status"]["State"] != "ready":
        return Refused(
            f"{_name(node)} is '{node['Status']['State']}', so what runs on it is not known: bring it back first"
        )
    lost = unreachable(world)
    if lost:
        return Refused(f"manager {', '.join(lost)} is not reachable: bring it back before another node is touched")
    for other in world["nodes"]:
        if other["ID"] != node["ID"] and other["Spec"]["Availability"] == "drain" and live_tasks(world, other):
            return Refused(f"the drain of {_name(other)} is still under way: one node at a time")
    return None


def _demoted(world: Raw, node: Raw) -> Decision:
    if node["Spec"]["Role"] == "worker":
        if "ManagerStatus" in node:
            return Step("wait_for_demotion", {"node": _name(node)}, changes=False)
        return Done(f"{_name(node)} is a worker")
    managers = _managers(world)
    if len(managers) == 1:
        return Refused(f"{_name(node)} is the last manager: it can't be demoted, only leave when it is alone")
    reachable = [m for m in managers if m["ManagerStatus"]["Reachability"] == "reachable"]
    rest = [m for m in reachable if m["ID"] != node["ID"]]
    # The demotion itself has to be agreed on by the managers of before; then those that are left must be a quorum.
    if len(reachable) < quorum(len(managers)) or len(rest) < quorum(len(managers) - 1):
        return Refused(
            f"without {_name(node)} only {len(rest)} of {len(managers) - 1} managers would be reachable,"
            " which is no quorum: bring the others back first"
        )
    return Step("demote", {"node": _name(node)})


def _removed(world: Raw, node: Raw, wanted: Wanted) -> Decision:
    if node["Status"]["State"] == "ready" or node["Spec"]["Availability"] != "drain":
        decision = _drained(world, node, wanted)
        if not isinstance(decision, Done):
            return decision
    decision = _demoted(world, node)
    if not isinstance(decision, Done):
        return decision
    if node["Status"]["State"] != "down":
        return Step("wait_for_leave", {"node": _name(node)}, changes=False)
    return Step("remove", {"node": _name(node), "id": node["ID"]})


def simulate(world: Raw, step: Step) -> dict[str, t.Any]:
    """The world after O(step), as far as RV(next_step) looks at it."""
    after = copy.deepcopy(dict(world))
    for node in [node for node in after["nodes"] if _name(node) == step.data.get("node")]:
        if step.name in _AVAILABILITY:
            node["Spec"]["Availability"] = _AVAILABILITY[step.name]
        elif step.name == "wait_for_tasks":
            after["tasks"] = [task for task in after["tasks"] if task.get("NodeID") != node["ID"]]
        elif step.name == "demote":
            node["Spec"]["Role"] = "worker"
        elif step.name == "wait_for_demotion":
            node.pop("ManagerStatus", None)
        elif step.name == "wait_for_leave":
            node["Status"]["State"] = "down"
        elif step.name == "remove":
            after["nodes"].remove(node)
    if step.name == "wait_for_update":
        for service in after["services"]:
            if _service(service) == step.data["service"]:
                service["UpdateStatus"] = {"State": "completed"}
    return after


def live_tasks(world: Raw, node: Raw) -> list[Raw]:
    """The tasks of the node that have not come to an end; whether they are wanted to run plays no part."""
    return [
        task for task in world["tasks"] if task.get("NodeID") == node["ID"] and task["Status"]["State"] not in TERMINAL
    ]


def unreachable(world: Raw) -> list[str]:
    """The managers that the others can't reach, by host name."""
    return [_name(node) for node in _managers(world) if node["ManagerStatus"]["Reachability"] != "reachable"]


def quorum(managers: int) -> int:
    """How many of O(managers) must agree."""
    return managers // 2 + 1


def _managers(world: Raw) -> list[Raw]:
    return [node for node in world["nodes"] if node.get("ManagerStatus") and node["Spec"]["Role"] == "manager"]


def _name(node: Raw) -> str:
    return str(node["Description"]["Hostname"])


def _service(service: Raw) -> str:
    return str(service["Spec"]["Name"])
