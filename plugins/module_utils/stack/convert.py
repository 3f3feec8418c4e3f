# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The model to Helm values and verdicts: every key by the table, then what Swarm means where a key is absent."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.sophia.replatform.plugins.module_utils.stack.context import Context, dns_name
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Options, Service, Stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.rules_deploy import walk
from ansible_collections.sophia.replatform.plugins.module_utils.stack.table import RULES
from ansible_collections.sophia.replatform.plugins.module_utils.stack.verdicts import Verdict

_SERVICE_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_SWARM_GRACE_SECONDS = 10
_START_FIRST = "the new pod starts first, so that no request is lost"
_WRITE_ORDER = "write order: stop-first where two must never run at once"


@dataclass
class Conversion:
    """Helm values, a verdict for every key, and the names of the secrets that must exist before a release."""

    values: dict[str, t.Any]
    verdicts: list[Verdict]
    secrets: list[str] = field(default_factory=list)


def convert(stack: Stack, options: Options, exclude: t.Container[str] = ()) -> Conversion:
    """Pure: the same stack and options give the same values. Raises C(StackError) for what can't be read at all."""
    for name in [*options.external, *options.handed_over]:
        if name not in stack.services:
            raise StackError(f"service '{name}' is named as external or handed over, but no stack file has it")
    services: dict[str, t.Any] = {}
    verdicts: list[Verdict] = []
    for name, service in stack.services.items():
        if name in exclude:
            verdicts.append(Verdict(name, "(service)", "reported", "left out by the operator"))
            continue
        ctx = _convert_service(service, stack, options)
        services[name] = ctx.values
        verdicts.extend(ctx.verdicts)
    _share_volumes(services)
    used = {item["config"] for values in services.values() for item in values.get("configs", [])}
    configs = {dns_name(c.name): c.content for c in stack.configs.values() if dns_name(c.name) in used}
    secrets = sorted({item["key"] for values in services.values() for item in values.get("secrets", [])})
    return Conversion({"stack": stack.name, "services": services, "configs": configs}, verdicts, secrets)


def _convert_service(service: Service, stack: Stack, options: Options) -> Context:
    if "image" not in service.keys:
        raise StackError(f"{service.where()}: 'image' is missing")
    ctx = Context(service, stack, options)
    if not _SERVICE_NAME.fullmatch(service.name):
        ctx.refused("(name)", f"'{service.name}' can't be a Service's name, by which its peers call it; rename it")
    walk(RULES)(ctx, "", service.keys)
    _absent(ctx)
    _finish(ctx)
    return ctx


def _absent(ctx: Context) -> None:
    """What Swarm does without being told, said openly."""
    if "stopGraceSeconds" not in ctx.values:
        ctx.values["stopGraceSeconds"] = _SWARM_GRACE_SECONDS
        ctx.mapped("(stop_grace_period)", "Swarm's default of 10 s, not Kubernetes' 30 s")
    if "healthcheck" not in ctx.service.keys:
        ctx.reported("(healthcheck)", "a HEALTHCHECK of the image, if it has one, is not run; write it in the stack")
    if "ports" not in ctx.values:
        ctx.mapped("(ports)", "none: a headless Service, so that peers resolve its name")


def _finish(ctx: Context) -> None:
    """What follows from several keys together: the kind of workload, and how it is updated."""
    values = ctx.values
    mode = values.pop("mode", "replicated")
    replicas = values.pop("replicas", 1)
    claims = any("claim" in item for item in values.get("volumes", []))
    values["kind"] = "DaemonSet" if mode == "global" else "StatefulSet" if claims else "Deployment"
    if mode == "global" and claims:
        ctx.refused("volumes", "a volume a node can't be claimed by a global service; mount a path of the node")
    if mode != "global":
        values["replicas"] = replicas
    if claims and replicas > 1:
        ctx.approximated("(volumes)", "each replica has a volume of its own; on Swarm those on one node share it")
    _requests(values)
    _update(ctx, values)
    values["preStopSeconds"] = ctx.options.pre_stop_seconds if values.get("ports") else 0
    _external(ctx, values)


def _requests(values: dict[str, t.Any]) -> None:
    """Swarm reserves nothing where only a limit is given; Kubernetes would reserve the limit."""
    resources = values.get("resources", {})
    for name in ("cpu", "memory"):
        if name in resources.get("limits", {}):
            resources.setdefault("requests", {}).setdefault(name, "0")


def _update(ctx: Context, values: dict[str, t.Any]) -> None:
    update, host_ports = values.pop("update", {}), values.pop("hostPorts", False)
    parallelism = update.get("parallelism", 1) or "100%"
    values["minReadySeconds"] = update.get("minReadySeconds", 0)
    order = update.get("order")
    if values["kind"] != "Deployment":
        if order == "start-first":
            ctx.approximated("(update order)", f"a {values['kind']} stops a pod before it starts its successor")
        if values["kind"] == "DaemonSet":
            values["strategy"] = {"maxUnavailable": parallelism}
        return
    crowded = values.get("onePerNode") and ctx.options.nodes and values["replicas"] >= len(ctx.options.nodes)
    if crowded or (order == "stop-first" and not host_ports):
        values["strategy"] = {"maxSurge": 0, "maxUnavailable": parallelism}
        if order != "stop-first":
            ctx.approximated("(update order)", "one a node and a replica on each: the old pod stops first")
        return
    values["strategy"] = {"maxSurge": parallelism, "maxUnavailable": 0}
    if order == "stop-first":
        ctx.approximated("(update order)", f"its tasks share a port of the host, pods do not: {_START_FIRST}")
    elif order is None:
        ctx.approximated("(update order)", f"Swarm's default is stop-first; here {_START_FIRST}; {_WRITE_ORDER}")


def _external(ctx: Context, values: dict[str, t.Any]) -> None:
    """A data service that is still served from elsewhere: its plain name points there until it is handed over."""
    given = ctx.options.external.get(ctx.service.name)
    if given is None:
        return
    if not given.get("port"):
        raise StackError(f"{ctx.service.where()}: external, but nothing says on which address and port it is served")
    port = int(given["port"])
    ports = values.get("ports", [])
    if len(ports) != 1 and all(item["port"] != port for item in ports):
        raise StackError(f"{ctx.service.where()}: external port {port} is none of its {len(ports)} ports")
    handed_over = ctx.service.name in ctx.options.handed_over
    if not given.get("addresses") and not handed_over:
        raise StackError(f"{ctx.service.where()}: external and not handed over, but it has no address")
    values["external"] = {"addresses": sorted(given.get("addresses", [])), "port": port}
    values["handedOver"] = handed_over


def _share_volumes(services: dict[str, t.Any]) -> None:
    """A volume that two services mount is one claim; one of a single service belongs to each of its replicas."""
    users: dict[str, set[str]] = {}
    for name, values in services.items():
        for item in values.get("volumes", []):
            if "claim" in item:
                users.setdefault(item["claim"]["volume"], set()).add(name)
    for values in services.values():
        for item in values.get("volumes", []):
            if "claim" in item:
                item["claim"]["shared"] = len(users[item["claim"]["volume"]]) > 1
