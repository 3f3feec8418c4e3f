# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules for C(deploy): how many, where, how updated, with what resources."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.context import Context, Rule
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from ansible_collections.sophia.replatform.plugins.module_utils.stack.placement import (
    constraints,
    max_replicas_per_node,
    preferences,
)
from ansible_collections.sophia.replatform.plugins.module_utils.stack.quantities import (
    kubernetes_cpu,
    kubernetes_size,
    seconds,
    size_bytes,
    whole_seconds,
)
from ansible_collections.sophia.replatform.plugins.module_utils.stack.rules_process import labels
from ansible_collections.sophia.replatform.plugins.module_utils.stack.shape import (
    as_int,
    as_list,
    as_mapping,
    as_str,
)

_PLACES = {
    "generic_resources": "deploy.resources.reservations",
    "limits": "deploy.resources",
    "placement": "deploy",
    "replicas": "deploy",
    "reservations": "deploy.resources",
    "resources": "deploy",
    "restart_policy": "deploy",
    "rollback_config": "deploy",
    "update_config": "deploy",
}
"""Where keys belong that are often written elsewhere."""


def walk(table: t.Mapping[str, Rule]) -> Rule:
    """A rule for a mapping: each of its keys by the rule in C(table); one that is not there is refused by name."""

    def rule(ctx: Context, key: str, value: t.Any) -> None:
        for name, item in as_mapping(value, ctx.where(key)).items():
            here = f"{key}.{name}" if key else name
            if name.startswith("x-"):
                ctx.reported(here, "an extension field: no meaning of its own")
            elif name not in table:
                place = _PLACES.get(name)
                hint = f"it belongs under {place}" if place else "docker stack deploy does not take it either"
                ctx.refused(here, f"unknown key; {hint}")
            elif item is not None:
                table[name](ctx, here, item)

    return rule


def note(text: str) -> Rule:
    """A key that has no Kubernetes meaning."""

    def rule(ctx: Context, key: str, value: t.Any) -> None:
        ctx.reported(key, text)

    return rule


def forbidden(ctx: Context, key: str, value: t.Any) -> None:
    """A key that docker stack deploy refuses."""
    ctx.refused(key, "not allowed in a stack; take it out")


def mode(ctx: Context, key: str, value: t.Any) -> None:
    text = as_str(value, ctx.where(key))
    if text not in ("replicated", "global", "replicated-job", "global-job"):
        raise StackError(f"{ctx.where(key)}: '{text}' is not a mode")
    if text.endswith("-job"):
        ctx.refused(key, "a job would be started again for ever; run it as a Kubernetes Job and exclude the service")
        return
    ctx.values["mode"] = text
    ctx.mapped(key, "a DaemonSet" if text == "global" else "")


def replicas(ctx: Context, key: str, value: t.Any) -> None:
    count = as_int(value, ctx.where(key))
    if count < 0:
        raise StackError(f"{ctx.where(key)}: {count} replicas")
    ctx.values["replicas"] = count
    ctx.mapped(key)


def endpoint_mode(ctx: Context, key: str, value: t.Any) -> None:
    if as_str(value, ctx.where(key)) == "vip":
        ctx.mapped(key)
    else:
        ctx.approximated(key, "peers get one cluster address that balances, not one address a task")


def restart_condition(ctx: Context, key: str, value: t.Any) -> None:
    text = as_str(value, ctx.where(key))
    if text == "any":
        ctx.mapped(key)
    elif text == "on-failure":
        ctx.approximated(key, "a pod is started again also when its process ends with 0")
    else:
        ctx.refused(key, "Kubernetes would start it again for ever; run it as a Job and exclude the service")


def order(ctx: Context, key: str, value: t.Any) -> None:
    text = as_str(value, ctx.where(key))
    if text not in ("stop-first", "start-first"):
        raise StackError(f"{ctx.where(key)}: '{text}' is not stop-first or start-first")
    ctx.values.setdefault("update", {})["order"] = text
    ctx.mapped(key)


def parallelism(ctx: Context, key: str, value: t.Any) -> None:
    ctx.values.setdefault("update", {})["parallelism"] = as_int(value, ctx.where(key))
    ctx.mapped(key)


def delay(ctx: Context, key: str, value: t.Any) -> None:
    wait = whole_seconds(seconds(value, ctx.where(key)), least=0)
    ctx.values.setdefault("update", {})["minReadySeconds"] = wait
    ctx.approximated(key, "minReadySeconds: the wait is part of a pod's becoming available")


def failure_action(ctx: Context, key: str, value: t.Any) -> None:
    text = as_str(value, ctx.where(key))
    if text == "rollback":
        ctx.approximated(key, "the whole release is rolled back when it does not become ready in time")
    else:
        ctx.reported(key, "a release that does not become ready in time is rolled back, whatever this says")


def amount(kind: str, resource: str) -> Rule:
    """A limit or a request of CPU or memory."""

    def rule(ctx: Context, key: str, value: t.Any) -> None:
        where = ctx.where(key)
        text = kubernetes_cpu(value, where) if resource == "cpu" else kubernetes_size(size_bytes(value, where))
        ctx.values.setdefault("resources", {}).setdefault(kind, {})[resource] = text
        ctx.mapped(key)

    return rule


def generic_resources(ctx: Context, key: str, value: t.Any) -> None:
    """Swarm's generic resources, of which GPUs are the ones that Kubernetes has a name for."""
    for i, item in enumerate(as_list(value, ctx.where(key))):
        where = f"{ctx.where(key)}[{i}]"
        spec = as_mapping(as_mapping(item, where).get("discrete_resource_spec"), where)
        kind, count = as_str(spec.get("kind", ""), where), as_int(spec.get("value"), where)
        resource = ctx.options.generic_resources.get(kind)
        if resource is None:
            ctx.refused(key, f"no Kubernetes resource is known for '{kind}'; name one in 'generic_resources'")
            continue
        limits = ctx.values.setdefault("resources", {}).setdefault("limits", {})
        limits[resource] = limits.get(resource, 0) + count
        if resource.startswith("nvidia.com/") and ctx.options.gpu_runtime_class:
            ctx.values["runtimeClassName"] = ctx.options.gpu_runtime_class
        ctx.mapped(key, f"{resource}: {count}")


_UPDATE: dict[str, Rule] = {
    "parallelism": parallelism,
    "order": order,
    "delay": delay,
    "failure_action": failure_action,
    "monitor": note("the time that a release may take is watched as a whole"),
    "max_failure_ratio": note("any pod that does not become ready fails the release"),
}
_ROLLBACK = "a rollback goes the way that an update goes"
_LIMITS: dict[str, Rule] = {
    "cpus": amount("limits", "cpu"),
    "memory": amount("limits", "memory"),
    "pids": note("the kubelet's podPidsLimit bounds processes, per node"),
}
_RESERVATIONS: dict[str, Rule] = {
    "cpus": amount("requests", "cpu"),
    "memory": amount("requests", "memory"),
    "generic_resources": generic_resources,
}
_RESTART: dict[str, Rule] = {
    "condition": restart_condition,
    "delay": note("the kubelet waits 10 s, then twice as long each time, up to 5 min"),
    "max_attempts": note("Kubernetes does not give up: it waits longer each time"),
    "window": note("Kubernetes counts anew after 10 min without a failure"),
}

DEPLOY: dict[str, Rule] = {
    "mode": mode,
    "replicas": replicas,
    "endpoint_mode": endpoint_mode,
    "labels": labels,
    "update_config": walk(_UPDATE),
    "rollback_config": walk({key: note(_ROLLBACK) for key in _UPDATE}),
    "restart_policy": walk(_RESTART),
    "resources": walk({"limits": walk(_LIMITS), "reservations": walk(_RESERVATIONS)}),
    "placement": walk(
        {
            "constraints": constraints,
            "preferences": preferences,
            "max_replicas_per_node": max_replicas_per_node,
        }
    ),
}
