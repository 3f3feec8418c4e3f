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
from ansible_collections.sophia.replatform.plugins.module_utils.stack.verdicts import MAPPED, REFUSED, REPORTED

_OWN_PROVIDERS = ("docker", "swarm")
_SEVERAL = re.compile(r"\b(Host|Path|PathPrefix|Method)\(((?:\s*`[^`]*`\s*,)+\s*`[^`]*`\s*)\)")
_PLACEHOLDER = re.compile(r"`[^`]*\{\w+(:[^`]*)?\}[^`]*`")

Say = t.Tuple[str, str]
"""A verdict and its note."""

_CARRIED: Say = (MAPPED, "")
_ROUTER: dict[str, Say] = {
    "rule": _CARRIED,
    "entrypoints": _CARRIED,
    "middlewares": _CARRIED,
    "service": _CARRIED,
    "priority": _CARRIED,
    "tls": _CARRIED,
    "tls.certresolver": (REPORTED, "name the resolver, or a certificate's Secret, in the cluster's Traefik"),
    "tls.options": (REPORTED, "make a TLSOption in the cluster"),
    "tls.domains": (REPORTED, "the rule's hosts are the certificate's; ask for more in the cluster's Traefik"),
    "rulesyntax": (REPORTED, "the cluster's Traefik reads the syntax of version 3"),
    "observability": (REPORTED, "set it for the cluster's Traefik"),
}
_SERVICE: dict[str, Say] = {
    "loadbalancer.server.port": _CARRIED,
    "loadbalancer.passhostheader": _CARRIED,
    "loadbalancer.server.scheme": _CARRIED,
    "loadbalancer.healthcheck": (REPORTED, "the readiness probe decides which pods are asked"),
    "loadbalancer.responseforwarding": (REPORTED, "the cluster's Traefik flushes as it finds right"),
    "loadbalancer.sticky": (
        REFUSED,
        "a route has no sticky sessions: any pod answers; take the label out if that is right",
    ),
    "loadbalancer.serverstransport": (REFUSED, "make a ServersTransport, and the route by hand"),
}
_MUST_BE = {"loadbalancer.passhostheader": "true", "loadbalancer.server.scheme": "http"}


def routes(ctx: Context, key: str, labels: t.Mapping[str, str | None]) -> None:
    """Fill C(routes) of the service and the stack's middlewares; every label has a verdict."""
    routers: dict[str, dict[str, str]] = {}
    services: dict[str, dict[str, str]] = {}
    enabled = True
    for label, raw in labels.items():
        words = label.split(".")
        if words[0].lower() != "traefik":
            continue
        here, text, lowered = f"{key}[{label}]", (raw or "").strip(), [word.lower() for word in words]
        if lowered == ["traefik", "enable"]:
            enabled = text.lower() != "false"
            ctx.mapped(here)
        elif lowered[1:3] == ["http", "routers"] and len(words) > 4:
            routers.setdefault(words[3], {})[".".join(lowered[4:])] = text
            _say(ctx, here, _ROUTER, ".".join(lowered[4:]), text)
        elif lowered[1:3] == ["http", "services"] and len(words) > 4:
            services.setdefault(words[3], {})[".".join(lowered[4:])] = text
            _say(ctx, here, _SERVICE, ".".join(lowered[4:]), text)
        elif lowered[1:3] == ["http", "middlewares"] and len(words) > 4:
            _middleware(ctx, here, dns_name(words[3]), words[4:], text)
        elif lowered[1:2] in (["docker"], ["swarm"]) or lowered[1:] == ["constraint-label"]:
            ctx.reported(here, "a route leads to the Service: there is no network to choose")
        elif lowered[1:2] in (["tcp"], ["udp"]):
            kind = lowered[1].upper()
            ctx.refused(here, f"no route is made for {kind}: write an IngressRoute{kind}, and take the label out")
        else:
            ctx.refused(here, "Traefik 2 and 3 know no such label; write it as they read it, or take it out")
    if not enabled:
        if routers:
            ctx.reported(f"{key}[routers]", "traefik.enable is false: no route is made")
        ctx.middlewares.clear()
        return
    for name in sorted(routers):
        _route(ctx, f"{key}[traefik.http.routers.{name}]", name, routers[name], services)


def _middleware(ctx: Context, here: str, name: str, words: t.Sequence[str], text: str) -> None:
    """Without its Middleware Traefik serves a route to nobody, so that one which is still to be made opens nothing."""
    if not middlewares.known(words[0]):
        ctx.reported(here, f"make the Middleware {name} of the kind {words[0]}, its secrets in a Secret; no label can")
        return
    why = middlewares.put(ctx.middlewares.setdefault(name, {}), words, text)
    if why:
        ctx.refused(here, why)
    else:
        ctx.mapped(here)


def _say(ctx: Context, here: str, table: t.Mapping[str, Say], option: str, text: str) -> None:
    known = [name for name in table if re.fullmatch(re.escape(name) + r"(\[\d+\])?(\..*)?", option)]
    if not known:
        ctx.refused(here, "not an option that Traefik is known to take; take it out")
        return
    name = max(known, key=len)
    verdict, note = table[name]
    wanted = _MUST_BE.get(name)
    if wanted and text.lower() != wanted:
        ctx.refused(here, f"a route keeps {wanted} here; write the IngressRoute by hand, or take the label out")
    elif verdict == MAPPED:
        ctx.mapped(here)
    elif verdict == REPORTED:
        ctx.reported(here, note)
    else:
        ctx.refused(here, note)


def _route(
    ctx: Context, key: str, name: str, router: t.Mapping[str, str], services: t.Mapping[str, t.Mapping[str, str]]
) -> None:
    service, _sep, provider = router.get("service", "").partition("@")
    if provider == "internal":
        ctx.reported(key, f"{service} is Traefik's own: serve it from the cluster's Traefik")
        return
    if provider and provider not in _OWN_PROVIDERS:
        ctx.refused(key, f"the service {service} is in Traefik's provider '{provider}': write the route by hand")
        return
    if not router.get("rule"):
        ctx.refused(key, "it has no rule; Traefik's default rule is not known here: write one")
        return
    port = _port(ctx, key, service, services)
    if port is None:
        return
    listen(ctx, port, "tcp")
    route: dict[str, t.Any] = {"name": dns_name(name), "rule": _rule(router["rule"]), "port": port}
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
        route["tls"] = router.get("tls", "true").lower() != "false"
    ctx.values.setdefault("routes", []).append(route)
    _differs(ctx, key, route, router["rule"])


def _differs(ctx: Context, key: str, route: t.Mapping[str, t.Any], rule: str) -> None:
    if _PLACEHOLDER.search(rule):
        ctx.approximated(key, "the rule has placeholders of Traefik 2; version 3 wants a regular expression")
    elif not route["entryPoints"]:
        ctx.approximated(key, "no entry point is named: those that are the cluster's default")
    else:
        ctx.mapped(key)


def _port(ctx: Context, key: str, service: str, services: t.Mapping[str, t.Mapping[str, str]]) -> int | None:
    """The port that a router leads to: its service's, else the only one that there is."""
    if service and service not in services:
        ctx.refused(
            key,
            f"its service '{service}' has no label here: give traefik.http.services.{service}.loadbalancer.server.port",
        )
        return None
    name = service or (next(iter(services)) if len(services) == 1 else "")
    text = services.get(name, {}).get("loadbalancer.server.port", "") if name else ""
    if not text and len(services) < 2 and len(ctx.values.get("ports", [])) == 1:
        return int(ctx.values["ports"][0]["port"])
    if not text.isdigit() or not 0 < int(text) < 65536:
        ctx.refused(key, "which port it leads to is not said; give traefik.http.services.NAME.loadbalancer.server.port")
        return None
    return int(text)


def _rule(rule: str) -> str:
    """C(Host(`a`, `b`)) of Traefik 2 as version 3 reads it."""

    def spread(match: t.Match[str]) -> str:
        return "(" + " || ".join(f"{match.group(1)}({item})" for item in re.findall(r"`[^`]*`", match.group(2))) + ")"

    return _SEVERAL.sub(spread, rule)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
