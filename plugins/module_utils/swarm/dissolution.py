# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stands in the way of a Swarm that is to go with its last stack. Pure: raw API answers in, a reason out."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.secrets import carrier
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import STACK_LABEL, Raw


def why_not(world: Raw, stack: str, tasks: t.Iterable[Raw]) -> str:
    """Why the Swarm can't go with O(stack), of which O(tasks) have not ended; empty when it can."""
    return lost(world["services"], stack) or _dead(world, stack, tasks)


def lost(services: t.Iterable[Raw], stack: str = "") -> str:
    """Which of the O(services), whatever tasks they have, would be lost with the Swarm: all but those of O(stack) and this collection's own leftovers."""
    names = sorted(_named(service) for service in services if not _is_going(service, stack))
    return f"{', '.join(names)} would be lost with the Swarm: move or remove each first" if names else ""


def _dead(world: Raw, stack: str, tasks: t.Iterable[Raw]) -> str:
    """The nodes of which it is not known what they run; once the services are gone, those that the retirement has taken out are down."""
    begun = not any(_stack_of(service) == stack for service in world["services"])
    busy = {task.get("NodeID") for task in tasks}
    dead = [
        node
        for node in world["nodes"]
        if node["Status"]["State"] == "down"
        and (node["ID"] in busy or not (begun or node["Spec"]["Availability"] == "drain"))
    ]
    if not dead:
        return ""
    names = ", ".join(sorted(f"{node['Description']['Hostname']} (ID {node['ID']})" for node in dead))
    first = "docker node demote ID, then " if any(node["Spec"]["Role"] == "manager" for node in dead) else ""
    mend = f"bring each back, or take it off the list once its host is gone for good ({first}docker node rm ID)"
    return f"{names}: down, so what runs there is not known: {mend}"


def _is_going(service: Raw, stack: str) -> bool:
    return (bool(stack) and _stack_of(service) == stack) or carrier.LABEL in (service["Spec"].get("Labels") or {})


def _stack_of(service: Raw) -> str:
    """The stack of a service; empty for one that is of none."""
    return str((service["Spec"].get("Labels") or {}).get(STACK_LABEL, ""))


def _named(service: Raw) -> str:
    stack = _stack_of(service)
    return f"{service['Spec']['Name']} ({f'stack {stack}' if stack else 'of no stack'})"
