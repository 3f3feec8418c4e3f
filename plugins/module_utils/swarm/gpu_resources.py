# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which generic resources of a Swarm are GPUs, and how many of them a task reserves. Pure."""

from __future__ import annotations

import typing as t


def reserved(spec: t.Mapping[str, t.Any], kinds: t.Collection[str] = ()) -> int:
    """How many GPUs a task of the spec C(TaskTemplate) reserves."""
    reservations = (spec.get("Resources") or {}).get("Reservations") or {}
    count = 0
    for resource in reservations.get("GenericResources") or []:
        named = resource.get("NamedResourceSpec")
        one = named or resource.get("DiscreteResourceSpec") or {}
        if is_gpu(one.get("Kind", ""), kinds):
            count += 1 if named else int(one.get("Value", 0))
    return count


def is_gpu(kind: str, kinds: t.Collection[str] = ()) -> bool:
    """Whether a generic resource is a GPU by its name."""
    return kind in kinds if kinds else "gpu" in kind.lower()
