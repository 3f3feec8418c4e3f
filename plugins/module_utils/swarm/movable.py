# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which services can have a replacement started before their task on a node stops, and which can't. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.swarm import specs
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.placement import wanted_tasks
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import Raw, is_running


def why_not(world: Raw, service: Raw, may_move: t.Collection[str]) -> str:
    """Why the service can't be moved start-first; '' when it can.

    O(may_move) are the full names of services of which a person says that two tasks may run where one shall, that they
    serve as soon as they run, and that what they mount from the node is the same on every node.
    """
    spec = service["Spec"]
    if "Replicated" not in spec["Mode"]:
        return "is global" if "Global" in spec["Mode"] else "is a job"
    container = spec["TaskTemplate"].get("ContainerSpec") or {}
    mounts = [mount for mount in container.get("Mounts") or [] if _is_local(mount)]
    if any(mount.get("Type") == "volume" for mount in mounts):
        return "has a local volume, which would be empty elsewhere"
    # swarmkit's nodeMatches (orchestrator/task.go) reads it without a look when a task has one: every manager in turn panics.
    if "Placement" not in spec["TaskTemplate"]:
        return "has no Placement in its spec, and one that came and went would end Swarm's managers (give it a constraint first)"
    if len(running_tasks(world, service)) < specs.replicas(spec):
        return "has fewer running tasks than it shall have"
    if spec["Name"] in may_move:
        return ""
    if mounts:
        return "mounts files of its node (may_move allows it)"
    if specs.replicas(spec) == 1:
        return "is a single task, of which two would run for a moment (may_move allows it)"
    if (container.get("Healthcheck") or {}).get("Test", ["NONE"])[:1] in ([], ["NONE"]):
        return "has no health check in its spec, so a replacement counts before it serves (may_move allows it)"
    return ""


def why_lost(service: Raw) -> str:
    """Why a task of the service that a drain stops would never be replaced, not even when the node is back; '' when it would."""
    policy = service["Spec"]["TaskTemplate"].get("RestartPolicy") or {}
    if policy.get("Condition") == "none":
        return "restart condition 'none'"
    return "a limit of restart attempts" if policy.get("MaxAttempts") else ""


def running_tasks(world: Raw, service: Raw, without: str = "") -> list[Raw]:
    """The tasks of the service that are wanted and run, on nodes that are ready, the node O(without) left out."""
    ready = {node["ID"] for node in world["nodes"] if node["Status"]["State"] == "ready"} - {without}
    return [task for task in wanted_tasks(world, service) if is_running(task) and task.get("NodeID") in ready]


def starting_tasks(world: Raw, service: Raw) -> list[Raw]:
    """The tasks of the service that are wanted and have a node, and do not run yet."""
    return [
        task for task in wanted_tasks(world, service) if task.get("NodeID") and task["Status"]["State"] != "running"
    ]


def half_moved(world: Raw, service: Raw) -> list[Raw]:
    """The replacements that start while the task of the same slot still runs."""
    running = {task.get("Slot") for task in wanted_tasks(world, service) if is_running(task)}
    return [
        task
        for task in starting_tasks(world, service)
        if task["DesiredState"] == "running" and task.get("Slot") and task["Slot"] in running
    ]


def is_local_volume(mount: Raw) -> bool:
    """Whether it is a volume of the node that the task runs on."""
    driver = ((mount.get("VolumeOptions") or {}).get("DriverConfig") or {}).get("Name")
    return mount.get("Type") == "volume" and driver in (None, "", "local")


def _is_local(mount: Raw) -> bool:
    return is_local_volume(mount) or mount.get("Type") in ("bind", "npipe")
