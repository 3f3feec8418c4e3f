# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do next to have a node of a Swarm drained, active, demoted or removed. Pure: raw API answers in, a step out.

Swarm's own drain checks nothing, waits for nothing and stops tasks before it starts their replacements (moby #34139,
#33220), so everything that must hold before and after it is held here. The order: pause the node, pin one service after
the other away from it, start-first; drain it when they have moved; take out of their specs what was put in. Paused before
anything is pinned and unpinned before it is active again, because Swarm kills at once what an active node may not run.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Done, Refused, Step
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import (
    balance,
    enforcer,
    held,
    movable,
    placement,
    specs,
)
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import TERMINAL, Raw, is_manager

STATES = ("active", "drained", "demoted", "removed")


@dataclass(frozen=True)
class Wanted:
    """What a node shall be.

    O(node) is its ID or host name; O(state) one of RV(STATES). Services are given by full name: tasks of O(may_stop) may
    stop with no replacement, because their traffic is elsewhere; for O(may_move) see C(movable.why_not). All others are
    moved when O(move) says so, and refused otherwise; without it, what may stop may stop for good. O(rebalance) brings tasks to a
    node that is active again. With O(because), a drain is taken back, and this is why: it ends refused.
    """

    node: str
    state: str
    may_stop: frozenset[str] = frozenset()
    may_move: frozenset[str] = frozenset()
    move: bool = True
    rebalance: bool = True
    because: str = ""


def next_step(world: Raw, wanted: Wanted) -> Decision:
    """The next step for the raw answers O(world): C(info), C(nodes), C(services) and C(tasks).

    C(late), which may be missing, has C((step, service)) of each wait that has taken too long, or C((step, node)).
    """
    if not is_manager(world["info"]):
        return Refused("this Engine is no manager of a Swarm: run on a manager")
    found = find(world, wanted.node)
    if not found and wanted.state == "removed":
        return Done(f"{wanted.node} is no node of the Swarm")
    if len(found) != 1:
        return Refused(f"'{wanted.node}' names {len(found)} nodes of the Swarm, not one: give the node's ID")
    (node,) = found
    if wanted.state == "active":
        return _active(world, node, wanted)
    decision = _removed(world, node, wanted) if wanted.state == "removed" else _drained(world, node, wanted)
    if isinstance(decision, Done) and wanted.state == "demoted":
        return _demoted(world, node, wanted)
    return decision


def find(world: Raw, name: str) -> list[Raw]:
    """The nodes with that ID or host name."""
    return [node for node in world["nodes"] if name in (node["ID"], _name(node))]


def _active(world: Raw, node: Raw, wanted: Wanted) -> Decision:
    pinned = held.of_node(world, node, specs.is_pin)
    away = [one for one in pinned if not specs.is_reverted(one["Spec"], specs.noted(one) or {})]
    if away:
        return held.give_back(world, away[0])
    # A drain that is taken back leaves a node paused that somebody else had paused, and one whose tasks would not outlive it.
    ours = specs.is_paused_here(node)
    ends = enforcer.told(world, node)
    stays = wanted.because and ours and ends
    if not stays and (ours or (node["Spec"]["Availability"] != "active" and not wanted.because)):
        return Step("activate", {"node": _name(node), **ends})
    # Only now: what runs nowhere else can't settle while the node takes nothing.
    if pinned:
        return held.give_back(world, pinned[0])
    balancing = balance.next_step(world, node, wanted.may_move, begin=wanted.rebalance and not wanted.because)
    if balancing or not wanted.because:
        return balancing or Done(f"{_name(node)} is active")
    if stays:
        why = f"for as soon as it is active Swarm ends a task of {ends['ends']} there, which holds generic resources"
        mend = "run it again, or take it back (state: active) when that task may start anew"
        return Refused(f"{wanted.because}; {_name(node)} stays paused, {why}: {mend}")
    if node["Spec"]["Availability"] == "drain":
        return Refused(f"{wanted.because}; {_name(node)} stays drained: run it again, or take it back (state: active)")
    return Refused(f"{wanted.because} (what had begun was taken back)")


def _drained(world: Raw, node: Raw, wanted: Wanted) -> Decision:
    tasks = live_tasks(world, node)
    if node["Spec"]["Availability"] == "drain":
        if tasks:
            return Step("wait_for_tasks", {"node": _name(node), "tasks": len(tasks)}, changes=False)
        step = held.given_back(world, node)
        if step or not specs.is_paused_here(node):
            return step or Done(f"{_name(node)} is drained")
        # Somebody else has drained it, and the label is still there.
        return Step("drain", {"node": _name(node)})
    refused = _unsafe(world, node, wanted)
    if refused:
        return refused
    pinned = held.of_node(world, node, specs.is_pin)
    if pinned and node["Spec"]["Availability"] == "active":
        return Step("pause", {"node": _name(node)})
    return (
        held.given_back(world, node, lambda noted: not specs.is_pin(noted))
        or _moved(world, node, pinned)
        or _pinned(world, node, wanted, {task["ServiceID"] for task in tasks} - {service["ID"] for service in pinned})
        or Step("drain", {"node": _name(node)})
    )


def _moved(world: Raw, node: Raw, pinned: t.Iterable[Raw]) -> Decision | None:
    """Wait for the services that are pinned away from the node; the update's own word for it is not enough."""
    for service in pinned:
        name = service["Spec"]["Name"]
        if specs.is_reverted(service["Spec"], specs.noted(service) or {}):
            return held.give_back(world, service)
        update = service.get("UpdateStatus") or {}
        if update.get("State") in held.STUCK:
            why = update.get("Message") or "no reason given"
            return _given_up(f"{name} could not be moved: its update is {update['State']} ({why})")
        elsewhere = movable.running_tasks(world, service, without=node["ID"])
        here = [task for task in live_tasks(world, node) if task["ServiceID"] == service["ID"]]
        if update.get("State") in held.UPDATING or here or len(elsewhere) < specs.replicas(service["Spec"]):
            if ("wait_for_move", name) in world.get("late", ()):
                return _given_up(f"{name} was not moved in time: {_pending(world, service)}")
            return Step("wait_for_move", {"service": name}, changes=False)
    return None


def _pinned(world: Raw, node: Raw, wanted: Wanted, here: t.Collection[str]) -> Decision | None:
    """Pin the next service away from the node, or say why none of it may begin or go on."""
    services = sorted((one for one in world["services"] if one["ID"] in here), key=lambda one: str(one["Spec"]["Name"]))
    for service in services:
        update = (service.get("UpdateStatus") or {}).get("State")
        if update in held.STUCK:
            stuck = f"service {service['Spec']['Name']} is {update}: finish or roll back its update first"
            return _refused(world, node, stuck)
        if update in held.UPDATING:
            name = service["Spec"]["Name"]
            if has_begun(world, node) and ("wait_for_update", name) not in world.get("late", ()):
                return Step("wait_for_update", {"service": name}, changes=False)
            return _refused(world, node, f"service {name} is in mid-update ({update}): let it end first")
    stopping = [service for service in services if service["Spec"]["Name"] in wanted.may_stop]
    moving = [one for one in services if one not in stopping and placement.wanted_tasks(world, one, node)]
    lost = [f"{one['Spec']['Name']} ({movable.why_lost(one)})" for one in stopping if movable.why_lost(one)]
    if lost and wanted.move:
        return _refused(
            world, node, f"what a drain stops of {', '.join(lost)} would never start again: remove it first"
        )
    if moving and not wanted.move:
        names = ", ".join(service["Spec"]["Name"] for service in moving)
        allow = "which nothing allows to stop or to move: name them in may_stop"
        return _refused(world, node, f"{_name(node)} still runs {names}, {allow}")
    staying = [(one["Spec"]["Name"], movable.why_not(world, one, wanted.may_move)) for one in moving]
    held_up = [f"{name} {why}" for name, why in staying if why] or placement.plan(world, node, moving)[1]
    if held_up:
        mend = "mend that, or move their traffic and name them in may_stop"
        return _refused(world, node, f"{_name(node)} is not drained: {'; '.join(held_up)}: {mend}")
    if not moving:
        return None
    if node["Spec"]["Availability"] == "active":
        return Step("pause", {"node": _name(node)})
    return Step("pin", {"service": moving[0]["Spec"]["Name"]})


def _refused(world: Raw, node: Raw, reason: str) -> Decision:
    """Refuse; what has begun is taken back first."""
    return _given_up(reason) if has_begun(world, node) else Refused(reason)


def has_begun(world: Raw, node: Raw) -> bool:
    """Whether something that a drain or a rebalancing of the node has changed is still changed."""
    return specs.is_paused_here(node) or bool(held.of_node(world, node))


def _given_up(reason: str) -> Step:
    return Step("give_up", {"reason": reason}, changes=False)


def _pending(world: Raw, service: Raw) -> str:
    """Swarm's own word for why a replacement does not start."""
    errors = {task["Status"].get("Err") for task in placement.wanted_tasks(world, service)}
    return ", ".join(sorted(error for error in errors if error)) or "its tasks take longer than move_timeout"


def _unsafe(world: Raw, node: Raw, wanted: Wanted) -> Decision | None:
    if node["Status"]["State"] != "ready":
        state = f"is '{node['Status']['State']}', so what runs on it is not known"
        return _refused(world, node, f"{_name(node)} {state}: bring it back first")
    lost = unreachable(world)
    if lost:
        mend = "bring it back before another node is touched"
        return _refused(world, node, f"manager {', '.join(lost)} is not reachable: {mend}")
    managers = _managers(world)
    if wanted.state == "drained" and node in managers and len(managers) - 1 < quorum(len(managers)):
        only = "the last manager" if len(managers) == 1 else f"one of {len(managers)} managers"
        mend = "without it there would be no quorum; promote another node first"
        return _refused(world, node, f"{_name(node)} is {only}: {mend}")
    # What would be refused after the drain is refused before it.
    demotion = _demoted(world, node, wanted) if wanted.state != "drained" else None
    if isinstance(demotion, Refused):
        return _refused(world, node, demotion.reason)
    return _beside_another(world, node)


def _beside_another(world: Raw, node: Raw) -> Decision | None:
    """One drain at a time. Of two that have begun at once, that of the node with the lower ID waits until the other is taken back."""
    for other in world["nodes"]:
        if other["ID"] == node["ID"]:
            continue
        if not (has_begun(world, other) or (other["Spec"]["Availability"] == "drain" and live_tasks(world, other))):
            continue
        is_late = ("wait_for_other", _name(other)) in world.get("late", ())
        if has_begun(world, node) and node["ID"] < other["ID"] and not is_late:
            return Step("wait_for_other", {"other": _name(other)}, changes=False)
        mend = "finish it or take it back (state: active) first"
        return _refused(world, node, f"the drain of {_name(other)} is still under way: {mend}")
    return None


def _demoted(world: Raw, node: Raw, wanted: Wanted) -> Decision:
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
    ended = set(enforcer.ended_without(world, node)) - wanted.may_stop
    if node["ManagerStatus"].get("Leader") and ended:
        return Refused(
            f"{_name(node)} leads the Swarm, which ends a task of {', '.join(sorted(ended))} as soon as another manager does, for it holds"
            " generic resources: demote it last, or move that traffic and name them in may_stop"
        )
    return Step("demote", {"node": _name(node)})


def _removed(world: Raw, node: Raw, wanted: Wanted) -> Decision:
    if node["Status"]["State"] == "ready" or node["Spec"]["Availability"] != "drain":
        decision = _drained(world, node, wanted)
        if not isinstance(decision, Done):
            return decision
    decision = _demoted(world, node, wanted)
    if not isinstance(decision, Done):
        return decision
    if node["Status"]["State"] != "down":
        return Step("wait_for_leave", {"node": _name(node)}, changes=False)
    return held.given_back(world, node) or Step("remove", {"node": _name(node), "id": node["ID"]})


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
