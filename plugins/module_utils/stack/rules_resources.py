# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules for resources: CPU and memory, generic resources, GPUs."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.context import Context, Rule
from ansible_collections.sophia.replatform.plugins.module_utils.stack.quantities import (
    kubernetes_cpu,
    kubernetes_size,
    size_bytes,
)
from ansible_collections.sophia.replatform.plugins.module_utils.stack.shape import (
    as_int,
    as_list,
    as_mapping,
    as_str,
    as_strings,
)

DEVICE_KEYS = ("capabilities", "count", "device_ids", "driver", "options")


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
        extended(ctx, resource, count)
        ctx.mapped(key, f"{resource}: {count}")


def extended(ctx: Context, resource: str, count: int) -> None:
    """So many of an extended resource, and the RuntimeClass that NVIDIA's need."""
    limits = ctx.values.setdefault("resources", {}).setdefault("limits", {})
    limits[resource] = limits.get(resource, 0) + count
    if resource.startswith("nvidia.com/") and ctx.options.gpu_runtime_class:
        ctx.values["runtimeClassName"] = ctx.options.gpu_runtime_class


def gpus(ctx: Context, key: str, value: t.Any) -> None:
    """C(gpus) of a service, and C(deploy.resources.reservations.devices): so many of a kind, whichever they are."""
    if value == "all":
        ctx.refused(key, "how many 'all' are is not known: give a count")
        return
    for i, item in enumerate(as_list(value, ctx.where(key))):
        here = f"{key}[{i}]"
        request = as_mapping(item, ctx.where(here))
        unknown = sorted(name for name in request if name not in DEVICE_KEYS and not name.startswith("x-"))
        if unknown:
            ctx.refused(here, f"unknown key '{unknown[0]}'")
            continue
        words = as_strings(request.get("capabilities") or ["gpu"], ctx.where(here))
        driver = as_str(request.get("driver") or "nvidia", ctx.where(here))
        if "gpu" not in words or driver != "nvidia":
            ctx.refused(here, f"no device plugin is known for '{driver}' with {', '.join(words)}")
        elif request.get("count") == "all":
            ctx.refused(here, "how many 'all' are is not known: give a count")
        else:
            ids = as_list(request.get("device_ids"), ctx.where(here))
            count = len(ids) or as_int(request.get("count", 1), ctx.where(here))
            extended(ctx, "nvidia.com/gpu", count)
            which = ", whichever they are" if ids else ""
            ctx.approximated(here, f"nvidia.com/gpu: {count}{which}; docker stack deploy takes generic_resources alone")
