# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""C(traefik.*) labels of a service as routes and middlewares (Traefik 2 and 3).

Source: traefik pkg/provider/docker/pconfig.go and pkg/config/label; keys are read without regard to case.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack import middlewares
from ansible_collections.sophia.replatform.plugins.module_utils.stack.context import Context, dns_name
from ansible_collections.sophia.replatform.plugins.module_utils.stack.listen import listen
from ansible_collections.sophia.replatform.plugins.module_utils.stack.route_options import PROTOCOLS, backend, say

_STICKY = (
    "the cluster's own Traefik keeps a client to its pod, by a cookie of its own; behind a node port, which the edge asks, "
    "any pod answers: one replica, or state that the pods share, until clients come by the cluster's Traefik"
)
_OWN_PROVIDERS = ("docker", "swarm")
_SEVERAL = re.compile(r"\b(Host|HostSNI|Path|PathPrefix|Method|ClientIP|ALPN)\(((?:\s*`[^`]*`\s*,)+\s*`[^`]*`\s*)\)")
_PLACEHOLDER = re.compile(r"`[^`]*\{\w+(:[^`]*)?\}[^`]*`")

Options = t.Dict[str, t.Dict[str, str]]
"""From the name of a router or a service to its options, in lower case."""


def routes(ctx: Context, key: str, labels: t.Mapping[str, str | None]) -> None:
    """Fill C(routes) of the service and the stack's middlewares; every label has a verdict."""
    routers: dict[str, Options] = {protocol: {} for protocol in PROTOCOLS}
    services: dict[str, Options] = {protocol: {} for protocol in PROTOCOLS}
    enabled = True
    for label, raw in labels.items():
        words = label.split(".")
        if words[0].lower() != "traefik":
            continue
        here, text, lowered = f"{key}[{label}]", (raw or "").strip(), [word.lower() for word in words]
        protocol, option = lowered[1] if len(words) > 4 and lowered[1] in PROTOCOLS else "", ".".join(lowered[4:])
        if lowered == ["traefik", "enable"]:
            enabled = text.lower() != "false"
            ctx.mapped(here)
        elif protocol and lowered[2] in ("routers", "services"):
            is_router = lowered[2] == "routers"
            (routers if is_router else services)[protocol].setdefault(words[3], {})[option] = text
            say(ctx, here, protocol, is_router, option, text)
        elif protocol in middlewares.PROTOCOLS and lowered[2] == "middlewares":
            _middleware(ctx, here, protocol, dns_name(words[3]), words[4:], text)
        elif lowered[1:2] in (["docker"], ["swarm"]) or lowered[1:] == ["constraint-label"]:
            ctx.reported(here, "a route leads to the Service: there is no network to choose")
        else:
            ctx.refused(here, "Traefik 2 and 3 know no such label; write it as they read it, or take it out")
    if not enabled:
        if any(routers.values()):
            ctx.reported(f"{key}[routers]", "traefik.enable is false: no route is made")
        ctx.middlewares.clear()
        return
    for protocol in PROTOCOLS:
        for name in sorted(routers[protocol]):
            here = f"{key}[traefik.{protocol}.routers.{name}]"
            _route(ctx, here, protocol, name, routers[protocol][name], services[protocol])


def _middleware(ctx: Context, here: str, protocol: str, name: str, words: t.Sequence[str], text: str) -> None:
    """Without its Middleware Traefik serves a route to nobody, so that one which is still to be made opens nothing."""
    if not middlewares.known(protocol, words[0]):
        kind = middlewares.RESOURCE[protocol]
        ctx.reported(here, f"make the {kind} {name} of the kind {words[0]}, its secrets in a Secret; no label can")
        return
    made = ctx.middlewares.setdefault(protocol, {}).setdefault(name, {})
    why = middlewares.put(protocol, made, words, text)
    if why:
        ctx.refused(here, why)
    else:
        ctx.mapped(here)


def _route(
    ctx: Context,
    key: str,
    protocol: str,
    name: str,
    router: t.Mapping[str, str],
    services: t.Mapping[str, t.Mapping[str, str]],
) -> None:
    service, _sep, provider = router.get("service", "").partition("@")
    if provider == "internal":
        ctx.reported(key, f"{service} is Traefik's own: serve it from the cluster's Traefik")
        return
    if provider and provider not in _OWN_PROVIDERS:
        ctx.refused(key, f"the service {service} is in Traefik's provider '{provider}': write the route by hand")
        return
    if not router.get("rule") and protocol != "udp":
        ctx.refused(key, "it has no rule; Traefik's default rule is not known here: write one")
        return
    transport = "udp" if protocol == "udp" else "tcp"
    target = _port(ctx, key, protocol, transport, service, services)
    if target is None:
        return
    port, options = target
    listen(ctx, port, transport)
    route: dict[str, t.Any] = {"name": dns_name(name), "port": port}
    if protocol != "http":
        route["protocol"] = protocol
    if protocol != "udp":
        route["rule"] = _rule(router["rule"])
    route["entryPoints"] = _words(router.get("entrypoints", ""))
    chain = []
    for word in _words(router.get("middlewares", "")):
        chain.append(dns_name(word.partition("@")[0]))
    if chain:
        route["middlewares"] = chain
    if router.get("priority"):
        if not router["priority"].lstrip("-").isdigit():
            ctx.refused(key, f"priority '{router['priority']}' is not a whole number")
            return
        route["priority"] = int(router["priority"])
    if any(option == "tls" or option.startswith("tls.") for option in router):
        passed = router.get("tls.passthrough", "false").lower() == "true"
        route["tls"] = router.get("tls", "true").lower() != "false" and ({"passthrough": True} if passed else True)
    said = backend(protocol, options, port)
    if said:
        route["service"] = said
    if "sticky" in said:
        ctx.approximated(f"{key}.sticky", _STICKY)
    ctx.values.setdefault("routes", []).append(route)
    _differs(ctx, key, route, protocol, router.get("rule", ""))


def _differs(ctx: Context, key: str, route: t.Mapping[str, t.Any], protocol: str, rule: str) -> None:
    if _PLACEHOLDER.search(rule):
        ctx.approximated(key, "the rule has placeholders of Traefik 2; version 3 wants a regular expression")
    elif not route["entryPoints"]:
        ctx.approximated(key, "no entry point is named: those that are the cluster's default")
    elif protocol != "http":
        names = ", ".join(route["entryPoints"])
        ctx.approximated(key, f"the cluster's Traefik must listen at {names}, which K3s' own does not by itself")
    else:
        ctx.mapped(key)


def _port(
    ctx: Context,
    key: str,
    protocol: str,
    transport: str,
    service: str,
    services: t.Mapping[str, t.Mapping[str, str]],
) -> tuple[int, t.Mapping[str, str]] | None:
    """The port that a router leads to, its service's or the only one that there is, and that service's options."""
    label = f"traefik.{protocol}.services.{service or 'NAME'}.loadbalancer.server.port"
    if service and service not in services:
        ctx.refused(key, f"its service '{service}' has no label here: give {label}")
        return None
    name = service or (next(iter(services)) if len(services) == 1 else "")
    options = services.get(name, {}) if name else {}
    text = options.get("loadbalancer.server.port", "")
    ports = [item for item in ctx.values.get("ports", []) if item["protocol"] == transport.upper()]
    if not text and len(services) < 2 and len(ports) == len(ctx.values.get("ports", [])) == 1:
        return int(ports[0]["port"]), options
    if not text.isdigit() or not 0 < int(text) < 65536:
        ctx.refused(key, f"which port it leads to is not said; give {label}")
        return None
    return int(text), options


def _rule(rule: str) -> str:
    """C(Host(`a`, `b`)) of Traefik 2 as version 3 reads it."""

    def spread(match: t.Match[str]) -> str:
        return "(" + " || ".join(f"{match.group(1)}({item})" for item in re.findall(r"`[^`]*`", match.group(2))) + ")"

    return _SEVERAL.sub(spread, rule)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
