# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What already stands: the values of a deployed release decide what a Swarm that is being emptied no longer tells."""

from __future__ import annotations

import typing as t

Row = t.Mapping[str, t.Any]
_NODE = ("hostname", "role", "id", "address")
_NODE_TOO = ("labels", "holds")
# What begins so is this collection's own, and another in each state of a move.
_OURS = "replatform.sophia.ai"


def handed_over(given: t.Iterable[str], back: t.Iterable[str], current: Row) -> frozenset[str]:
    """What is handed over stays so unless it is given back: the given services, and those that the release has handed over."""
    services = current.get("services", {})
    return frozenset(given) | {name for name, values in services.items() if values.get("handedOver")} - frozenset(back)


def external(given: t.Mapping[str, Row], live: t.Sequence[Row], current: Row) -> dict[str, dict[str, t.Any]]:
    """Addresses and port of each external service: as given, else where it runs, else as the release has them."""
    running = {str(item["name"]): item for item in live}
    result = {}
    for name, entry in given.items():
        endpoints = [text.rsplit(":", 1) for text in running.get(name, {}).get("endpoints") or []]
        before = current.get("services", {}).get(name, {}).get("external") or {}
        found: dict[str, t.Any] = {"addresses": list(before.get("addresses", [])), "port": before.get("port")}
        if endpoints:
            port = int(endpoints[0][1])
            found = {"addresses": [host for host, at in endpoints if int(at) == port], "port": port}
        result[name] = {**found, **entry}
    return result


def nodes(live: t.Sequence[Row], current: Row) -> list[dict[str, t.Any]]:
    """The Swarm's nodes by host name; one that the release has seen counts as it was, also after it has left."""
    both = [*live, *current.get("swarmNodes", [])]
    known = {str(node["hostname"]): {**node, "labels": _theirs(node.get("labels") or {})} for node in both}
    return [
        {
            **{key: known[name].get(key, "") for key in _NODE},
            **{key: known[name][key] for key in _NODE_TOO if known[name].get(key)},
        }
        for name in sorted(known)
    ]


def _theirs(labels: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {key: value for key, value in labels.items() if not key.startswith(_OURS)}


def homes(live: t.Sequence[Row], known: t.Sequence[Row]) -> dict[str, list[str]]:
    """The nodes that hold each service's data: as the release has seen it, else those that its tasks run on.

    C(known) are the nodes, whose C(holds) names services. Once a Swarm is drained, no task tells any more.
    """
    seen: dict[str, set[str]] = {}
    for node in known:
        for name in node.get("holds", []):
            seen.setdefault(name, set()).add(str(node["hostname"]))
    for item in live:
        if str(item["name"]) not in seen:
            found = {str(task["node"]) for task in item.get("tasks") or [] if task.get("node")}
            seen.update({str(item["name"]): found} if found else {})
    return {name: sorted(hosts) for name, hosts in sorted(seen.items())}


def remember(
    known: t.Sequence[Row], where: t.Mapping[str, t.Sequence[str]], names: t.Collection[str]
) -> list[dict[str, t.Any]]:
    """C(known) with C(holds), the services of C(names) whose data is on the node."""
    result = []
    for node in known:
        holds = sorted(name for name, hosts in where.items() if name in names and node["hostname"] in hosts)
        plain = {key: value for key, value in node.items() if key != "holds"}
        result.append({**plain, "holds": holds} if holds else plain)
    return result
