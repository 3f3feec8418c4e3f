# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What follows from several keys together: the kind of workload, how it is updated, and where its data holds it."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.context import Context
from ansible_collections.sophia.replatform.plugins.module_utils.stack.placement import HOSTNAME

_START_FIRST = "the new pod starts first, so that no request is lost"
_WRITE_ORDER = "write order: stop-first where two must never run at once"
_NO_LIMIT = 2147483647
"""Swarm starts a job's task again without end where no max_attempts is given; a Job counts up to an int32."""

Values = t.Dict[str, t.Any]


def finish(ctx: Context) -> None:
    """Turn what the rules have noted into the values of one kind of workload."""
    values = ctx.values
    mode, replicas = values.pop("mode", "replicated"), values.pop("replicas", 1)
    restart, update = values.pop("restart", {}), values.pop("update", {})
    host_ports, data = values.pop("hostPorts", False), values.pop("data", False)
    if mode == "replicated" and restart.get("condition") == "none" and ctx.options.workload_keys:
        mode = "replicated-job"
    claims = any("claim" in item for item in values.get("volumes", []))
    _requests(values)
    if mode.endswith("-job"):
        _job(ctx, mode, replicas, restart)
    else:
        values["kind"] = "DaemonSet" if mode == "global" else "StatefulSet" if claims else "Deployment"
        if mode != "global":
            values["replicas"] = replicas
        values["minReadySeconds"] = update.get("minReadySeconds", 0)
        _strategy(ctx, update, host_ports)
    if mode.startswith("global") and claims:
        ctx.refused("volumes", "a volume a node can't be claimed by a global service; mount a path of the node")
    elif claims and replicas > 1:
        ctx.approximated("(volumes)", "each replica has a volume of its own; on Swarm those on one node share it")
    archs = [item["values"] for item in values.get("nodeExpressions", []) if _names_archs(item)]
    if archs and ctx.options.workload_keys:
        values["architectures"] = sorted(set(archs[0]).intersection(*archs))
    if data and not mode.startswith("global"):
        _pin(ctx)
    values["preStopSeconds"] = ctx.options.pre_stop_seconds if values.get("ports") and values["kind"] != "Job" else 0


def _names_archs(expression: t.Mapping[str, t.Any]) -> bool:
    return expression["key"] == "kubernetes.io/arch" and expression["operator"] == "In"


def _requests(values: Values) -> None:
    """Swarm reserves nothing where only a limit is given; Kubernetes would reserve the limit."""
    resources = values.get("resources", {})
    for name in ("cpu", "memory"):
        if name in resources.get("limits", {}):
            resources.setdefault("requests", {}).setdefault(name, "0")


def _job(ctx: Context, mode: str, replicas: int, restart: t.Mapping[str, t.Any]) -> None:
    """Source: moby/swarmkit manager/orchestrator/jobs; a task that ends with 0 is never started again."""
    values = ctx.values
    values["kind"] = "Job"
    at_once = replicas if ctx.service.concurrent is None else ctx.service.concurrent
    if mode == "global-job":
        replicas = at_once = _fitting_nodes(ctx)
        values["onePerNode"] = True
        if replicas:
            ctx.approximated("(job)", f"{replicas} pods, one a node while they run; a node that joins later gets none")
        else:
            ctx.refused(
                "deploy.mode", "a pod for each node: how many fit is not known; give 'nodes', and name them by host"
            )
    once = restart.get("condition") == "none"
    attempts = restart.get("max_attempts") or (0 if once else _NO_LIMIT)
    values["job"] = {
        "completions": replicas,
        "parallelism": at_once or replicas,
        "backoffLimit": 0 if once else attempts,
        "restartPolicy": "Never" if once else "OnFailure",
    }


def _fitting_nodes(ctx: Context) -> int:
    """How many of the Swarm's nodes its constraints allow; none where labels decide, which are not those of K3s yet."""
    expressions = ctx.values.get("nodeExpressions", [])
    if any(item["key"] != HOSTNAME for item in expressions):
        return 0
    hosts = {str(node["hostname"]).lower() for node in ctx.options.nodes}
    for item in expressions:
        named = set(item["values"])
        hosts = hosts & named if item["operator"] == "In" else hosts - named
    return len(hosts)


def _strategy(ctx: Context, update: t.Mapping[str, t.Any], host_ports: bool) -> None:
    values = ctx.values
    parallelism = update.get("parallelism", 1) or "100%"
    order = update.get("order")
    if values["kind"] != "Deployment":
        if order == "start-first":
            ctx.approximated("(update order)", f"a {values['kind']} stops a pod before it starts its successor")
        if values["kind"] == "DaemonSet":
            values["strategy"] = {"maxUnavailable": parallelism}
        return
    taken = any("hostPort" in item for item in values.get("ports", []))
    full = bool(ctx.options.nodes) and values["replicas"] >= len(ctx.options.nodes)
    crowded = full and (values.get("onePerNode") or taken)
    # Two pods can't hold one port of a node: a successor that starts first might wait for ever.
    if crowded or (order == "stop-first" and (taken or not host_ports)) or (taken and order is None):
        values["strategy"] = {"maxSurge": 0, "maxUnavailable": parallelism}
        if order is None:
            ctx.mapped("(update order)", "stop-first, Swarm's default")
        elif order != "stop-first":
            ctx.approximated("(update order)", "one a node and a replica on each: the old pod stops first")
        return
    values["strategy"] = {"maxSurge": parallelism, "maxUnavailable": 0}
    if order == "stop-first":
        ctx.approximated("(update order)", f"its tasks share a port of the host, pods do not: {_START_FIRST}")
    elif order is None:
        ctx.approximated("(update order)", f"Swarm's default is stop-first; here {_START_FIRST}; {_WRITE_ORDER}")


def _pin(ctx: Context) -> None:
    """Where its data lies; a pod that starts elsewhere would start without it. A constraint that names hosts counts."""
    expressions = ctx.values.get("nodeExpressions", [])
    named = [set(item["values"]) for item in expressions if item["key"] == HOSTNAME and item["operator"] == "In"]
    allowed = set.intersection(*named) if named else None
    homes = {name.lower() for name in ctx.options.homes.get(ctx.service.name, ())}
    target = sorted(homes if allowed is None else homes & allowed)
    here = "(volumes).node"
    if not homes and allowed is None:
        ctx.reported(here, "which node holds its data is not known: keep it there with node.hostname==NODE")
    elif homes and not target:
        ctx.reported(
            here, f"its data was on {', '.join(sorted(homes))}, and its constraints keep it elsewhere: move it first"
        )
    elif allowed is not None and allowed <= homes:
        ctx.mapped(here, f"{', '.join(target)} holds its data, and the constraints keep it there")
    elif homes and ctx.options.pin_volumes:
        ctx.values.setdefault("nodeExpressions", []).append({"key": HOSTNAME, "operator": "In", "values": target})
        several = "; each has data of its own" if len(target) > 1 else ""
        ctx.approximated(here, f"kept on {', '.join(target)}, which holds its data{several}")
    elif homes:
        ctx.approximated(here, f"its data lies on {', '.join(target)}, and nothing keeps its pods there")
