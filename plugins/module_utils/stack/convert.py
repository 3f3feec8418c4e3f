# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The model to Helm values and verdicts: every key by the table, then what Swarm means where a key is absent."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.sophia.replatform.plugins.module_utils.stack.checks import between_services, mount_paths
from ansible_collections.sophia.replatform.plugins.module_utils.stack.context import Context, dns_name
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Options, Service, Stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.routes import routes
from ansible_collections.sophia.replatform.plugins.module_utils.stack.rules_deploy import walk
from ansible_collections.sophia.replatform.plugins.module_utils.stack.rules_network import networks
from ansible_collections.sophia.replatform.plugins.module_utils.stack.rules_top import entries, network_values
from ansible_collections.sophia.replatform.plugins.module_utils.stack.table import RULES
from ansible_collections.sophia.replatform.plugins.module_utils.stack.verdicts import (
    APPROXIMATED,
    MAPPED,
    REPORTED,
    Verdict,
)
from ansible_collections.sophia.replatform.plugins.module_utils.stack.workload import finish

_SERVICE_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_SWARM_GRACE_SECONDS = 10
_SWARM_DEFAULTS = {
    "restart_policy": (
        MAPPED,
        "any, 5 s apart, without end; a pod is started again likewise, further and further apart",
    ),
    "update_config": (
        APPROXIMATED,
        "one task at a time, paused when one fails; here a release that fails is rolled back",
    ),
    "rollback_config": (REPORTED, "one task at a time, stop-first; a rollback goes the way that an update goes"),
}
"""What is not in the file and holds all the same. Source: moby/swarmkit api/defaults/service.go."""


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
    contexts: dict[str, Context] = {}
    verdicts: list[Verdict] = []
    for name, service in stack.services.items():
        if name in exclude:
            verdicts.append(Verdict(name, "(service)", "reported", "left out by the operator"))
            continue
        contexts[name] = _convert_service(service, stack, options)
        verdicts.extend(contexts[name].verdicts)
    verdicts += between_services(list(contexts.values()))
    verdicts += entries(stack, options)
    services = {name: ctx.values for name, ctx in contexts.items()}
    _share_volumes(services)
    used = {item["config"] for values in services.values() for item in values.get("configs", [])}
    configs = {dns_name(c.name): c.content for c in stack.configs.values() if dns_name(c.name) in used}
    secrets = sorted({item["key"] for values in services.values() for item in values.get("secrets", [])})
    values: dict[str, t.Any] = {"stack": stack.name, "services": services, "configs": configs}
    if options.workload_keys:
        values["networks"] = network_values(stack, services)
        for protocol, key in (("http", "middlewares"), ("tcp", "tcpMiddlewares")):
            made = {name: item for ctx in contexts.values() for name, item in ctx.middlewares.get(protocol, {}).items()}
            values.update({key: dict(sorted(made.items()))} if made else {})
    return Conversion(values, verdicts, secrets)


def _convert_service(service: Service, stack: Stack, options: Options) -> Context:
    if "image" not in service.keys:
        raise StackError(f"{service.where()}: 'image' is missing")
    ctx = Context(service, stack, options)
    if not _SERVICE_NAME.fullmatch(service.name):
        ctx.refused("(name)", f"'{service.name}' can't be a Service's name, by which its peers call it; rename it")
    walk(RULES)(ctx, "", service.keys)
    for key, verdict, note in service.beside:
        ctx.say(key, verdict, note)
    if options.workload_keys:
        routes(ctx, "deploy.labels", ctx.labels)
    _absent(ctx)
    finish(ctx)
    mount_paths(ctx)
    _external(ctx, ctx.values)
    return ctx


def _absent(ctx: Context) -> None:
    """What Swarm does without being told, said openly."""
    if "stopGraceSeconds" not in ctx.values:
        ctx.values["stopGraceSeconds"] = _SWARM_GRACE_SECONDS
        ctx.mapped("(stop_grace_period)", "Swarm's default of 10 s, not Kubernetes' 30 s")
    if ctx.service.keys.get("healthcheck") is None:
        ctx.reported("(healthcheck)", "a HEALTHCHECK of the image, if it has one, is not run; write it in the stack")
    if "ports" not in ctx.values:
        ctx.mapped("(ports)", "none: a headless Service, so that peers resolve its name")
    if not ctx.service.keys.get("networks") and ctx.options.workload_keys:
        networks(ctx, "(networks)", None)
    deploy = ctx.service.keys.get("deploy") or {}
    for key, (verdict, note) in _SWARM_DEFAULTS.items():
        if not deploy.get(key) and not (key == "restart_policy" and ctx.service.keys.get("restart")):
            ctx.say(f"(deploy.{key})", verdict, f"Swarm's default: {note}")


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
    if given.get("singleton"):
        values["external"]["singleton"] = True
    values["handedOver"] = handed_over


def _share_volumes(services: dict[str, t.Any]) -> None:
    """A volume that two services mount, or a Job, is one claim; another belongs to each replica of its service."""
    users: dict[str, set[str]] = {}
    for name, values in services.items():
        for item in values.get("volumes", []):
            if "claim" in item:
                users.setdefault(item["claim"]["volume"], set()).add(name)
    for values in services.values():
        for item in values.get("volumes", []):
            if "claim" in item:
                item["claim"]["shared"] = len(users[item["claim"]["volume"]]) > 1 or values["kind"] == "Job"
