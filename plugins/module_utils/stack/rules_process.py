# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules for the process: image, command, environment, user, terminal, signals, health."""

from __future__ import annotations

import math
import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack import templates
from ansible_collections.sophia.replatform.plugins.module_utils.stack.context import (
    Context,
    dns_name,
    literal,
)
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from ansible_collections.sophia.replatform.plugins.module_utils.stack.forms import parse_healthcheck
from ansible_collections.sophia.replatform.plugins.module_utils.stack.http_check import http_get
from ansible_collections.sophia.replatform.plugins.module_utils.stack.quantities import (
    seconds,
    whole_seconds,
)
from ansible_collections.sophia.replatform.plugins.module_utils.stack.shape import (
    as_bool,
    as_pairs,
    as_str,
    as_strings,
    as_words,
)
from ansible_collections.sophia.replatform.plugins.module_utils.stack.tcp_check import tcp_port

_LOOK_SECONDS = 5.0
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_ANNOTATION = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def image(ctx: Context, key: str, value: t.Any) -> None:
    ctx.values["image"] = as_str(value, ctx.where(key))
    ctx.mapped(key)


def entrypoint(ctx: Context, key: str, value: t.Any) -> None:
    ctx.values["command"] = [literal(word) for word in as_words(value, ctx.where(key))]
    ctx.mapped(key)


def command(ctx: Context, key: str, value: t.Any) -> None:
    ctx.values["args"] = [literal(word) for word in as_words(value, ctx.where(key))]
    ctx.mapped(key)


def environment(ctx: Context, key: str, value: t.Any) -> None:
    """Every variable; a template of Swarm's becomes a field reference."""
    beside: list[templates.Field] = []
    env: list[dict[str, t.Any]] = []
    for name, raw in as_pairs(value, ctx.where(key)).items():
        here = f"{key}.{name}"
        if not _VARIABLE.fullmatch(name):
            ctx.refused(here, "Kubernetes takes letters, digits, '_', '-' and '.' in a variable's name alone")
            continue
        try:
            text, fields, note = templates.expand(ctx, raw or "")
        except StackError as exc:
            ctx.refused(here, str(exc))
            continue
        if len(fields) == 1 and text == f"$({fields[0].variable})":
            env.append(templates.reference(fields[0], name))
        else:
            beside += [item for item in fields if item not in beside]
            env.append({"name": name, "value": text})
        if note:
            ctx.approximated(here, note)
    ctx.values["env"] = [templates.reference(item, item.variable) for item in beside] + env
    ctx.mapped(key)


def env_file(ctx: Context, key: str, value: t.Any) -> None:
    ctx.mapped(key, "read into environment, which wins")


def label_file(ctx: Context, key: str, value: t.Any) -> None:
    as_strings(value, ctx.where(key))
    ctx.mapped(key, "read into labels, which win")


def working_dir(ctx: Context, key: str, value: t.Any) -> None:
    ctx.values["workingDir"] = as_str(value, ctx.where(key))
    ctx.mapped(key)


def user(ctx: Context, key: str, value: t.Any) -> None:
    text = as_str(value, ctx.where(key))
    name, _sep, group = text.partition(":")
    name = "0" if name == "root" else name
    group = "0" if group == "root" else group
    if not name.isdigit() or (group and not group.isdigit()):
        ctx.refused(key, f"'{text}' is a name that only the image knows; give its number")
        return
    security = ctx.values.setdefault("securityContext", {})
    security["runAsUser"] = int(name)
    if group:
        security["runAsGroup"] = int(group)
    if int(name):
        security["runAsNonRoot"] = True
    ctx.mapped(key)


def hostname(ctx: Context, key: str, value: t.Any) -> None:
    try:
        text, fields, _note = templates.expand(ctx, as_str(value, ctx.where(key)))
    except StackError:
        text, fields = "", list(templates.FIELDS.values())
    if fields:
        ctx.reported(key, "a template; the pod's name is its host name, and environment templates are carried")
        return
    label = dns_name(text.partition(".")[0])
    ctx.values["hostname"] = label
    if label == text:
        ctx.mapped(key)
    else:
        ctx.approximated(key, f"{label}: a pod's host name is one label in lower case")


def flag(name: str) -> t.Callable[[Context, str, t.Any], None]:
    """A boolean of the container."""

    def rule(ctx: Context, key: str, value: t.Any) -> None:
        ctx.values[name] = as_bool(value, ctx.where(key))
        ctx.mapped(key)

    return rule


def read_only(ctx: Context, key: str, value: t.Any) -> None:
    ctx.values.setdefault("securityContext", {})["readOnlyRootFilesystem"] = as_bool(value, ctx.where(key))
    ctx.mapped(key)


def capabilities(name: str) -> t.Callable[[Context, str, t.Any], None]:
    """C(cap_add) and C(cap_drop); Kubernetes writes them without C(CAP_)."""

    def rule(ctx: Context, key: str, value: t.Any) -> None:
        words = [word.upper().replace("CAP_", "", 1) for word in as_strings(value, ctx.where(key))]
        ctx.values.setdefault("securityContext", {}).setdefault("capabilities", {})[name] = words
        ctx.mapped(key)

    return rule


def stop_grace_period(ctx: Context, key: str, value: t.Any) -> None:
    grace = seconds(value, ctx.where(key))
    ctx.values["stopGraceSeconds"] = whole_seconds(grace, least=0)
    ctx.mapped(key)


def stop_signal(ctx: Context, key: str, value: t.Any) -> None:
    if as_str(value, ctx.where(key)).upper() in ("SIGTERM", "TERM", "15"):
        ctx.mapped(key)
    else:
        ctx.reported(key, "Kubernetes sends the image's STOPSIGNAL, else SIGTERM; set STOPSIGNAL in the image")


def labels(ctx: Context, key: str, value: t.Any) -> None:
    """Labels become annotations: their values are often no valid label values."""
    bad, routes = [], False
    pairs = as_pairs(value, ctx.where(key))
    for name, text in pairs.items():
        if name.startswith("traefik."):
            routes = True
        elif _ANNOTATION.fullmatch(name):
            ctx.values.setdefault("annotations", {})[name] = text or ""
        else:
            bad.append(name)
    if bad:
        ctx.reported(key, f"not a Kubernetes annotation name: {', '.join(sorted(bad))}")
    elif routes and key == "labels":
        ctx.reported(key, "Traefik reads the labels of a service under 'deploy'; these traefik.* labels make no route")
    elif routes and not ctx.options.workload_keys:
        ctx.reported(key, "traefik.* labels are routes: give them to the edge; the other labels became annotations")
    elif pairs and all(name.startswith("traefik.") for name in pairs):
        ctx.mapped(key, "routes, each with a verdict of its own")
    else:
        ctx.approximated(key, "annotations of the pods, not labels")


def _at_least(period: int, patience: float) -> dict[str, int]:
    """A probe every C(period) seconds that gives up after C(patience) seconds, not sooner."""
    return {"periodSeconds": period, "failureThreshold": max(1, math.ceil(patience / period))}


def _asked_by_the_kubelet(test: t.Sequence[str]) -> dict[str, t.Any] | None:
    """The probe without a process, where a check only asks for a page or opens a connection."""
    page, port = http_get(test), tcp_port(test)
    return {"httpGet": page} if page else {"tcpSocket": {"port": port}} if port else None


def healthcheck(ctx: Context, key: str, value: t.Any) -> None:
    """One check, three probes: Swarm waits for it before it sends traffic, and replaces a task that fails it."""
    check = parse_healthcheck(value, ctx.where(key))
    if not check.test:
        ctx.mapped(key, "switched off: no probe")
        return
    shell = check.test[0] == "CMD-SHELL"
    argv = ["/bin/sh", "-c", check.test[1]] if shell else list(check.test[1:])
    asked = _asked_by_the_kubelet(check.test) if ctx.options.http_probes else None
    probe: dict[str, t.Any] = asked or {"exec": {"command": argv}}
    probe["timeoutSeconds"] = whole_seconds(check.timeout)
    steady = {"periodSeconds": whole_seconds(check.interval), "failureThreshold": check.retries}
    period = whole_seconds(min(check.interval, _LOOK_SECONDS) if check.start_interval is None else check.start_interval)
    ctx.values["probes"] = {
        "startup": {**probe, **_at_least(period, check.start_period + check.retries * check.interval)},
        # It costs little: ask often, so that a pod that is ready is used soon, and judge as late as Swarm does.
        "readiness": {**probe, **(_at_least(period, check.retries * check.interval) if asked else steady)},
        "liveness": {**probe, **steady},
    }
    times = [check.interval, check.timeout, check.start_interval or 1.0]
    if asked:
        ctx.approximated(key, "asked by the kubelet at the pod's address, with no process in the container")
    elif any(item != int(item) for item in times):
        ctx.approximated(key, "Kubernetes counts whole seconds: rounded up")
    else:
        ctx.mapped(key, "startup, readiness and liveness probes")
