# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules for keys that the compose specification has and docker stack deploy does not take."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.context import Context
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from ansible_collections.sophia.replatform.plugins.module_utils.stack.placement import ARCHITECTURES
from ansible_collections.sophia.replatform.plugins.module_utils.stack.shape import (
    as_int,
    as_pairs,
    as_str,
)


def pod_annotations(ctx: Context, key: str, value: t.Any) -> None:
    pairs = as_pairs(value, ctx.where(key))
    ctx.values.setdefault("annotations", {}).update({name: text or "" for name, text in pairs.items()})
    ctx.mapped(key)


def scale(ctx: Context, key: str, value: t.Any) -> None:
    """C(deploy.replicas) counts where both are there."""
    count = as_int(value, ctx.where(key))
    if count < 0:
        raise StackError(f"{ctx.where(key)}: {count} replicas")
    if "replicas" in (ctx.service.keys.get("deploy") or {}):
        ctx.reported(key, "deploy.replicas counts")
        return
    ctx.values["replicas"] = count
    ctx.mapped(key)


def runtime(ctx: Context, key: str, value: t.Any) -> None:
    name = as_str(value, ctx.where(key))
    if name == "runc":
        ctx.mapped(key, "what a node uses anyway")
        return
    ctx.values["runtimeClassName"] = name
    ctx.approximated(key, f"the cluster must have a RuntimeClass {name}")


def platform(ctx: Context, key: str, value: t.Any) -> None:
    """C(os/arch) or C(os/arch/variant)."""
    words = as_str(value, ctx.where(key)).lower().split("/")
    expressions = [{"key": "kubernetes.io/os", "operator": "In", "values": [words[0]]}]
    if len(words) > 1:
        arch = ARCHITECTURES.get(words[1], words[1])
        expressions.append({"key": "kubernetes.io/arch", "operator": "In", "values": [arch]})
    ctx.values.setdefault("nodeExpressions", []).extend(expressions)
    if len(words) > 2:
        ctx.approximated(key, f"a node does not tell its variant '{words[2]}'")
    else:
        ctx.mapped(key, "nodes of that kind alone")
