# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules for the network: ports, names, resolvers."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.context import Context
from ansible_collections.sophia.replatform.plugins.module_utils.stack.forms import parse_ports
from ansible_collections.sophia.replatform.plugins.module_utils.stack.shape import (
    as_int,
    as_list,
    as_mapping,
    as_str,
    as_strings,
)

_DNS_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_OUTSIDE = "peers use the target port; from outside: a node port that the cluster chooses, behind the edge"


def ports(ctx: Context, key: str, value: t.Any) -> None:
    """A Service port is the target port: that is what peers on an overlay network call."""
    for port in parse_ports(value, ctx.where(key)):
        _listen(ctx, port.target, port.protocol)
        ctx.values["hostPorts"] = ctx.values.get("hostPorts", False) or port.mode == "host"
        outside = f"; not on every node's port {port.published}" if port.published else ""
        ctx.approximated(f"{key}[{port.target}/{port.protocol}]", _OUTSIDE + outside)


def expose(ctx: Context, key: str, value: t.Any) -> None:
    for i, item in enumerate(as_list(value, ctx.where(key))):
        number, _sep, protocol = as_str(item, f"{ctx.where(key)}[{i}]").partition("/")
        _listen(ctx, as_int(number, f"{ctx.where(key)}[{i}]"), protocol or "tcp")
    ctx.mapped(key)


def _listen(ctx: Context, port: int, protocol: str) -> None:
    name = f"{protocol}-{port}"
    known = ctx.values.setdefault("ports", [])
    if all(item["name"] != name for item in known):
        known.append({"name": name, "port": port, "protocol": protocol.upper()})


def networks(ctx: Context, key: str, value: t.Any) -> None:
    """Aliases become Services of their own; the networks themselves separate nothing until policies do."""
    entries = as_mapping(value, ctx.where(key)) if isinstance(value, dict) else {}
    for name, raw in entries.items():
        where = ctx.where(f"{key}.{name}")
        for alias in as_strings(as_mapping(raw, where).get("aliases"), where):
            if alias == ctx.service.name:
                continue
            if not _DNS_LABEL.fullmatch(alias):
                ctx.refused(f"{key}.{name}.aliases", f"'{alias}' can't be a Service's name; peers need another one")
                continue
            known = ctx.values.setdefault("aliases", [])
            if alias not in known:
                known.append(alias)
            ctx.mapped(f"{key}.{name}.aliases", f"Service {alias}")
    ctx.reported(key, "pods reach each other whatever their networks; write NetworkPolicies where that matters")


def dns(ctx: Context, key: str, value: t.Any) -> None:
    ctx.values.setdefault("dnsConfig", {})["nameservers"] = as_strings(value, ctx.where(key))
    ctx.approximated(key, "asked beside the cluster's own resolver")


def dns_search(ctx: Context, key: str, value: t.Any) -> None:
    ctx.values.setdefault("dnsConfig", {})["searches"] = as_strings(value, ctx.where(key))
    ctx.approximated(key, "searched after the cluster's own domains")


def extra_hosts(ctx: Context, key: str, value: t.Any) -> None:
    pairs = value.items() if isinstance(value, dict) else [_host(line) for line in as_strings(value, ctx.where(key))]
    ctx.values["hostAliases"] = [{"ip": str(address), "hostnames": [name]} for name, address in pairs]
    ctx.mapped(key)


def _host(line: str) -> tuple[str, str]:
    name, _sep, address = line.replace("=", ":", 1).partition(":")
    return name, address


def sysctls(ctx: Context, key: str, value: t.Any) -> None:
    pairs = as_mapping(value, ctx.where(key))
    ctx.values["sysctls"] = [{"name": name, "value": str(item)} for name, item in pairs.items()]
    ctx.approximated(key, "the kubelet must allow the ones that it calls unsafe")
