# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Swarm as the rest of the collection sees it: raw API answers in, plain data out. No I/O but through the client."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.gpu_resources import reserved

Raw = t.Mapping[str, t.Any]

STACK_LABEL = "com.docker.stack.namespace"
SERVICE_LABEL = "com.docker.swarm.service.name"
# On a service that has one task more than it shall have (spare.py).
SPARE_LABEL = "replatform.sophia.ai/spare"
UNKNOWN_ADDRESS = "0.0.0.0"
# States in which a task has ended, and desired states of one that is asked to.
TERMINAL = frozenset({"complete", "shutdown", "failed", "rejected", "remove", "orphaned"})
UNWANTED = frozenset({"shutdown", "remove"})
INACTIVE: dict[str, t.Any] = {"swarm": "inactive", "is_manager": False, "node_id": "", "nodes": [], "services": []}


def read_swarm(client: t.Any) -> dict[str, t.Any]:
    """The raw answers of an Engine: C(info), and on a manager C(nodes), C(services) and C(tasks)."""
    info = client.info()
    raw: dict[str, t.Any] = {"info": info, "nodes": [], "services": [], "tasks": []}
    if is_manager(info):
        raw.update(nodes=client.nodes(), services=client.services(), tasks=client.tasks())
    return raw


def read_local(client: t.Any, stack: str) -> list[str]:
    """The services of O(stack) that have a container on this very Engine, whatever the Swarm says."""
    containers = client.containers(all=True, filters={"label": f"{STACK_LABEL}={stack}"})
    return sorted({container["Labels"].get(SERVICE_LABEL, "") for container in containers})


def is_active(info: Raw) -> bool:
    """Whether the Engine is a member of a Swarm. Raises C(ReplatformError) for a state between the two.

    C(pending), C(locked) and C(error) are members that can't speak for their Swarm; to call them inactive would be to
    say that a migration is over.
    """
    state = info.get("Swarm", {}).get("LocalNodeState", "inactive") or "inactive"
    if state not in ("active", "inactive"):
        error = info["Swarm"].get("Error") or "no reason given"
        raise ReplatformError(
            f"the Swarm member {info.get('Name', '')} is '{state}' ({error}): bring it back or take it out by hand first"
        )
    return bool(state == "active")


def is_manager(info: Raw) -> bool:
    """Whether the Engine is an active manager, the only kind of member that can describe the Swarm."""
    return is_active(info) and bool(info["Swarm"].get("ControlAvailable"))


def stack_info(raw: Raw, stack: str) -> dict[str, t.Any]:
    """C(swarm), C(is_manager), C(nodes) and the C(services) of O(stack), as module C(swarm_stack_info) returns them."""
    if not is_active(raw["info"]):
        return {**INACTIVE, "hostname": raw["info"].get("Name", "")}
    nodes = [node_facts(node) for node in raw["nodes"]]
    services = [
        service_facts(service, stack, nodes, [task for task in raw["tasks"] if task["ServiceID"] == service["ID"]])
        for service in raw["services"]
        if service["Spec"].get("Labels", {}).get(STACK_LABEL) == stack
    ]
    return {
        "swarm": "active",
        "is_manager": is_manager(raw["info"]),
        "node_id": raw["info"]["Swarm"].get("NodeID", ""),
        "hostname": raw["info"].get("Name", ""),
        "nodes": sorted(nodes, key=lambda node: str(node["hostname"])),
        "services": sorted(services, key=lambda service: str(service["name"])),
    }


def node_facts(node: Raw) -> dict[str, t.Any]:
    """One node. The leader may call itself 0.0.0.0; then its address as a manager is the one that others reach."""
    address = node["Status"].get("Addr", "")
    if address in ("", UNKNOWN_ADDRESS):
        address = node.get("ManagerStatus", {}).get("Addr", "").rpartition(":")[0]
    return {
        "id": node["ID"],
        "hostname": node["Description"]["Hostname"],
        "address": address,
        "role": node["Spec"]["Role"],
        "availability": node["Spec"]["Availability"],
        "state": node["Status"]["State"],
        "leader": node.get("ManagerStatus", {}).get("Leader", False),
        "reachability": node.get("ManagerStatus", {}).get("Reachability", ""),
    }


def service_facts(service: Raw, stack: str, nodes: list[dict[str, t.Any]], tasks: list[Raw]) -> dict[str, t.Any]:
    """One service with where it runs; O(tasks) are its tasks alone.

    A task on a node that is not ready keeps the state it was last seen in, so it does not count as running.
    """
    spec = service["Spec"]
    ready = {node["id"]: node for node in nodes if node["state"] == "ready"}
    running = [task for task in tasks if is_running(task) and task.get("NodeID") in ready]
    mode, replicas = _mode(spec)
    restart = spec["TaskTemplate"].get("RestartPolicy") or {}
    ports = [_port(port) for port in service.get("Endpoint", {}).get("Ports") or _spec_ports(spec)]
    desired = sum(1 for task in tasks if task["DesiredState"] == "running")
    return {
        "name": spec["Name"][len(stack) + 1 :] if spec["Name"].startswith(f"{stack}_") else spec["Name"],
        "full_name": spec["Name"],
        "id": service["ID"],
        "image": spec["TaskTemplate"].get("ContainerSpec", {}).get("Image", ""),
        "mode": mode,
        "replicas": desired if replicas is None else replicas,
        "spare": SPARE_LABEL in (spec.get("Labels") or {}),
        "gpus": reserved(spec["TaskTemplate"]),
        "restart_condition": restart.get("Condition") or "any",
        "restart_max_attempts": restart.get("MaxAttempts") or 0,
        "running": len(running),
        "ports": ports,
        "endpoints": _endpoints(ports, [ready[task["NodeID"]] for task in running], list(ready.values())),
        "tasks": [
            {
                "id": task["ID"],
                "node": ready[task["NodeID"]]["hostname"],
                "container": task["Status"].get("ContainerStatus", {}).get("ContainerID", ""),
            }
            for task in running
        ],
    }


def is_running(task: Raw) -> bool:
    """Wanted and there: a task that is asked to shut down may still say that it runs."""
    return bool(task["DesiredState"] == "running" and task["Status"]["State"] == "running")


def _mode(spec: Raw) -> tuple[str, int | None]:
    mode = spec["Mode"]
    if "Replicated" in mode:
        return "replicated", int(mode["Replicated"].get("Replicas", 1))
    if "ReplicatedJob" in mode:
        return "replicated-job", int(mode["ReplicatedJob"].get("TotalCompletions", 1))
    return ("global-job" if "GlobalJob" in mode else "global"), None


def _spec_ports(spec: Raw) -> list[Raw]:
    return spec.get("EndpointSpec", {}).get("Ports") or []


def _port(port: Raw) -> dict[str, t.Any]:
    return {
        "target": port["TargetPort"],
        "published": port.get("PublishedPort"),
        "protocol": port.get("Protocol", "tcp"),
        "mode": port.get("PublishMode", "ingress"),
    }


def _endpoints(ports: list[dict[str, t.Any]], at: list[dict[str, t.Any]], ready: list[dict[str, t.Any]]) -> list[str]:
    """C(ip:port) of every way in: the nodes with running tasks for a host port, every ready node for an ingress port."""
    found = set()
    for port in ports:
        if port["published"]:
            nodes = at if port["mode"] == "host" else ready
            found |= {(node["address"], port["published"]) for node in nodes}
    return [f"{address}:{published}" for address, published in sorted(found)]
