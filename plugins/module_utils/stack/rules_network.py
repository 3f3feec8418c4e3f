# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules for the network: ports, names, resolvers."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.context import Context, dns_name
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from ansible_collections.sophia.replatform.plugins.module_utils.stack.forms import parse_ports
from ansible_collections.sophia.replatform.plugins.module_utils.stack.listen import listen
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Port
from ansible_collections.sophia.replatform.plugins.module_utils.stack.shape import (
    as_int,
    as_list,
    as_mapping,
    as_str,
    as_strings,
)

_DNS_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_OUTSIDE = "peers use the target port; from outside: a node port that the cluster chooses, behind the edge"
DEFAULT_NETWORK = "default"
_NOT_OVERLAY = ("host", "bridge", "none")
ATTACHMENT_KEYS = (
    "aliases",
    "driver_opts",
    "gw_priority",
    "interface_name",
    "ipv4_address",
    "ipv6_address",
    "link_local_ips",
    "mac_address",
    "priority",
)
"""Keys of a service's network: docker/cli config_schema_v3.13.json and compose-spec schema/compose-spec.json."""


def ports(ctx: Context, key: str, value: t.Any) -> None:
    """A Service port is the target port: that is what peers on an overlay network call."""
    for port in parse_ports(value, ctx.where(key)):
        entry = listen(ctx, port.target, port.protocol)
        here = f"{key}[{port.target}/{port.protocol}]"
        ctx.values["hostPorts"] = ctx.values.get("hostPorts", False) or port.mode == "host"
        if port.published:
            ctx.published.append(port)
        for text in port.extra:
            ctx.reported(f"{here}.{text.partition(' ')[0]}", f"Swarm does not heed '{text}', and nor does the chart")
        if ctx.options.workload_keys and port.published:
            _publish(ctx, here, entry, port)
        else:
            outside = f"; not on every node's port {port.published}" if port.published else ""
            ctx.approximated(here, _OUTSIDE + outside)


def _publish(ctx: Context, key: str, entry: dict[str, t.Any], port: Port) -> None:
    if "published" in entry:
        ctx.approximated(key, f"also published as {port.published}: {entry['published']} alone is carried")
        return
    entry["published"] = port.published
    if port.mode == "host" and ctx.options.host_ports:
        entry["hostPort"] = port.published
        ctx.mapped(key, f"port {port.published} of each node that has a pod")
    else:
        ctx.approximated(key, f"{_OUTSIDE}; published as {port.published}, which the edge keeps for clients")


def expose(ctx: Context, key: str, value: t.Any) -> None:
    for i, item in enumerate(as_list(value, ctx.where(key))):
        number, _sep, protocol = as_str(item, f"{ctx.where(key)}[{i}]").partition("/")
        listen(ctx, as_int(number, f"{ctx.where(key)}[{i}]"), protocol or "tcp")
    ctx.mapped(key)


def networks(ctx: Context, key: str, value: t.Any) -> None:
    """Aliases become Services of their own; what may reach what is for NetworkPolicies to say."""
    entries = as_mapping(value, ctx.where(key)) or {DEFAULT_NETWORK: None}
    names = []
    for name, raw in entries.items():
        where = ctx.where(f"{key}.{name}")
        network = ctx.stack.networks.get(name)
        if network is None and name != DEFAULT_NETWORK:
            raise StackError(f"{where}: network '{name}' is not under 'networks'")
        if network is not None and network.external and network.name in _NOT_OVERLAY:
            ctx.refused(
                f"{key}.{name}", f"the network '{network.name}' of the node: pods have one of their own; exclude it"
            )
            continue
        names.append(dns_name(name))
        _attachment(ctx, f"{key}.{name}", as_mapping(raw, where))
    if ctx.options.workload_keys:
        ctx.values["networks"] = sorted(set(names))
        ctx.mapped(key, "NetworkPolicies let in the peers that share a network")
    else:
        ctx.reported(key, "pods reach each other whatever their networks; write NetworkPolicies where that matters")


def _attachment(ctx: Context, key: str, attachment: t.Mapping[str, t.Any]) -> None:
    for name, item in attachment.items():
        here = f"{key}.{name}"
        if name.startswith("x-"):
            ctx.reported(here, "an extension field: no meaning of its own")
        elif name not in ATTACHMENT_KEYS:
            ctx.refused(here, "unknown key; docker stack deploy does not take it either")
        elif name == "aliases":
            _aliases(ctx, here, item)
        elif item is not None:
            ctx.reported(here, "the cluster gives a pod its addresses; peers use the service's name")


def _aliases(ctx: Context, key: str, value: t.Any) -> None:
    for alias in as_strings(value, ctx.where(key)):
        if alias == ctx.service.name:
            ctx.mapped(key, "the service's own name")
            continue
        if not _DNS_LABEL.fullmatch(alias):
            ctx.refused(key, f"'{alias}' can't be a Service's name; peers need another one")
            continue
        known = ctx.values.setdefault("aliases", [])
        if alias not in known:
            known.append(alias)
        ctx.mapped(key, f"Service {alias}")


def dns(ctx: Context, key: str, value: t.Any) -> None:
    ctx.values.setdefault("dnsConfig", {})["nameservers"] = as_strings(value, ctx.where(key))
    ctx.approximated(key, "asked beside the cluster's own resolver")


def dns_search(ctx: Context, key: str, value: t.Any) -> None:
    ctx.values.setdefault("dnsConfig", {})["searches"] = as_strings(value, ctx.where(key))
    ctx.approximated(key, "searched after the cluster's own domains")


def dns_opt(ctx: Context, key: str, value: t.Any) -> None:
    pairs = [text.partition(":") for text in as_strings(value, ctx.where(key))]
    options = [{"name": name, "value": rest} if sep else {"name": name} for name, sep, rest in pairs]
    ctx.values.setdefault("dnsConfig", {})["options"] = options
    ctx.approximated(key, "beside the cluster's own options; docker stack deploy does not take it")


def extra_hosts(ctx: Context, key: str, value: t.Any) -> None:
    pairs = value.items() if isinstance(value, dict) else [_host(line) for line in as_strings(value, ctx.where(key))]
    aliases = []
    for name, address in pairs:
        try:
            plain = str(address).strip("[]")
            ipaddress.ip_address(plain)
        except ValueError:
            ctx.refused(f"{key}.{name}", f"'{address}' is no IP address, and a pod's hosts file takes nothing else")
            continue
        aliases.append({"ip": plain, "hostnames": [name]})
    ctx.values["hostAliases"] = aliases
    ctx.mapped(key)


def _host(line: str) -> tuple[str, str]:
    separator = "=" if "=" in line else ":"
    name, _sep, address = line.partition(separator)
    return name, address


def sysctls(ctx: Context, key: str, value: t.Any) -> None:
    pairs = as_mapping(value, ctx.where(key))
    ctx.values["sysctls"] = [{"name": name, "value": str(item)} for name, item in pairs.items()]
    ctx.approximated(key, "the kubelet must allow the ones that it calls unsafe")
