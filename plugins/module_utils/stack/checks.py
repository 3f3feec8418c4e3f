# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What no key alone can tell: two services that ask for the same thing, and two mounts in one place."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.context import Context, dns_name
from ansible_collections.sophia.replatform.plugins.module_utils.stack.middlewares import RESOURCE
from ansible_collections.sophia.replatform.plugins.module_utils.stack.route_options import PROTOCOLS
from ansible_collections.sophia.replatform.plugins.module_utils.stack.verdicts import APPROXIMATED, REFUSED, Verdict


def between_services(contexts: t.Sequence[Context]) -> list[Verdict]:
    """Refusals of what only one service can have, and what is named and nowhere made."""
    found = _published(contexts)
    names = {ctx.service.name: ctx.service.name for ctx in contexts}
    found += _only_once(contexts, "networks.aliases", lambda ctx: ctx.values.get("aliases", []), "the name", names)
    for protocol in PROTOCOLS:
        found += _only_once(contexts, "deploy.labels", functools.partial(_routes, protocol=protocol), "route")
    for protocol, kind in RESOURCE.items():
        found += _middlewares(contexts, protocol, kind)
    return found + _same_claim(contexts)


def _routes(ctx: Context, protocol: str) -> dict[str, t.Any]:
    routes = ctx.values.get("routes", [])
    return {item["name"]: item for item in routes if item.get("protocol", "http") == protocol}


def _middlewares(contexts: t.Sequence[Context], protocol: str, kind: str) -> list[Verdict]:
    found = []
    made: dict[str, t.Any] = {}
    for ctx in contexts:
        for name, middleware in ctx.middlewares.get(protocol, {}).items():
            if made.setdefault(name, middleware) != middleware:
                note = f"the middleware {name} is made by another service too, and in another way; make it once"
                found.append(Verdict(ctx.service.name, "deploy.labels", REFUSED, note))
    for ctx in contexts:
        for route in _routes(ctx, protocol).values():
            for name in sorted(set(route.get("middlewares", [])) - set(made)):
                note = (
                    f"the cluster must have a {kind} {name}: no label makes it, and nobody is served before it is there"
                )
                key = f"deploy.labels[{route['name']}].middlewares"
                found.append(Verdict(ctx.service.name, key, APPROXIMATED, note))
    return found


def _published(contexts: t.Sequence[Context]) -> list[Verdict]:
    """Two services may publish one port in host mode, on different nodes; through the ingress it is one service's.

    Source: moby/swarmkit manager/controlapi/service.go, checkPortConflicts.
    """
    found = []
    first: dict[tuple[int | None, str, str], str] = {}
    for ctx in contexts:
        own = set()
        for port in ctx.published:
            at = (port.published, port.protocol)
            rival = first.get((*at, "ingress")) or (first.get((*at, "host")) if port.mode == "ingress" else None)
            if at in own or rival:
                whose = "twice" if at in own else f"by '{rival}' too"
                note = f"port {port.published}/{port.protocol} is published {whose}; publish it once"
                found.append(Verdict(ctx.service.name, f"ports[{port.target}/{port.protocol}]", REFUSED, note))
            own.add(at)
        for port in ctx.published:
            first.setdefault((port.published, port.protocol, port.mode), ctx.service.name)
    return found


def _only_once(
    contexts: t.Sequence[Context],
    key: str,
    things: t.Callable[[Context], t.Iterable[str]],
    what: str,
    taken: t.Mapping[str, str] | None = None,
) -> list[Verdict]:
    found = []
    owners = dict(taken or {})
    for ctx in contexts:
        for thing in things(ctx):
            owner = owners.setdefault(thing, ctx.service.name)
            if owner != ctx.service.name:
                note = f"{what} '{thing}' is that of the service '{owner}' too; a cluster has it once"
                found.append(Verdict(ctx.service.name, key, REFUSED, note))
    return found


def _same_claim(contexts: t.Sequence[Context]) -> list[Verdict]:
    """Names that differ in a stack and not in Kubernetes would be one volume, config or secret."""
    found = []
    stack = contexts[0].stack if contexts else None
    for section in ("volumes", "configs", "secrets", "networks"):
        seen: dict[str, str] = {}
        for key, source in getattr(stack, section, {}).items():
            raw = key if section in ("volumes", "networks") else source.name
            other = seen.setdefault(dns_name(raw), raw)
            if other != raw:
                note = f"'{raw}' and '{other}' are both {dns_name(raw)} in Kubernetes; rename one"
                found.append(Verdict("(stack)", f"{section}.{key}", REFUSED, note))
    return found


def mount_paths(ctx: Context) -> None:
    """Refuse two things at one path, of which Docker too would take one alone."""
    seen: set[str] = set()
    for kind in ("volumes", "secrets", "configs"):
        for item in ctx.values.get(kind, []):
            path = item["mountPath"].rstrip("/") or "/"
            if path in seen:
                ctx.refused(f"{kind}[{item['mountPath']}]", f"{path} is mounted twice; mount one thing there")
            seen.add(path)
