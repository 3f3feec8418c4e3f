# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One service's route at the edge: two sides and the share of each, and the dynamic file of Traefik that says so.

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
class Route:
    """A router and its weighted service; O(weight) is the canary's share in percent, the primary has the rest."""

    name: str
    rule: str
    primary: Side
    canary: Side | None = None
    health: HealthCheck = HealthCheck()
    entry_points: tuple[str, ...] = ("web",)
    retry_attempts: int = 3
    weight: int = 0

    def child(self, side: Side) -> str:
        """The name of a side's service in Traefik."""
        return f"{self.name}-{side.name}"

    def children(self) -> list[tuple[str, Side, int]]:
        """Name, side and weight of each child in order; a child of weight 0 is listed too (Traefik skips it)."""
        if self.canary is None:
            return [(self.child(self.primary), self.primary, 100)]
        return [
            (self.child(self.primary), self.primary, 100 - self.weight),
            (self.child(self.canary), self.canary, self.weight),
        ]

    def definition(self) -> Route:
        """The route without its weight."""
        return replace(self, weight=0)


def server_url(server: str) -> str:
    """A server as Traefik wants it: C(10.0.0.1:80) becomes C(http://10.0.0.1:80); no trailing slash."""
    url = server if "://" in server else f"http://{server}"
    if not re.match(r"^https?://[^/\s]+/?$", url):
        raise ReplatformError(f"server '{server}' is not an address with a port, such as http://10.0.0.1:8080")
    return url.rstrip("/")


def to_traefik(route: Route) -> dict[str, t.Any]:
    """The route as Traefik's dynamic configuration."""
    check: dict[str, t.Any] = {
        "path": route.health.path,
        "interval": _duration(route.health.interval),
        "timeout": _duration(route.health.timeout),
    }
    if route.health.host:
        check["hostname"] = route.health.host
    router: dict[str, t.Any] = {"rule": route.rule, "entryPoints": list(route.entry_points), "service": route.name}
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
    for name, side, _weight in children:
        servers = [{"url": url} for url in side.servers]
        http["services"][name] = {"loadBalancer": {"healthCheck": check, "servers": servers}}
    if route.retry_attempts > 1:
        # Traefik sends a request again only when no server answered it, and never a non-idempotent one twice.
        router["middlewares"] = [f"{route.name}-retry"]
        http["middlewares"] = {f"{route.name}-retry": {"retry": {"attempts": route.retry_attempts}}}
    return {"http": http}


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
        http = json.loads("\n".join(line for line in text.splitlines() if not line.startswith("#")))["http"]
        ((name, router),) = http["routers"].items()
        services = http["services"]
        weighted = services[name]["weighted"]["services"]
        sides = [
            Side(
                entry["name"][len(name) + 1 :],
                tuple(s["url"] for s in services[entry["name"]]["loadBalancer"]["servers"]),
            )
            for entry in weighted
        ]
        check = services[weighted[0]["name"]]["loadBalancer"]["healthCheck"]
        retry = http.get("middlewares", {}).get(f"{name}-retry", {}).get("retry", {}).get("attempts", 1)
        return Route(
            name=name,
            rule=router["rule"],
            primary=sides[0],
            canary=sides[1] if len(sides) > 1 else None,
            health=HealthCheck(
                check["path"], _seconds(check["interval"]), _seconds(check["timeout"]), check.get("hostname", "")
            ),
            entry_points=tuple(router["entryPoints"]),
            retry_attempts=retry,
            weight=weighted[1]["weight"] if len(sides) > 1 else 0,
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as exc:
        raise ReplatformError(
            f"{path} is not a file that traffic_shift wrote ({type(exc).__name__}: {exc}); "
            "move it out of the dynamic folder or give the service another name"
        ) from exc


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
