# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Traefik's middlewares from labels, in the words of its resources Middleware and MiddlewareTCP.

Labels are read without regard to case; the resources' keys are in camel case. Source: traefik pkg/config/dynamic/middlewares.go
and tcp_middlewares.go, and pkg/provider/kubernetes/crd/traefikio/v1alpha1/middleware.go and middlewaretcp.go.
"""

from __future__ import annotations

import typing as t

_TEXT, _NUMBER, _SWITCH, _LIST, _MAP = "text", "number", "switch", "list", "map"

RESOURCE = {"http": "Middleware", "tcp": "MiddlewareTCP"}
PROTOCOLS = tuple(RESOURCE)

_HTTP: dict[str, dict[str, str]] = {
    "addPrefix": {"prefix": _TEXT},
    "chain": {"middlewares": _LIST},
    "circuitBreaker": {"expression": _TEXT, "checkPeriod": _TEXT, "fallbackDuration": _TEXT, "recoveryDuration": _TEXT},
    "compress": {"excludedContentTypes": _LIST, "minResponseBodyBytes": _NUMBER},
    "forwardAuth": {
        "address": _TEXT,
        "trustForwardHeader": _SWITCH,
        "authResponseHeaders": _LIST,
        "authRequestHeaders": _LIST,
        "authResponseHeadersRegex": _TEXT,
    },
    "headers": {
        "customRequestHeaders": _MAP,
        "customResponseHeaders": _MAP,
        "accessControlAllowCredentials": _SWITCH,
        "accessControlAllowHeaders": _LIST,
        "accessControlAllowMethods": _LIST,
        "accessControlAllowOriginList": _LIST,
        "accessControlExposeHeaders": _LIST,
        "accessControlMaxAge": _NUMBER,
        "addVaryHeader": _SWITCH,
        "browserXssFilter": _SWITCH,
        "contentSecurityPolicy": _TEXT,
        "contentTypeNosniff": _SWITCH,
        "customFrameOptionsValue": _TEXT,
        "forceSTSHeader": _SWITCH,
        "frameDeny": _SWITCH,
        "permissionsPolicy": _TEXT,
        "referrerPolicy": _TEXT,
        "sslProxyHeaders": _MAP,
        "stsIncludeSubdomains": _SWITCH,
        "stsPreload": _SWITCH,
        "stsSeconds": _NUMBER,
    },
    "inFlightReq": {"amount": _NUMBER},
    "ipAllowList": {"sourceRange": _LIST},
    "rateLimit": {"average": _NUMBER, "burst": _NUMBER, "period": _TEXT},
    "redirectRegex": {"regex": _TEXT, "replacement": _TEXT, "permanent": _SWITCH},
    "redirectScheme": {"scheme": _TEXT, "port": _TEXT, "permanent": _SWITCH},
    "replacePath": {"path": _TEXT},
    "replacePathRegex": {"regex": _TEXT, "replacement": _TEXT},
    "retry": {"attempts": _NUMBER, "initialInterval": _TEXT},
    "stripPrefix": {"prefixes": _LIST, "forceSlash": _SWITCH},
    "stripPrefixRegex": {"regex": _LIST},
}
_KINDS = {"http": _HTTP, "tcp": {"inFlightConn": {"amount": _NUMBER}, "ipAllowList": {"sourceRange": _LIST}}}
_BY_LOWER = {
    protocol: {name.lower(): name for name in kinds} | {"ipwhitelist": "ipAllowList"}
    for protocol, kinds in _KINDS.items()
}


def known(protocol: str, kind: str) -> bool:
    """Whether a Middleware can be made of it: those that hold secrets, or need more than labels, can't."""
    return kind.lower() in _BY_LOWER[protocol]


def put(protocol: str, middleware: dict[str, t.Any], words: t.Sequence[str], text: str) -> str:
    """Set the option that C(words) name, from its (known) type on; why it can't be, or an empty string."""
    name = _BY_LOWER[protocol][words[0].lower()]
    kinds = _KINDS[protocol][name]
    options = {option.lower(): option for option in kinds}
    entry = middleware.setdefault(name, {})
    if len(words) == 1:
        return "" if text.lower() in ("", "true") and not kinds.get("address") else f"'{text}' is no option of {name}"
    option = options.get(words[1].lower())
    if option is None:
        return f"'{words[1]}' of {name} is not carried: write the Middleware by hand, or take the label out"
    try:
        _set(entry, option, kinds[option], words[2:], text)
    except ValueError:
        return f"'{text}' is not what {option} of {name} takes"
    return ""


def _set(entry: dict[str, t.Any], option: str, kind: str, below: t.Sequence[str], text: str) -> None:
    if kind == _MAP:
        if not below:
            raise ValueError(option)
        entry.setdefault(option, {})[".".join(below)] = text
        return
    if below:
        raise ValueError(option)
    if kind == _SWITCH and text.lower() not in ("true", "false"):
        raise ValueError(text)
    entry[option] = {
        _TEXT: lambda: text,
        _NUMBER: lambda: int(text),
        _SWITCH: lambda: text.lower() == "true",
        _LIST: lambda: [item.strip() for item in text.split(",") if item.strip()],
    }[kind]()
