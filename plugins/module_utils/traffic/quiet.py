# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether nobody asks the side that is to go: looked at again and again for a while, never concluded from one look."""

from __future__ import annotations

import re
import socket
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic import connections, metrics
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.edge_api import EdgeApi

# A connection that is reset stays in the kernel's table for 10 s, any other that has ended for longer.
_EVERY_S = 2.0
_SERVED = re.compile(r'^traefik_entrypoint_requests_total\{(?=.*code="2)(?!.*entrypoint="traefik")', re.MULTILINE)


def watch(look: t.Callable[[], None], window_s: float, sleep: t.Callable[[float], None] = time.sleep) -> float:
    """Calls O(look) at the beginning, while the window lasts and at its end; how many seconds that were."""
    begin = time.monotonic()
    look()
    while (left := begin + window_s - time.monotonic()) > 0:
        sleep(min(_EVERY_S, left))  # counters and tables tell nobody that they have changed
        look()
    return time.monotonic() - begin


@dataclass(frozen=True)
class OldSide:
    """One side of a service's route that is to go: its name, its weight and its servers (C(address:port))."""

    service: str
    child: str
    weight: int
    servers: tuple[str, ...]


def old_sides(listed: t.Iterable[t.Mapping[str, t.Any]], serving: str) -> list[OldSide]:
    """The sides but O(serving) of all routes that C(traffic_shift) has written, of what the API lists as services."""
    by_name = {each["name"]: each for each in listed}
    found = []
    for name, each in by_name.items():
        service, _at, provider = name.partition("@")
        children = [(child["name"].split("@")[0], child.get("weight", 1)) for child in _children(each)]
        if provider != "file" or not children or any(not child.startswith(f"{service}-") for child, _w in children):
            continue
        for child, weight in children:
            if child != f"{service}-{serving}":
                balancer = by_name.get(f"{child}@file", {}).get("loadBalancer", {})
                servers = [s.get("address") or s["url"].partition("://")[2] for s in balancer.get("servers") or []]
                found.append(OldSide(service, child, weight, tuple(servers)))
    return found


def _children(each: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    return t.cast("list[dict[str, t.Any]]", each.get("weighted", {}).get("services") or [])


def counts_by_service(text: str) -> bool:
    """Whether these metrics count the requests of each service: what has been answered 2xx was one's."""
    return (
        re.search(r"^traefik_config_last_reload_success ", text, re.MULTILINE) is not None
        and re.search(r"^process_start_time_seconds ", text, re.MULTILINE) is not None
        and ("traefik_service_requests_total{" in text or not _SERVED.search(text))
    )


class EdgeQuiet:
    """What one Traefik has sent to the sides that are to go since the first look, for O(services) and for all its TCP routes.

    Traefik's checks are not among the requests that it counts. Of TCP routes it counts nothing: their old side has no weight, so nobody
    is led there anew, and a connection that stands at two looks in a row is a client's, since one that checks a server is closed at once.
    """

    def __init__(
        self,
        api: EdgeApi,
        services: t.Collection[str],
        serving: str,
        table: t.Callable[[], set[tuple[str, str]]] = connections.established_pairs,
    ) -> None:
        self._api, self._services, self._serving, self._table = api, services, serving, table
        self._start: metrics.Snapshot | None = None
        self._open: set[tuple[str, str]] = set()
        self._held: dict[str, set[tuple[str, str]]] = {}
        self.requests: dict[str, int] = {}
        self.servers: set[str] = set()

    @property
    def connections(self) -> dict[str, int]:
        """How many clients' connections stood on the old side of each TCP route."""
        return {service: len(pairs) for service, pairs in sorted(self._held.items())}

    def look(self) -> None:
        """Raises C(ReplatformError) when nothing can be said: Traefik does not count, does not answer or was restarted."""
        http = self._sides("http")
        missing = sorted(set(self._services) - {side.service for side in http})
        if missing:
            raise RefusedError(f"{self._api.url} has no route of {', '.join(missing)}")
        self._count([side for side in http if side.service in self._services])
        self._count_connections(self._sides("tcp"))

    def sources(self) -> list[str]:
        """The addresses of this host from which it asks the servers of the old sides."""
        return sorted({_source(server) for server in self.servers})

    def _sides(self, protocol: str) -> list[OldSide]:
        sides = old_sides(self._api.listed_services(protocol), self._serving)
        self.servers.update(server for side in sides for server in side.servers)
        return sides

    def _count(self, sides: t.Sequence[OldSide]) -> None:
        text = self._api.metrics_text()
        if not counts_by_service(text):
            raise RefusedError(
                f"Traefik at {self._api.url} does not count the requests of each service; switch metrics.prometheus on, with addServicesLabels"
            )
        now = metrics.parse(text, [side.child for side in sides])
        self._start = self._start or now
        if now.started_s != self._start.started_s:
            raise ReplatformError(f"Traefik at {self._api.url} was restarted meanwhile, and its counters with it")
        counted: dict[str, int] = {}
        for side in sides:
            asked = now.service(side.child).since(self._start.service(side.child)).total
            counted[side.service] = counted.get(side.service, 0) + int(asked)
        self.requests = {service: asked for service, asked in sorted(counted.items()) if asked}

    def _count_connections(self, sides: t.Sequence[OldSide]) -> None:
        weighted = sorted({side.service for side in sides if side.weight})
        if weighted:
            raise RefusedError(f"TCP route {', '.join(weighted)} leads to the old side; shift it (docs/edge.md)")
        there = self._table()
        for side in sides:
            servers = {connections.resolved(server) for server in side.servers}
            held = {pair for pair in there & self._open if pair[1] in servers}
            if held:
                self._held.setdefault(side.service, set()).update(held)
        self._open = there


def _source(server: str) -> str:
    """The address that the kernel takes for a connection to O(server); nothing is sent."""
    host, _colon, port = connections.resolved(server).rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect((host, int(port)))
        return str(asking.getsockname()[0])
