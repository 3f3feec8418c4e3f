# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of Traefik's routers and services, by protocol: the verdict on each, and what a route says of its service.

Source: traefik pkg/config/dynamic/{http,tcp,udp}_config.go for the labels, and for what the resources take
pkg/provider/kubernetes/crd/traefikio/v1alpha1/{ingressroute,ingressroutetcp,ingressrouteudp}.go.
"""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.context import Context
from ansible_collections.sophia.replatform.plugins.module_utils.stack.verdicts import (
    APPROXIMATED,
    MAPPED,
    REFUSED,
    REPORTED,
)

PROTOCOLS = ("http", "tcp", "udp")

Say = t.Tuple[str, str]
"""A verdict and its note."""

_CARRIED: Say = (MAPPED, "")
_COMMON: dict[str, Say] = {"entrypoints": _CARRIED, "service": _CARRIED}
_RULED: dict[str, Say] = {
    **_COMMON,
    "rule": _CARRIED,
    "middlewares": _CARRIED,
    "priority": _CARRIED,
    "tls": _CARRIED,
    "tls.certresolver": (REPORTED, "name the resolver, or a certificate's Secret, in the cluster's Traefik"),
    "tls.options": (REPORTED, "make a TLSOption in the cluster"),
    "tls.domains[": (REPORTED, "the rule's hosts are the certificate's; ask for more in the cluster's Traefik"),
    "rulesyntax": (REPORTED, "the cluster's Traefik reads the syntax of version 3"),
}
_CHECK: Say = (REPORTED, "the readiness probe decides which pods are asked")
_ROUTER: dict[str, dict[str, Say]] = {
    "http": {**_RULED, "observability.": (REPORTED, "set it for the cluster's Traefik")},
    "tcp": {**_RULED, "tls.passthrough": _CARRIED},
    "udp": _COMMON,
}
_SERVICE: dict[str, dict[str, Say]] = {
    "http": {
        "loadbalancer.server.port": _CARRIED,
        "loadbalancer.server.scheme": _CARRIED,
        "loadbalancer.passhostheader": _CARRIED,
        "loadbalancer.sticky.cookie": _CARRIED,
        "loadbalancer.sticky.cookie.name": _CARRIED,
        "loadbalancer.sticky.cookie.secure": _CARRIED,
        "loadbalancer.sticky.cookie.httponly": _CARRIED,
        "loadbalancer.sticky.cookie.samesite": _CARRIED,
        "loadbalancer.sticky.cookie.maxage": _CARRIED,
        "loadbalancer.sticky.cookie.path": _CARRIED,
        "loadbalancer.sticky.cookie.domain": (APPROXIMATED, "a Traefik of 3.3 or older in the cluster drops it"),
        "loadbalancer.healthcheck.": _CHECK,
        "loadbalancer.responseforwarding.": (REPORTED, "the cluster's Traefik flushes as it finds right"),
        "loadbalancer.serverstransport": (REFUSED, "make a ServersTransport, and the route by hand"),
    },
    "tcp": {
        "loadbalancer.server.port": _CARRIED,
        "loadbalancer.server.tls": _CARRIED,
        "loadbalancer.proxyprotocol": _CARRIED,
        "loadbalancer.proxyprotocol.version": _CARRIED,
        "loadbalancer.terminationdelay": _CARRIED,
        "loadbalancer.healthcheck.": _CHECK,
        "loadbalancer.serverstransport": (REFUSED, "make a ServersTransportTCP, and the route by hand"),
    },
    "udp": {"loadbalancer.server.port": _CARRIED},
}
"""A name that ends in a mark stands for all that begin with it."""

_SCHEMES = ("http", "https", "h2c")
_SAME_SITE = ("none", "lax", "strict")


def _switch(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _one_of(names: t.Sequence[str]) -> t.Callable[[str], str]:
    def pick(text: str) -> str:
        return names[names.index(text.lower())]

    return pick


_BACKEND: dict[str, tuple[tuple[str, ...], t.Callable[[str], t.Any]]] = {
    "loadbalancer.server.scheme": (("scheme",), _one_of(_SCHEMES)),
    "loadbalancer.passhostheader": (("passHostHeader",), _switch),
    "loadbalancer.sticky.cookie.name": (("sticky", "cookie", "name"), str),
    "loadbalancer.sticky.cookie.secure": (("sticky", "cookie", "secure"), _switch),
    "loadbalancer.sticky.cookie.httponly": (("sticky", "cookie", "httpOnly"), _switch),
    "loadbalancer.sticky.cookie.samesite": (("sticky", "cookie", "sameSite"), _one_of(_SAME_SITE)),
    "loadbalancer.sticky.cookie.maxage": (("sticky", "cookie", "maxAge"), int),
    "loadbalancer.sticky.cookie.path": (("sticky", "cookie", "path"), str),
    "loadbalancer.sticky.cookie.domain": (("sticky", "cookie", "domain"), str),
    "loadbalancer.server.tls": (("tls",), _switch),
    "loadbalancer.proxyprotocol.version": (("proxyProtocol", "version"), int),
    "loadbalancer.terminationdelay": (("terminationDelay",), int),
}
"""From a label's option to its place in the route's service, and how its text is read."""

_WHOLE: dict[str, tuple[str, t.Mapping[str, t.Any]]] = {
    "loadbalancer.sticky.cookie": ("sticky", {"cookie": {}}),
    "loadbalancer.proxyprotocol": ("proxyProtocol", {"version": 2}),
}
"""Options that are on with any option below them, and off with C(false): the key, and what holds without being told (the
resource has no default for the version, the label has)."""
_HTTPS_PORT = 443


def say(ctx: Context, here: str, protocol: str, is_router: bool, option: str, text: str) -> None:
    """The verdict on one label of a router or a service."""
    table = (_ROUTER if is_router else _SERVICE)[protocol]
    families = [name for name in table if name[-1] in ".[" and option.startswith(name)]
    name = option if option in table else max(families, key=len, default="")
    if not name:
        ctx.refused(here, "not an option that Traefik is known to take; take it out")
        return
    if not is_router:
        try:
            (_switch if name in _WHOLE else _BACKEND[name][1] if name in _BACKEND else str)(text)
        except ValueError:
            ctx.refused(here, f"'{text}' is not what Traefik takes here")
            return
    ctx.say(here, *table[name])


def backend(protocol: str, options: t.Mapping[str, str], port: int) -> dict[str, t.Any]:
    """What a route says of its service beside name and port; an option that was refused is left out."""
    found: dict[str, t.Any] = {}
    for option in sorted(set(options) & set(_SERVICE[protocol]) & set(_BACKEND)):
        path, read = _BACKEND[option]
        try:
            value = read(options[option])
        except ValueError:
            continue
        branch = found
        for word in path[:-1]:
            branch = branch.setdefault(word, {})
        branch[path[-1]] = value
    for option, (key, default) in _WHOLE.items():
        text = options.get(option, "").lower()
        if text == "false":
            found.pop(key, None)
        elif text == "true" or key in found:
            found[key] = {**default, **found.get(key, {})}
    # Traefik's resource takes port 443 for https, the label's default is http.
    if protocol == "http" and port == _HTTPS_PORT:
        found.setdefault("scheme", "http")
    return found
