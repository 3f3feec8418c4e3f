# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where tasks may run: Swarm's constraints and preferences as node affinity and topology spread.

Swarm matches values without regard to case, and C(!=) matches a node that lacks the label (so does NotIn); see
moby/swarmkit manager/constraint/constraint.go.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.context import Context
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from ansible_collections.sophia.replatform.plugins.module_utils.stack.shape import (
    as_int,
    as_list,
    as_mapping,
    as_strings,
)

_CONSTRAINT = re.compile(r"\s*([a-z][a-z0-9_.\-]*)\s*(==|!=)\s*(.+?)\s*", re.IGNORECASE)
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
HOSTNAME = "kubernetes.io/hostname"
_LABEL = re.compile(r"([a-zA-Z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


def constraints(ctx: Context, key: str, value: t.Any) -> None:
    """All of them must hold: one term with an expression each."""
    for text in as_strings(value, ctx.where(key)):
        match = _CONSTRAINT.fullmatch(text)
        if match is None:
            raise StackError(f"{ctx.where(key)}: '{text}' is not a constraint such as node.hostname==a")
        name, operator, wanted = match.group(1), match.group(2), match.group(3)
        here = f"{key}[{text}]"
        found = _expression(ctx, name, wanted, operator == "==")
        if found is None:
            ctx.refused(here, f"'{name}' has no counterpart; use node.hostname or a label of the node")
            continue
        expression, difference = found
        ctx.values.setdefault("nodeExpressions", []).append(expression)
        if difference:
            ctx.approximated(here, difference)
        else:
            ctx.mapped(here)


def _expression(ctx: Context, name: str, wanted: str, equal: bool) -> tuple[dict[str, t.Any], str] | None:
    operator = "In" if equal else "NotIn"
    nodes = ctx.options.nodes
    lowered = name.lower()
    if lowered == "node.hostname":
        return {"key": HOSTNAME, "operator": operator, "values": [wanted.lower()]}, ""
    if lowered == "node.role":
        hosts = sorted(str(n["hostname"]).lower() for n in nodes if str(n.get("role")).lower() == wanted.lower())
        if hosts:
            return {"key": HOSTNAME, "operator": operator, "values": hosts}, ""
        exists = (wanted.lower() == "manager") == equal
        expression = {"key": _CONTROL_PLANE, "operator": "Exists" if exists else "DoesNotExist"}
        return expression, "managers are taken to be the K3s servers, since the Swarm's nodes are not given"
    if lowered in ("node.id", "node.ip"):
        matches = _same_id if lowered == "node.id" else _in_network
        hosts = sorted(str(n["hostname"]).lower() for n in nodes if matches(n, wanted))
        return ({"key": HOSTNAME, "operator": operator, "values": hosts}, "") if hosts else None
    if lowered == "node.platform.os":
        return {"key": "kubernetes.io/os", "operator": operator, "values": [wanted.lower()]}, ""
    if lowered == "node.platform.arch":
        arch = ARCHITECTURES.get(wanted.lower(), wanted.lower())
        return {"key": "kubernetes.io/arch", "operator": operator, "values": [arch]}, ""
    for prefix in ("node.labels.", "engine.labels."):
        if lowered.startswith(prefix):
            label = name[len(prefix) :]
            if not _LABEL.fullmatch(label):
                return None
            spellings = {str(n.get("labels", {}).get(label, "")) for n in nodes if prefix == "node.labels."}
            values = sorted({wanted} | {text for text in spellings if text.lower() == wanted.lower()})
            note = f"give the label {label}={wanted} to the same K3s nodes; case counts there"
            return {"key": label, "operator": operator, "values": values}, note
    return None


def _same_id(node: t.Mapping[str, t.Any], wanted: str) -> bool:
    return str(node.get("id")) == wanted


def _in_network(node: t.Mapping[str, t.Any], wanted: str) -> bool:
    """Swarm takes an address or a network here."""
    try:
        return ipaddress.ip_address(str(node.get("address"))) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return False


def preferences(ctx: Context, key: str, value: t.Any) -> None:
    for i, item in enumerate(as_list(value, ctx.where(key))):
        where = f"{ctx.where(key)}[{i}]"
        spread = str(as_mapping(item, where).get("spread", ""))
        label = re.sub(r"^(node|engine)\.labels\.", "", spread)
        if spread in ("node.id", "node.hostname"):
            label = HOSTNAME
        elif not spread or label == spread:
            ctx.reported(f"{key}[{spread}]", "Swarm spreads over labels alone; it ignores this, and so does the chart")
            continue
        ctx.values.setdefault("topologyKeys", []).append(label)
        hint = "" if label == HOSTNAME else "; give the label to the K3s nodes"
        ctx.approximated(f"{key}[{spread}]", f"topologySpreadConstraints on {label}, as a wish{hint}")


def max_replicas_per_node(ctx: Context, key: str, value: t.Any) -> None:
    most = as_int(value, ctx.where(key))
    if most == 1:
        ctx.values["onePerNode"] = True
        ctx.approximated(key, "anti-affinity: during an update a free node is needed")
    elif most:
        ctx.reported(key, "Kubernetes has no such bound above 1")
    else:
        ctx.mapped(key, "0: no bound")
