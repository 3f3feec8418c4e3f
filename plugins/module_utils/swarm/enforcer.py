# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tasks that Swarm ends for nothing when an active node is written. Pure: raw API answers in, names out.

At every write to a node that is active then, be it a label, swarmkit ends a task whose generic resources the node still has: it asks whether
they are there and takes the answer for its opposite (C(manager/orchestrator/constraintenforcer), C(rejectNoncompliantTasks); seen on 20.10).
A manager that begins to lead does so for every node.
"""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.swarm.placement import wanted_tasks
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import Raw


def ended(world: Raw, node: Raw) -> list[str]:
    """The services, by name, with a task on O(node) that such a write ends, or one that takes its place at the next."""
    holding = [one for one in world["services"] if any(map(_holds, wanted_tasks(world, one, node)))]
    return sorted(str(service["Spec"]["Name"]) for service in holding)


def told(world: Raw, node: Raw) -> dict[str, t.Any]:
    """What the step that makes O(node) active says of them: C(ends), or nothing."""
    names = ended(world, node)
    return {"ends": ", ".join(names)} if names else {}


def ended_without(world: Raw, leader: Raw) -> list[str]:
    """The services, by name, with a task that ends when O(leader) leads no longer, be it one that a drain has brought elsewhere before."""
    at_risk = [one for one in world["nodes"] if one["ID"] == leader["ID"] or one["Spec"]["Availability"] == "active"]
    return sorted({name for node in at_risk for name in ended(world, node)})


def _holds(task: Raw) -> bool:
    reservations = (task.get("Spec", {}).get("Resources") or {}).get("Reservations") or {}
    return bool(reservations.get("GenericResources"))
