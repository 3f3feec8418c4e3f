# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do next to have a stack gone, or a service of it stopped. Pure: raw API answers in, a step out."""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Done, Refused, Step
from ansible_collections.sophia.replatform.plugins.module_utils.secrets import carrier
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import dissolution
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import (
    STACK_LABEL,
    TERMINAL,
    Raw,
    is_manager,
)

# What a stack owns beside its services, in the order in which it can be removed.
KINDS = ("network", "secret", "config")


def next_removal(world: Raw, stack: str, handed_over: t.Collection[str], last: bool = False) -> Decision:
    """The next step to have O(stack) gone. O(handed_over) are the full names of the services that serve elsewhere.

    With O(last) the Swarm is to go with it, and what a killed run of C(swarm_secret_copy) has left goes first, since it mounts the stack's secrets.
    O(world) has C(info), C(nodes), C(services) and C(tasks) of the whole Swarm, and C(network), C(secret) and C(config) of the stack.
    """
    if not is_manager(world["info"]):
        return Refused("this Engine is no manager of a Swarm: run on a manager")
    services = of_stack(world["services"], stack)
    kept = sorted({service["Spec"]["Name"] for service in services} - set(handed_over))
    if kept:
        return Refused(
            f"{', '.join(kept)} of stack {stack} are not handed over: move them first, then remove the stack"
        )
    left = [task for task in world["tasks"] if _stack_of(task) == stack and task["Status"]["State"] not in TERMINAL]
    why_not = dissolution.why_not(world, stack, left) if last else ""
    if why_not:
        return Refused(why_not)
    for service in [*(carrier.services(world) if last else ()), *services]:
        return Step("remove_service", {"service": service["Spec"]["Name"], "id": service["ID"]})
    if left:
        return Step("wait_for_tasks", {"tasks": len(left)}, changes=False)
    for kind in KINDS:
        for thing in world[kind]:
            return Step(f"remove_{kind}", {kind: thing_name(thing), "id": thing_id(thing)})
    return Done(f"stack {stack} is gone")


def simulate_removal(world: Raw, step: Step) -> dict[str, t.Any]:
    """The world after O(step), as far as RV(next_removal) looks at it."""
    after = copy.deepcopy(dict(world))
    kind = step.name.partition("_")[2]
    if step.name == "wait_for_tasks":
        after["tasks"] = []
    elif kind == "service":
        after["services"] = [service for service in after["services"] if service["ID"] != step.data["id"]]
    else:
        after[kind] = [thing for thing in after[kind] if thing_id(thing) != step.data["id"]]
    return after


def next_scaling(world: Raw, name: str, replicas: int) -> Decision:
    """The next step to have the service with the full name O(name) at O(replicas), its other tasks ended."""
    service = replicated(world, name)
    if isinstance(service, Refused):
        gone = is_manager(world["info"]) and all(one["Spec"]["Name"] != name for one in world["services"])
        return Done(f"{name} is gone") if gone and replicas == 0 else service
    if service["Spec"]["Mode"]["Replicated"].get("Replicas", 1) != replicas:
        return Step("scale", {"service": name, "replicas": replicas})
    return settled(world, service, replicas)


def replicated(world: Raw, name: str) -> Raw | Refused:
    """The replicated service with the full name O(name), or why its number can't be set."""
    if not is_manager(world["info"]):
        return Refused("this Engine is no manager of a Swarm: run on a manager")
    services = [service for service in world["services"] if service["Spec"]["Name"] == name]
    if not services:
        return Refused(f"the Swarm has no service {name}")
    if "Replicated" not in services[0]["Spec"]["Mode"]:
        return Refused(f"service {name} is not replicated: it can't be scaled, only removed")
    return services[0]


def settled(world: Raw, service: Raw, replicas: int) -> Decision:
    """Wait until O(replicas) tasks of the service run and all others have ended."""
    name = service["Spec"]["Name"]
    tasks = [task for task in world["tasks"] if task["ServiceID"] == service["ID"]]
    live = [task for task in tasks if task["Status"]["State"] not in TERMINAL]
    running = [task for task in live if task["Status"]["State"] == task["DesiredState"] == "running"]
    if len(live) != replicas or len(running) != replicas:
        return Step("wait_for_tasks", {"service": name, "tasks": len(live)}, changes=False)
    return Done(f"{name} has {replicas} running tasks")


def simulate_scaling(world: Raw, step: Step) -> dict[str, t.Any]:
    """The world after O(step), as far as RV(next_scaling) looks at it."""
    after = copy.deepcopy(dict(world))
    (service,) = [one for one in after["services"] if one["Spec"]["Name"] == step.data["service"]]
    if step.name == "scale":
        service["Spec"]["Mode"]["Replicated"]["Replicas"] = step.data["replicas"]
        return after
    replicas = service["Spec"]["Mode"]["Replicated"]["Replicas"]
    state = {"DesiredState": "running", "Status": {"State": "running"}}
    after["tasks"] = [{"ServiceID": service["ID"], **state} for _slot in range(replicas)]
    return after


def of_stack(services: t.Iterable[Raw], stack: str) -> list[Raw]:
    """The services of the stack, by name."""
    own = [service for service in services if service["Spec"].get("Labels", {}).get(STACK_LABEL) == stack]
    return sorted(own, key=lambda service: str(service["Spec"]["Name"]))


def _stack_of(task: Raw) -> str | None:
    labels = task.get("Spec", {}).get("ContainerSpec", {}).get("Labels") or {}
    return labels.get(STACK_LABEL)


def thing_id(thing: Raw) -> str:
    """The ID of a network, secret or config as the API gives it."""
    return str(thing.get("ID") or thing["Id"])


def thing_name(thing: Raw) -> str:
    """Its name."""
    return str(thing["Name"] if "Name" in thing else thing["Spec"]["Name"])
