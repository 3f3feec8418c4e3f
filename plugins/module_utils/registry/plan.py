# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which image may run on which architecture. Pure."""

from __future__ import annotations

import typing as t

HOSTNAME = "kubernetes.io/hostname"
ARCHITECTURE = "kubernetes.io/arch"


def images(values: t.Mapping[str, t.Any], nodes: t.Mapping[str, str]) -> list[dict[str, t.Any]]:
    """The images of the chart's O(values), each with the C(architectures) of the nodes that may run it and the C(services)
    that use it. O(nodes) are architectures by the name of a node.

    A node is left out only for its name or its architecture; a label may be given to any node at any time. The chart keeps
    a service on nodes of its C(architectures), else of those of all. A service that no node may run counts for all of them.
    """
    found: dict[str, tuple[set[str], set[str]]] = {}
    for name, service in (values.get("services") or {}).items():
        architectures, users = found.setdefault(service["image"], (set(), set()))
        kept = service.get("architectures") or values.get("architectures")
        expressions = [*(service.get("nodeExpressions") or [])]
        expressions += [{"key": ARCHITECTURE, "operator": "In", "values": kept}] if kept else []
        may = {arch for node, arch in nodes.items() if _may_run(expressions, node, arch)}
        architectures |= may or set(nodes.values())
        users.add(name)
    return [
        {"name": image, "architectures": sorted(architectures), "services": sorted(users)}
        for image, (architectures, users) in sorted(found.items())
    ]


def _may_run(expressions: t.Iterable[t.Mapping[str, t.Any]], node: str, architecture: str) -> bool:
    labels = {HOSTNAME: node.lower(), ARCHITECTURE: architecture}
    return all(_holds(one, labels[one["key"]]) for one in expressions if one["key"] in labels)


def _holds(expression: t.Mapping[str, t.Any], value: str) -> bool:
    if expression["operator"] == "In":
        return value in expression["values"]
    if expression["operator"] == "NotIn":
        return value not in expression["values"]
    return bool(expression["operator"] == "Exists")
