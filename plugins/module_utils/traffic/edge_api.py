# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Traefik as seen through its API: is a route in effect, and what has been counted."""

from __future__ import annotations

import http.client
import json
import typing as t
from urllib.parse import quote, urlsplit

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic import metrics
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import Route, Tls


class EdgeApi:
    """One Traefik, at the address of its API entry point (O(url), such as C(http://127.0.0.1:8099))."""

    def __init__(self, url: str, timeout: float = 5.0) -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)

    def in_effect(self, route: Route) -> bool:
        """Whether Traefik serves exactly this route: rule, weights and servers.

        Raises C(ReplatformError) when the API can not be read.
        """
        return (
            shows_weights(self._object(route, "services", route.name), route)
            and shows_routers(self._routers(route, route.name), route)
            and all(
                shows_servers(self._object(route, "services", name), side.servers)
                for name, side, _weight in route.children()
            )
            and (not route.mirror or shows_mirror(self._object(route, "services", f"{route.name}-mirror"), route))
            and (route.protocol == "tcp" or bool(self._routers(route, f"{route.name}-safe")) == bool(route.mirror))
        )

    def knows(self, route: Route) -> bool:
        """Whether Traefik has a service of this name at all."""
        return self._object(route, "services", route.name) is not None

    def takes_changes(self, middleware: str, header: str, value: str) -> bool:
        """Whether Traefik has a middleware that sets O(header) to O(value)."""
        seen = self._get_json(f"/api/http/middlewares/{quote(middleware)}@file") or {}
        return bool(seen.get("headers", {}).get("customRequestHeaders", {}).get(header) == value)

    def snapshot(self, route: Route) -> metrics.Snapshot:
        """What has been counted for this route and its children so far."""
        names = [route.name, f"{route.name}-safe", *(name for name, _side, _weight in route.children())]
        copies = {copy: name for name in names[:2] for copy in _copies(route, name).values()}
        return metrics.parse(self._get("/metrics")[1], names, copies)

    def listed_services(self, protocol: str) -> list[dict[str, t.Any]]:
        """All services of O(protocol) as the API lists them."""
        path = f"/api/{protocol}/services?per_page=10000"
        status, body = self._get(path)
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if status != 200 or not isinstance(answer, list):
            raise ReplatformError(f"{self.url}{path} answers {status}; api_url must be the API entry point of Traefik")
        return answer

    def metrics_text(self) -> str:
        """What Traefik has counted, as text for Prometheus; empty where it has no metrics."""
        status, body = self._get("/metrics")
        return body if status == 200 else ""

    def _routers(self, route: Route, name: str) -> list[dict[str, t.Any]]:
        """The router O(name) of the file, and what Traefik made of it for entry points with settings of their own."""
        plain = self._object(route, "routers", name)
        served = plain.get("entryPoints") or [] if plain else []
        copies = [copy for entry, copy in _copies(route, name).items() if entry not in served]
        return [seen for seen in (plain, *(self._object(route, "routers", copy) for copy in copies)) if seen]

    def _object(self, route: Route, kind: str, name: str) -> dict[str, t.Any] | None:
        return self._get_json(f"/api/{route.protocol}/{kind}/{quote(name)}@file")

    def _get_json(self, path: str) -> dict[str, t.Any] | None:
        status, body = self._get(path)
        if status == 404:
            return None
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if status != 200 or not isinstance(answer, dict):
            raise ReplatformError(f"{self.url}{path} answers {status}; api_url must be the API entry point of Traefik")
        return answer

    def _get(self, path: str) -> tuple[int, str]:
        # An idle connection that Traefik closed shows itself only at the next request: a second try opens a new one.
        for last in (False, True):
            try:
                self._connection.request("GET", path)
                response = self._connection.getresponse()
                return response.status, response.read().decode("utf-8", "replace")
            except (OSError, http.client.HTTPException) as exc:
                self._connection.close()
                if last:
                    raise ReplatformError(f"Traefik's API at {self.url} (api_url) does not answer: {exc}") from exc
        raise AssertionError("not reached")


def shows_weights(service: t.Mapping[str, t.Any] | None, route: Route) -> bool:
    """Whether the API's answer for the weighted service has the children and weights of O(route) and is enabled."""
    if not service or service.get("status") != "enabled":
        return False
    seen = [
        (child["name"].split("@")[0], child.get("weight", 1))
        for child in service.get("weighted", {}).get("services", [])
    ]
    sticky = service.get("weighted", {}).get("sticky", {}).get("cookie", {}).get("name", "")
    return sticky == route.sticky and seen == [(name, weight) for name, _side, weight in route.children()]


def shows_mirror(service: t.Mapping[str, t.Any] | None, route: Route) -> bool:
    """Whether the API's answer for the mirroring service copies what O(route) says and is enabled."""
    mirrors = (service or {}).get("mirroring", {}).get("mirrors") or [{}]
    return (service or {}).get("status") == "enabled" and mirrors[0].get("percent") == route.mirror


def shows_servers(service: t.Mapping[str, t.Any] | None, servers: t.Sequence[str]) -> bool:
    """Whether the API's answer for a child has exactly these servers."""
    if not service or service.get("status") != "enabled":
        return False
    return sorted(s.get("url") or s["address"] for s in service.get("loadBalancer", {}).get("servers") or []) == sorted(
        servers
    )


def shows_routers(routers: t.Sequence[t.Mapping[str, t.Any]], route: Route) -> bool:
    """Whether the API's answers for the router and its copies have rule, entry points and TLS of O(route) and are enabled."""
    return sorted(entry for seen in routers for entry in seen.get("entryPoints") or []) == sorted(
        route.entry_points
    ) and all(
        seen.get("status") == "enabled" and seen.get("rule") == route.rule and _shows_tls(seen.get("tls"), route.tls)
        for seen in routers
    )


def _shows_tls(seen: t.Mapping[str, t.Any] | None, tls: Tls | None) -> bool:
    """A router that says nothing of TLS has that of its entry points, whatever it is."""
    if tls is None:
        return True
    if seen is None:
        return False
    return (seen.get("certResolver", ""), seen.get("options", "default")) == (
        tls.cert_resolver,
        tls.options or "default",
    )


def _copies(route: Route, name: str) -> dict[str, str]:
    """By entry point, what Traefik calls the copy of an HTTP router of several where that one has TLS or middlewares of its own."""
    several = route.protocol == "http" and len(route.entry_points) > 1
    return {entry: f"{entry}-{name}" for entry in route.entry_points} if several else {}
