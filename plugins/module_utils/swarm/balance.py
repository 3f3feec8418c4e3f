# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do next to bring tasks to a node that is active again, where the others have more. Pure.

Swarm moves nothing back by itself, and a forced update moves every task. One task more than a service shall have goes to
the node with the fewest; the one that then is too many is taken from where most are (swarmkit C(orchestrator/replicated)).
"""

from __future__ import annotations

import typing as t
from collections import Counter

from ansible_collections.sophia.replatform.plugins.module_utils.loop import Step
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import held, movable, specs
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.placement import Room, wanted_tasks
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import Raw


def next_step(world: Raw, node: Raw, may_move: t.Collection[str], begin: bool) -> Step | None:
    """Finish what has begun; then, if O(begin), the next service of which another node has two tasks more than O(node)."""
    for service in held.of_node(world, node):
        name = service["Spec"]["Name"]
        noted = specs.noted(service) or {}
        short = len(movable.running_tasks(world, service)) < specs.replicas(service["Spec"])
        waiting = short and not specs.is_reverted(service["Spec"], noted)
        if waiting and ("wait_for_surge", name) not in world.get("late", ()):
            return Step("wait_for_surge", {"service": name}, changes=False)
        return held.give_back(world, service)
    for service in sorted(world["services"], key=lambda one: str(one["Spec"]["Name"])) if begin else []:
        here = len(wanted_tasks(world, service, node))
        if _is_uneven(world, node, service, here) and not movable.why_not(world, service, may_move):
            return Step("surge", {"service": service["Spec"]["Name"], "here": here})
    return None


def _is_uneven(world: Raw, node: Raw, service: Raw, here: int) -> bool:
    spec = service["Spec"]
    # By preference, Swarm spreads over something else than nodes.
    if "Replicated" not in spec["Mode"] or (spec["TaskTemplate"].get("Placement") or {}).get("Preferences"):
        return False
    update = (service.get("UpdateStatus") or {}).get("State")
    if specs.noted(service) or update in held.UPDATING | held.STUCK or ("surge", spec["Name"]) in world.get("late", ()):
        return False
    wanted = wanted_tasks(world, service)
    most = max(Counter(task.get("NodeID") for task in wanted).values(), default=0)
    return len(wanted) == specs.replicas(spec) and most - here > 1 and not Room(world).why_not(service, node["ID"])
