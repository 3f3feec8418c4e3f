# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One service's route at the edge: two sides and the share of each, and the dynamic file of Traefik that says so.

A route of O(protocol) C(tcp) has no paths, cookies, retries or copies: its servers are addresses, its rule is C(HostSNI(...)).

The file is JSON with a comment above it, which is YAML that needs no YAML library on the edge host. Braces in strings are
written as escapes because Traefik renders the file as a Go template first.
"""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError

NAME = re.compile(r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
# The methods of RFC 9110, 9.2.1, that a browser or client sends to a service; a copy of any other could do a thing twice.
SAFE = "(Method(`GET`) || Method(`HEAD`) || Method(`OPTIONS`)) && !HeaderRegexp(`Upgrade`, `.+`)"
HEADER = "# Written by sophia.replatform.traffic_shift; an edit by hand is undone by its next run.\n"


@dataclass(frozen=True)
class Side:
    """The servers of one orchestrator, as URLs with scheme and port."""

    name: str
    servers: tuple[str, ...] = ()


@dataclass(frozen=True)
class HealthCheck:
    """How Traefik checks every server, and how the module probes it: seconds, a path and an optional Host header."""

    path: str = "/"
    interval: float = 1.0
    timeout: float = 3.0
    host: str = ""


@dataclass(frozen=True)
class Tls:
    """That a router ends TLS, by names that Traefik has: a certificate resolver and TLS options; empty for none."""

    cert_resolver: str = ""
    options: str = ""


@dataclass(frozen=True)
class Route:
    """A router and its weighted service; O(weight) is the canary's share in percent, the primary has the rest.

    O(sticky) is the name of the cookie that keeps a client on its side, empty without. O(tail) leaves one of a thousand new
    requests to the side that would have none, because Traefik cuts the sessions of a side of weight 0. O(mirror) is the
    percentage of safe requests of which the canary gets a copy. Without O(tls) the router has the TLS of its entry points, or none.
    """

    name: str
    rule: str
    primary: Side
    canary: Side | None = None
    health: HealthCheck = HealthCheck()
    entry_points: tuple[str, ...] = ("web",)
    retry_attempts: int = 3
    weight: int = 0
    sticky: str = ""
    tail: bool = False
    mirror: int = 0
    protocol: str = "http"
    tls: Tls | None = None

    def child(self, side: Side) -> str:
        """The name of a side's service in Traefik."""
        return f"{self.name}-{side.name}"

    def children(self) -> list[tuple[str, Side, int]]:
        """Name, side and weight of each child in order; a child of weight 0 is listed too (Traefik skips it)."""
        if self.canary is None:
            return [(self.child(self.primary), self.primary, 100)]
        primary, canary = 100 - self.weight, self.weight
        if self.tail:
            primary, canary = max(1, primary * 10 - 1), max(1, canary * 10 - 1)
        return [(self.child(self.primary), self.primary, primary), (self.child(self.canary), self.canary, canary)]

    def definition(self) -> Route:
        """The route without its weight, and without what stands in the file for a while only."""
        return replace(self, weight=0, tail=False, mirror=0)


def server_url(server: str) -> str:
    """A server as Traefik wants it: C(10.0.0.1:80) becomes C(http://10.0.0.1:80); no trailing slash."""
    url = server if "://" in server else f"http://{server}"
    if not re.match(r"^https?://[^/\s]+/?$", url):
        raise ReplatformError(f"server '{server}' is not an address with a port, such as http://10.0.0.1:8080")
    return url.rstrip("/")


def server_address(server: str) -> str:
    """A server of a TCP route, C(host:port), as Traefik wants it."""
    if not re.match(r"^[^/\s:]+:\d+$", server):
        raise ReplatformError(f"server '{server}' of a TCP service is not host:port, such as 10.0.0.1:5432")
    return server


def to_traefik(route: Route) -> dict[str, t.Any]:
    """The route as Traefik's dynamic configuration."""
    return {"tcp": _tcp(route)} if route.protocol == "tcp" else {"http": _http(route)}


def _tcp(route: Route) -> dict[str, t.Any]:
    check = {"interval": _duration(route.health.interval), "timeout": _duration(route.health.timeout)}
    children = route.children()
    services: dict[str, t.Any] = {
        route.name: {
            "weighted": {
                "healthCheck": {},
                "services": [{"name": n, "weight": weight} for n, _side, weight in children],
            }
        }
    }
    for name, side, _weight in children:
        servers = [{"address": address} for address in side.servers]
        services[name] = {"loadBalancer": {"healthCheck": check, "servers": servers}}
    router = {"rule": route.rule, "entryPoints": list(route.entry_points), "service": route.name}
    return {"routers": {route.name: router}, "services": services}


def _http(route: Route) -> dict[str, t.Any]:
    check: dict[str, t.Any] = {
        "path": route.health.path,
        "interval": _duration(route.health.interval),
        "timeout": _duration(route.health.timeout),
    }
    if route.health.host:
        check["hostname"] = route.health.host
    router: dict[str, t.Any] = {"rule": route.rule, "entryPoints": list(route.entry_points), "service": route.name}
    if route.tls is not None:
        names = {"certResolver": route.tls.cert_resolver, "options": route.tls.options}
        router["tls"] = {key: name for key, name in names.items() if name}
    children = route.children()
    http: dict[str, t.Any] = {
        "routers": {route.name: router},
        "services": {
            # The parent's own health check hands a dead side's share to the living one; every child needs one then.
            route.name: {
                "weighted": {
                    "healthCheck": {},
                    "services": [{"name": name, "weight": weight} for name, _side, weight in children],
                }
            },
        },
    }
    if route.sticky:
        http["services"][route.name]["weighted"]["sticky"] = {"cookie": {"name": route.sticky, "httpOnly": True}}
    for name, side, _weight in children:
        servers = [{"url": url} for url in side.servers]
        http["services"][name] = {"loadBalancer": {"healthCheck": check, "servers": servers}}
    if route.retry_attempts > 1:
        # Traefik sends a request again only when no server answered it, and never a non-idempotent one twice.
        router["middlewares"] = [f"{route.name}-retry"]
        http["middlewares"] = {f"{route.name}-retry": {"retry": {"attempts": route.retry_attempts}}}
    if route.mirror and route.canary is not None:
        mirrors = [{"name": route.child(route.canary), "percent": route.mirror}]
        http["services"][f"{route.name}-mirror"] = {"mirroring": {"service": route.name, "mirrors": mirrors}}
        # The longer rule goes first in Traefik.
        safe = {**router, "rule": f"({route.rule}) && {SAFE}", "service": f"{route.name}-mirror"}
        http["routers"][f"{route.name}-safe"] = safe
    return http


def render(route: Route) -> str:
    """The text of the route's dynamic file."""
    text = json.dumps(to_traefik(route), indent=2, sort_keys=True)
    # Only inside strings can two braces meet: an indented dump never puts them side by side.
    return HEADER + text.replace("{{", "\\u007b\\u007b").replace("}}", "\\u007d\\u007d") + "\n"


def parse(text: str, path: str) -> Route:
    """The route that a file holds.

    Raises C(ReplatformError) naming O(path) when the file is not one that RV(render) wrote.
    """
    try:
        ((protocol, part),) = json.loads(
            "\n".join(line for line in text.splitlines() if not line.startswith("#"))
        ).items()
        (name,) = [name for name, service in part["services"].items() if "weighted" in service]
        router, services = part["routers"][name], part["services"]
        weighted = services[name]["weighted"]
        shares = weighted["services"]
        sides = [
            Side(
                entry["name"][len(name) + 1 :],
                tuple(s["address" if protocol == "tcp" else "url"] for s in _servers(services, entry["name"])),
            )
            for entry in shares
        ]
        check = services[shares[0]["name"]]["loadBalancer"]["healthCheck"]
        mirror = services.get(f"{name}-mirror", {}).get("mirroring", {}).get("mirrors", [{"percent": 0}])
        tail = sum(entry["weight"] for entry in shares) > 100
        weight = shares[1]["weight"] if len(sides) > 1 else 0
        return Route(
            name=name,
            rule=router["rule"],
            primary=sides[0],
            canary=sides[1] if len(sides) > 1 else None,
            health=HealthCheck(
                check.get("path", ""),
                _seconds(check["interval"]),
                _seconds(check["timeout"]),
                check.get("hostname", ""),
            ),
            entry_points=tuple(router["entryPoints"]),
            retry_attempts=part.get("middlewares", {}).get(f"{name}-retry", {}).get("retry", {}).get("attempts", 1),
            weight=round(weight / 10) if tail else weight,
            sticky=weighted.get("sticky", {}).get("cookie", {}).get("name", ""),
            tail=tail,
            mirror=mirror[0]["percent"],
            protocol=protocol,
            tls=_tls(router.get("tls")),
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as exc:
        raise ReplatformError(
            f"{path} is not a file that traffic_shift wrote ({type(exc).__name__}: {exc}); "
            "move it out of the dynamic folder or give the service another name"
        ) from exc


def _tls(said: t.Mapping[str, str] | None) -> Tls | None:
    return None if said is None else Tls(said.get("certResolver", ""), said.get("options", ""))


def _servers(services: t.Mapping[str, t.Any], name: str) -> list[dict[str, str]]:
    return t.cast("list[dict[str, str]]", services[name]["loadBalancer"]["servers"])


def diff(before: Route | None, to: Route | None, path: str) -> dict[str, str]:
    """Ansible's diff of the dynamic file."""
    return {
        "before_header": path,
        "after_header": path,
        "before": render(before) if before else "",
        "after": render(to) if to else "",
    }


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


def _seconds(duration: str) -> float:
    return int(duration[: -len("ms")]) / 1000
