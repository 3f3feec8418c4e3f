# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules for C(deploy): how many, where, how started again, how updated."""

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
    seconds,
    whole_seconds,
)
from ansible_collections.sophia.replatform.plugins.module_utils.stack.rules_process import labels
from ansible_collections.sophia.replatform.plugins.module_utils.stack.rules_resources import (
    amount,
    generic_resources,
    gpus,
)
from ansible_collections.sophia.replatform.plugins.module_utils.stack.shape import (
    as_int,
    as_mapping,
    as_pairs,
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
            elif item is None or (item in ([], {}) and name != "healthcheck"):
                ctx.mapped(here, "empty: it says nothing")
            else:
                table[name](ctx, here, item)

    return rule


def note(text: str) -> Rule:
    """A key that has no Kubernetes meaning."""

    def rule(ctx: Context, key: str, value: t.Any) -> None:
        ctx.reported(key, text)

    return rule


def refusal(text: str) -> Rule:
    """A key that can't be left out without another behaviour; C(text) is the mend."""

    def rule(ctx: Context, key: str, value: t.Any) -> None:
        ctx.refused(key, text)

    return rule


def mode(ctx: Context, key: str, value: t.Any) -> None:
    text = as_str(value, ctx.where(key))
    if text not in ("replicated", "global", "replicated-job", "global-job"):
        raise StackError(f"{ctx.where(key)}: '{text}' is not a mode")
    if text.endswith("-job") and not ctx.options.workload_keys:
        ctx.refused(key, "a job would be started again for ever; run it as a Kubernetes Job and exclude the service")
        return
    ctx.values["mode"] = text
    ctx.mapped(key, {"global": "a DaemonSet", "replicated": ""}.get(text, "a Job"))


def replicas(ctx: Context, key: str, value: t.Any) -> None:
    count = as_int(value, ctx.where(key))
    if count < 0:
        raise StackError(f"{ctx.where(key)}: {count} replicas")
    if str((ctx.service.keys.get("deploy") or {}).get("mode", "")).startswith("global"):
        ctx.refused(key, "a global service has a task on each node; docker stack deploy refuses a number too")
        return
    ctx.values["replicas"] = count
    ctx.mapped(key)


def endpoint_mode(ctx: Context, key: str, value: t.Any) -> None:
    if as_str(value, ctx.where(key)) == "vip":
        ctx.mapped(key)
    else:
        ctx.approximated(key, "peers get one cluster address that balances, not one address a task")


def restart_condition(ctx: Context, key: str, value: t.Any) -> None:
    text = as_str(value, ctx.where(key))
    if text not in ("none", "on-failure", "any"):
        raise StackError(f"{ctx.where(key)}: '{text}' is not none, on-failure or any")
    ctx.values["restart"] = {**ctx.values.get("restart", {}), "condition": text}
    if is_job(ctx):
        ctx.mapped(key, "how the Job's pods are started again")
    elif text == "any":
        ctx.mapped(key)
    elif text == "on-failure":
        ctx.approximated(key, "a pod is started again also when its process ends with 0")
    elif ctx.options.workload_keys and (ctx.service.keys.get("deploy") or {}).get("mode") != "global":
        ctx.approximated(key, "a Job: its pods run once; nothing is rolled when the service changes")
    else:
        ctx.refused(key, "Kubernetes would start it again for ever; run it as a Job and exclude the service")


def max_attempts(ctx: Context, key: str, value: t.Any) -> None:
    count = as_int(value, ctx.where(key))
    ctx.values["restart"] = {**ctx.values.get("restart", {}), "max_attempts": count}
    if is_job(ctx):
        ctx.approximated(key, "backoffLimit: counted for the whole Job, not for each task")
    else:
        ctx.reported(key, "Kubernetes does not give up: it waits longer each time")


def is_job(ctx: Context) -> bool:
    """Whether its tasks run to an end, whichever key comes first."""
    return str((ctx.service.keys.get("deploy") or {}).get("mode", "")).endswith("-job")


def restart(ctx: Context, key: str, value: t.Any) -> None:
    """docker stack deploy reads it where C(deploy.restart_policy) is absent (cli/compose/convert/service.go)."""
    text = as_str(value if value is not False else "no", ctx.where(key))
    condition, _sep, count = text.partition(":")
    if condition not in ("no", "always", "unless-stopped", "on-failure") or (count and not count.isdigit()):
        raise StackError(f"{ctx.where(key)}: '{text}' is not no, always, unless-stopped or on-failure[:N]")
    if (ctx.service.keys.get("deploy") or {}).get("restart_policy"):
        ctx.reported(key, "deploy.restart_policy counts")
    elif condition == "no":
        ctx.reported(key, "Swarm starts a task again all the same, and so does Kubernetes; for once: condition none")
    elif condition == "on-failure":
        restart_condition(ctx, key, condition)
        ctx.values["restart"]["max_attempts"] = int(count or 0)
    else:
        ctx.mapped(key)


def order(ctx: Context, key: str, value: t.Any) -> None:
    text = as_str(value, ctx.where(key))
    if text not in ("stop-first", "start-first"):
        raise StackError(f"{ctx.where(key)}: '{text}' is not stop-first or start-first")
    ctx.values.setdefault("update", {})["order"] = text
    ctx.mapped(key)


def parallelism(ctx: Context, key: str, value: t.Any) -> None:
    count = as_int(value, ctx.where(key))
    if count < 0:
        raise StackError(f"{ctx.where(key)}: {count} tasks at once")
    ctx.values.setdefault("update", {})["parallelism"] = count
    ctx.mapped(key)


def delay(ctx: Context, key: str, value: t.Any) -> None:
    wait = whole_seconds(seconds(value, ctx.where(key)), least=0)
    ctx.values.setdefault("update", {})["minReadySeconds"] = wait
    ctx.approximated(key, "minReadySeconds: the wait is part of a pod's becoming available")


def failure_action(ctx: Context, key: str, value: t.Any) -> None:
    text = as_str(value, ctx.where(key))
    if text not in ("continue", "pause", "rollback"):
        raise StackError(f"{ctx.where(key)}: '{text}' is not continue, pause or rollback")
    if text == "rollback":
        ctx.approximated(key, "the whole release is rolled back when it does not become ready in time")
    else:
        ctx.reported(key, "a release that does not become ready in time is rolled back, whatever this says")


def deploy_labels(ctx: Context, key: str, value: t.Any) -> None:
    """Labels of the service, which Traefik reads its routes from once every port is known."""
    labels(ctx, key, value)
    ctx.labels = as_pairs(value, ctx.where(key))


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
    "devices": gpus,
}
_RESTART: dict[str, Rule] = {
    "condition": restart_condition,
    "delay": note("the kubelet waits 10 s, then twice as long each time, up to 5 min"),
    "max_attempts": max_attempts,
    "window": note("Kubernetes counts anew after 10 min without a failure"),
}

DEPLOY: dict[str, Rule] = {
    "mode": mode,
    "replicas": replicas,
    "endpoint_mode": endpoint_mode,
    "labels": deploy_labels,
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
