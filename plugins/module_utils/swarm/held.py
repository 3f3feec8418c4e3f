# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The services whose specs a drain or a rebalancing has changed, and the way of each back to its own. Pure.

Never while a task starts that may be kept instead of one that runs: swarmkit keeps either of two in a slot
(C(orchestrator/update)), and takes one too many from the fullest node (C(orchestrator/replicated)). Two writes: the change is taken
out while the update policy of the move still applies; once the tasks have settled, the policy and the label follow.
"""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.loop import Step
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import movable, specs
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.placement import wanted_tasks
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import Raw, is_running

UPDATING = frozenset({"updating", "rollback_started"})
STUCK = frozenset({"paused", "rollback_paused"})


def of_node(world: Raw, node: Raw, which: t.Callable[[Raw], bool] = bool) -> list[Raw]:
    """The services, by name, that are changed for the node, or for one that is no longer listed, and whose note is O(which)."""
    listed = {other["ID"] for other in world["nodes"]} - {node["ID"]}
    found = []
    for service in world["services"]:
        noted = specs.noted(service)
        if noted and noted["node"] not in listed and which(noted):
            found.append(service)
    return sorted(found, key=lambda service: str(service["Spec"]["Name"]))


def given_back(world: Raw, node: Raw, which: t.Callable[[Raw], bool] = bool) -> Step | None:
    """The next step to give all of RV(of_node) their own specs back; none when they have them."""
    return next((give_back(world, service) for service in of_node(world, node, which)), None)


def give_back(world: Raw, service: Raw) -> Step:
    """The next step to give a service its own spec back."""
    name = service["Spec"]["Name"]
    noted = specs.noted(service) or {}
    if not specs.is_reverted(service["Spec"], noted):
        starting = movable.half_moved if specs.is_pin(noted) else movable.starting_tasks
        if starting(world, service):
            return Step("wait_for_start", {"service": name}, changes=False)
        return Step("revert", {"service": name})
    if not _is_settled(world, service) and ("wait_for_settling", name) not in world.get("late", ()):
        return Step("wait_for_settling", {"service": name}, changes=False)
    return Step("restore", {"service": name})


def _is_settled(world: Raw, service: Raw) -> bool:
    if (service.get("UpdateStatus") or {}).get("State") in UPDATING:
        return False
    wanted = wanted_tasks(world, service)
    return len(wanted) == specs.replicas(service["Spec"]) and all(is_running(task) for task in wanted)
