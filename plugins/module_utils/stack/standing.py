# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What already stands: the values of a deployed release decide what a Swarm that is being emptied no longer tells."""

from __future__ import annotations

import typing as t

Row = t.Mapping[str, t.Any]
_NODE = ("hostname", "role", "id", "address")


def handed_over(given: t.Iterable[str], current: Row) -> frozenset[str]:
    """What is handed over stays so: the given services, and those that the release has handed over."""
    services = current.get("services", {})
    return frozenset(given) | {name for name, values in services.items() if values.get("handedOver")}


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
    known = {str(node["hostname"]): node for node in [*live, *current.get("swarmNodes", [])]}
    return [{key: known[name].get(key, "") for key in _NODE} for name in sorted(known)]
