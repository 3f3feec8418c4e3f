# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the options of the module C(traffic_shift) ask for; C(ReplatformError) names the one that can not be meant."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.analysis import (
    DURATION,
    SUCCESS_RATE,
    Metric,
)
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.gates import Gate
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import (
    NAME,
    HealthCheck,
    Route,
    Side,
    Tls,
    server_address,
    server_url,
)
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.shift import Wanted
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.watch import Plan

DEFAULT_METRICS = [
    {"name": SUCCESS_RATE, "threshold_range": {"min": 99}},
    {"name": DURATION, "threshold_range": {"max": 500}},
]
METRIC = {
    "name": {"type": "str", "required": True},
    "threshold_range": {
        "type": "dict",
        "required": True,
        "options": {"min": {"type": "float"}, "max": {"type": "float"}},
    },
    "query": {"type": "str"},
}


def wanted_from(params: t.Mapping[str, t.Any]) -> Wanted:
    """The route, the state and the way there."""
    name, protocol = params["name"], params["protocol"]
    if not NAME.match(name):
        raise ReplatformError(f"name '{name}' must be lower-case letters, digits and dashes")
    weights = [*params["step_weights"], params["max_weight"]]
    if not all(0 <= weight <= 100 for weight in weights) or params["max_weight"] < 1:
        raise ReplatformError("step_weights must be from 0 to 100 and max_weight from 1 to 100")
    if params["threshold"] < 1 or params["interval"] <= 0:
        raise ReplatformError("threshold must be at least 1 and interval above 0")
    if params["min_requests"] < 0:
        raise ReplatformError("min_requests must be at least 0")
    if not 0 <= params["mirror_weight"] <= 100:
        raise ReplatformError("mirror_weight must be from 0 to 100")
    if not 0 <= params["min_weight"] <= 100:
        raise ReplatformError("min_weight must be from 0 to 100")
    if params["reason"] and params["state"] != "rolled_back":
        raise ReplatformError(f"reason is for state rolled_back, not for {params['state']}; leave it out")
    cookie = (params["session_affinity"] or {}).get("cookie_name") or ""
    if protocol == "tcp" and (cookie or params["mirror_weight"]):
        raise ReplatformError(
            f"service '{name}' is TCP: it has no session_affinity and no mirror_weight; leave them out"
        )
    tls = params["tls"]
    if protocol == "tcp" and tls is not None:
        raise ReplatformError(f"service '{name}' is TCP: its TLS passes through the edge as it is; leave tls out")
    check = params["health_check"]
    tcp = protocol == "tcp"
    route = Route(
        name=name,
        rule=params["rule"],
        primary=_side(params["primary"], protocol),
        canary=_side(params["canary"], protocol) if params["canary"] else None,
        health=HealthCheck(
            "" if tcp else check["path"], check["interval"], check["timeout"], "" if tcp else check["host"]
        ),
        entry_points=tuple(params["entry_points"]),
        retry_attempts=1 if tcp else params["retry_attempts"],
        sticky=cookie,
        protocol=protocol,
        tls=None if tls is None else Tls(tls["cert_resolver"] or "", tls["options"] or ""),
    )
    return Wanted(
        route,
        params["state"],
        tuple(params["step_weights"]),
        params["max_weight"],
        params["threshold"],
        tuple(_gate(gate) for gate in params["gates"]),
        params["mirror_weight"],
        params["skip_analysis"],
        params["until_weight"],
        _min_weight(params),
        params["reason"],
    )


def _min_weight(params: t.Mapping[str, t.Any]) -> int:
    """Whoever asks for less by O(max_weight), or wants all of it back and has seen no breach, is obeyed."""
    held = params["state"] == "shifted" or params["reason"]
    return min(params["min_weight"], params["max_weight"]) if held else 0


def plan_from(params: t.Mapping[str, t.Any]) -> Plan:
    """How each weight is watched."""
    metrics = tuple(_metric(metric, params["prometheus_url"]) for metric in params["metrics"])
    return Plan(
        params["interval"],
        params["threshold"],
        metrics,
        params["prometheus_url"] or "",
        params["prober_dir"] or "",
        params["in_effect_timeout"],
        params["min_requests"],
    )


def _metric(metric: t.Mapping[str, t.Any], prometheus_url: str | None) -> Metric:
    name, bounds = metric["name"], metric["threshold_range"]
    lowest, highest, query = bounds.get("min"), bounds.get("max"), metric.get("query") or ""
    if lowest is None and highest is None:
        raise ReplatformError(f"metrics: '{name}' needs a min or a max in its threshold_range")
    if name == SUCCESS_RATE and (highest is not None or not 0 <= lowest <= 100):
        raise ReplatformError(f"metrics: threshold_range of '{name}' is a min from 0 to 100, in percent")
    if name == DURATION and (lowest is not None or highest <= 0):
        raise ReplatformError(f"metrics: threshold_range of '{name}' is a max above 0, in milliseconds")
    if name in (SUCCESS_RATE, DURATION):
        if query:
            raise ReplatformError(f"metrics: '{name}' is measured by Traefik; give the query another name")
    elif not query:
        raise ReplatformError(f"metrics: '{name}' needs a query; only {SUCCESS_RATE} and {DURATION} do without")
    elif not prometheus_url:
        raise ReplatformError(f"metrics: '{name}' has a query, so prometheus_url must say whom to ask")
    return Metric(name, lowest, highest, query)


def _gate(gate: t.Mapping[str, t.Any]) -> Gate:
    name, command = gate["name"], gate.get("command") or []
    if not NAME.match(name):
        raise ReplatformError(f"name '{name}' of a gate must be lower-case letters, digits and dashes")
    if (gate["type"] == "command") != bool(command):
        raise ReplatformError(f"gate '{name}': a command is for type command, which needs one")
    timeout = gate.get("timeout")
    if timeout is None:
        timeout = 60.0 if command else 3600.0
    if timeout <= 0:
        raise ReplatformError(f"gate '{name}': timeout must be above 0 seconds")
    return Gate(name, gate["type"], tuple(gate.get("weights") or ()), tuple(command), timeout)


def _side(side: t.Mapping[str, t.Any], protocol: str) -> Side:
    if not NAME.match(side["name"]):
        raise ReplatformError(f"name '{side['name']}' of a side must be lower-case letters, digits and dashes")
    checked = server_address if protocol == "tcp" else server_url
    return Side(side["name"], tuple(sorted({checked(server) for server in side["servers"]})))
