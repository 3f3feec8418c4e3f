# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Swarm's templates, such as C({{.Node.Hostname}}), as field references or as the text that they stand for.

Source: moby/swarmkit template/context.go.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.context import Context, literal
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from ansible_collections.sophia.replatform.plugins.module_utils.stack.shape import as_pairs

_TEMPLATE = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}")
_LABEL = re.compile(r"index\s+\.Service\.Labels\s+[\"`]([^\"`]+)[\"`]|\.Service\.Labels\.(\w+)")


class Field(t.NamedTuple):
    """A field of the pod, the variable that holds it where it stands beside other text, and what differs."""

    path: str
    variable: str
    note: str


FIELDS = {
    ".Node.Hostname": Field(
        "spec.nodeName", "SWARM_NODE_HOSTNAME", "the node's name is the Kubernetes one, in lower case"
    ),
    ".Node.ID": Field("spec.nodeName", "SWARM_NODE_ID", "the node's name, not the ID that Swarm gave it"),
    ".Task.Name": Field("metadata.name", "SWARM_TASK_NAME", "the pod's name"),
    ".Task.ID": Field("metadata.uid", "SWARM_TASK_ID", "the pod's UID"),
}


def expand(ctx: Context, text: str) -> tuple[str, list[Field], str]:
    """The text for Kubernetes, the fields that it refers to as C($(VARIABLE)), and what differs."""
    parts: list[str] = []
    fields: list[Field] = []
    position = 0
    for match in _TEMPLATE.finditer(text):
        parts.append(literal(text[position : match.start()]))
        position = match.end()
        field = FIELDS.get(match.group(1))
        if field is None:
            parts.append(literal(_constant(ctx, match.group(1))))
        else:
            parts.append(f"$({field.variable})")
            fields += [field] if field not in fields else []
    parts.append(literal(text[position:]))
    return "".join(parts), fields, "; ".join(field.note for field in fields)


def _constant(ctx: Context, name: str) -> str:
    deploy = ctx.service.keys.get("deploy") or {}
    if name == ".Service.Name":
        return f"{ctx.stack.name}_{ctx.service.name}"
    if (
        name == ".Task.Slot"
        and deploy.get("mode", "replicated") == "replicated"
        and deploy.get("replicas", 1) in (1, "1")
    ):
        return "1"
    label = _LABEL.fullmatch(name)
    if label:
        labels = as_pairs(deploy.get("labels"), ctx.where("deploy.labels"))
        return labels.get(label.group(1) or label.group(2)) or ""
    raise StackError(f"the template {{{{{name}}}}} has no counterpart; write the value, or drop the variable")


def reference(field: Field, name: str) -> dict[str, t.Any]:
    """The variable C(name), filled in by the kubelet."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": field.path}}}
