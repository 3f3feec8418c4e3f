# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where tasks of a node would find room on the others, as Swarm's scheduler sees it. Pure.

Rules from swarmkit C(manager/scheduler/filter.go) and C(manager/constraint/constraint.go). Plugins are not looked at: a
task that finds none stays pending, and the move is taken back.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t
from collections import Counter

from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import TERMINAL, UNWANTED, Raw

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_CONSTRAINT = re.compile(r"^\s*([a-z0-9][-\w.]+)\s*(==|!=)\s*(\S.*?)\s*$", re.IGNORECASE)


class Room:
    """What is free on each node, and what is taken from it while tasks are placed in thought."""

    def __init__(self, world: Raw) -> None:
        self.nodes = {node["ID"]: node for node in world["nodes"]}
        self.free = {node["ID"]: _offered(node) for node in world["nodes"]}
        self.ports: dict[str, set[tuple[str, int]]] = {node_id: set() for node_id in self.nodes}
        self.tasks: Counter[tuple[str, str]] = Counter()
        services = {service["ID"]: service for service in world["services"]}
        for task in world["tasks"]:
            service = services.get(task["ServiceID"])
            if service and task.get("NodeID") in self.nodes and task["Status"]["State"] not in TERMINAL:
                self._take(service, task["NodeID"], task.get("Spec") or {}, task["DesiredState"] not in UNWANTED)

    def home(self, service: Raw, without: str) -> str:
        """The node, other than O(without), that takes one more task of the service, which is booked there; '' for none."""
        fit = [node for node in self.nodes if node != without and not self.why_not(service, node)]
        if not fit:
            return ""
        found = min(fit, key=lambda node: (self.tasks[service["ID"], node], self._load(node), node))
        self._take(service, found, service["Spec"]["TaskTemplate"], True)
        return found

    def why_not(self, service: Raw, node_id: str) -> str:
        """Why the node takes no task of the service; '' when it does."""
        node = self.nodes[node_id]
        placement = service["Spec"]["TaskTemplate"].get("Placement") or {}
        if node["Status"]["State"] != "ready" or node["Spec"]["Availability"] != "active":
            return "takes no tasks"
        for constraint in placement.get("Constraints") or []:
            if not meets(node, constraint):
                return f"is not {constraint}"
        if not runs(node, placement.get("Platforms") or []):
            return "is of another platform"
        most = placement.get("MaxReplicas") or 0
        if most and self.tasks[service["ID"], node_id] >= most:
            return f"has {most} of them, the most per node"
        taken = host_ports(service["Spec"]) & self.ports[node_id]
        if taken:
            return f"has port {min(port for _protocol, port in taken)} in use"
        short = [
            kind for kind, much in _reserved(service["Spec"]["TaskTemplate"]).items() if much > self.free[node_id][kind]
        ]
        return f"has too little {', '.join(sorted(short))}" if short else ""

    def _take(self, service: Raw, node_id: str, template: Raw, counts: bool) -> None:
        self.free[node_id].subtract(_reserved(template))
        self.ports[node_id] |= host_ports(service["Spec"])
        if counts:
            self.tasks[service["ID"], node_id] += 1

    def _load(self, node_id: str) -> int:
        return sum(count for (_service, node), count in self.tasks.items() if node == node_id)


def plan(world: Raw, node: Raw, services: t.Iterable[Raw]) -> tuple[dict[str, list[str]], list[str]]:
    """Where the tasks that the services have on the node would go, by service ID, and why any of them would go nowhere."""
    room = Room(world)
    homes: dict[str, list[str]] = {}
    reasons = []
    for service in services:
        homes[service["ID"]] = []
        for _task in wanted_tasks(world, service, node):
            home = room.home(service, node["ID"])
            if not home:
                reasons.append(_nowhere(room, service, node))
                break
            homes[service["ID"]].append(home)
    return homes, reasons


def wanted_tasks(world: Raw, service: Raw, node: Raw | None = None) -> list[Raw]:
    """The tasks of the service, or those on the node, that have not ended and are not asked to."""
    return [
        task
        for task in world["tasks"]
        if task["ServiceID"] == service["ID"]
        and task["Status"]["State"] not in TERMINAL
        and task["DesiredState"] not in UNWANTED
        and (node is None or task.get("NodeID") == node["ID"])
    ]


def meets(node: Raw, constraint: str) -> bool:
    """Whether the node meets a placement constraint; one that can't be read is met by none."""
    parsed = _CONSTRAINT.match(constraint)
    if not parsed:
        return False
    key, operator, wanted = parsed.groups()
    if key.lower() == "node.ip":
        return _in_network(node["Status"].get("Addr", ""), wanted) == (operator == "==")
    value = _attribute(node, key)
    if value is None:
        return False
    return (value.lower() == wanted.lower()) == (operator == "==")


def host_ports(spec: Raw) -> set[tuple[str, int]]:
    """C((protocol, port)) of what a task of the service publishes on its own node."""
    ports = (spec.get("EndpointSpec") or {}).get("Ports") or []
    return {
        (port.get("Protocol", "tcp"), int(port["PublishedPort"]))
        for port in ports
        if port.get("PublishMode") == "host" and port.get("PublishedPort")
    }


def _attribute(node: Raw, key: str) -> str | None:
    description = node["Description"]
    platform = description.get("Platform") or {}
    values = {
        "node.id": node["ID"],
        "node.hostname": description.get("Hostname", ""),
        "node.role": node["Spec"]["Role"],
        "node.platform.os": platform.get("OS", ""),
        "node.platform.arch": platform.get("Architecture", ""),
    }
    lower = key.lower()
    if lower in values:
        return str(values[lower])
    labels = {
        "node.labels.": node["Spec"].get("Labels"),
        "engine.labels.": (description.get("Engine") or {}).get("Labels"),
    }
    for prefix, found in labels.items():
        if lower.startswith(prefix):
            return str((found or {}).get(key[len(prefix) :], ""))
    return None


def _in_network(address: str, wanted: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return False


def runs(node: Raw, platforms: t.Sequence[Raw]) -> bool:
    """Whether the node is of one of the platforms; any is where none is named."""
    here = node["Description"].get("Platform") or {}
    return not platforms or any(
        one.get("OS") in (None, "", here.get("OS"))
        and (not one.get("Architecture") or _architecture(one) == _architecture(here))
        for one in platforms
    )


def _architecture(platform: Raw) -> str:
    name = str(platform.get("Architecture", ""))
    return _ARCHITECTURES.get(name, name)


def _offered(node: Raw) -> Counter[str]:
    return _amounts(node["Description"].get("Resources") or {})


def _reserved(template: Raw) -> Counter[str]:
    return _amounts((template.get("Resources") or {}).get("Reservations") or {})


def _amounts(resources: Raw) -> Counter[str]:
    found = Counter({"CPU": resources.get("NanoCPUs") or 0, "memory": resources.get("MemoryBytes") or 0})
    for generic in resources.get("GenericResources") or []:
        if "NamedResourceSpec" in generic:
            found[generic["NamedResourceSpec"]["Kind"]] += 1
        else:
            found[generic["DiscreteResourceSpec"]["Kind"]] += generic["DiscreteResourceSpec"]["Value"]
    return found


def _nowhere(room: Room, service: Raw, node: Raw) -> str:
    others = sorted(room.nodes.values(), key=lambda other: str(other["Description"]["Hostname"]))
    why = [
        f"{other['Description']['Hostname']} {room.why_not(service, other['ID'])}"
        for other in others
        if other["ID"] != node["ID"]
    ]
    return f"{service['Spec']['Name']} has nowhere to go ({', '.join(why) or 'there is no other node'})"
