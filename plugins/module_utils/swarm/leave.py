# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do next to have an Engine out of its Swarm. Pure: raw API answers in, a step out."""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Done, Refused, Step
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import dissolution
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import Raw, is_active


def next_step(world: Raw, last: bool) -> Decision:
    """The next step for O(world): C(info), C(nodes) and C(services) (on a manager) and C(containers), those here that are tasks.

    O(last) says that this Engine may dissolve the Swarm: it is its last manager, nobody else is listed any more, and no service is left.
    """
    info = world["info"]
    if not is_active(info):
        if world["containers"]:
            return Step("wait_for_containers", {"containers": len(world["containers"])}, changes=False)
        return Done("this Engine is in no Swarm")
    if not info["Swarm"].get("ControlAvailable"):
        return Step("leave", {"force": False})
    if not last:
        # A manager that was just demoted needs a moment to know it; one that was not waits until the deadline.
        return Step("wait_for_demotion", {}, changes=False)
    others = sorted(
        node["Description"]["Hostname"] for node in world["nodes"] if node["ID"] != info["Swarm"].get("NodeID")
    )
    if others:
        return Refused(f"{', '.join(others)} are still nodes of the Swarm: remove them before its last manager leaves")
    lost = dissolution.lost(world["services"])
    if lost:
        return Refused(lost)
    return Step("leave", {"force": True})


def simulate(world: Raw, step: Step) -> dict[str, t.Any]:
    """The world after O(step), as far as RV(next_step) looks at it."""
    after = copy.deepcopy(dict(world))
    if step.name == "wait_for_demotion":
        after["info"]["Swarm"]["ControlAvailable"] = False
    elif step.name == "leave":
        after["info"]["Swarm"] = {"LocalNodeState": "inactive", "ControlAvailable": False}
    else:
        after["containers"] = []
    return after
