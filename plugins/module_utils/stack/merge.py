# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two stack files that name the same service, as docker/cli cli/compose/loader/merge.go makes one of them."""

from __future__ import annotations

import typing as t

_WHOLE = ("command", "entrypoint", "healthcheck.test", "networks.*.aliases", "ulimits.*")
"""Of these the later file's counts alone."""


def merge(first: t.Any, second: t.Any, key: str) -> t.Any:
    """C(first) with C(second) over it. Mappings merge and lists are joined; an entry is told by what it is for."""
    if isinstance(first, dict) and isinstance(second, dict):
        if key == "logging" and first.get("driver") and second.get("driver") not in (None, first["driver"]):
            return second
        merged = dict(first)
        for name, value in second.items():
            below = f"{key}.{name}" if key else name
            general = f"{key}.*" if key in ("networks", "ulimits") else below
            if key.startswith("networks.") and name == "aliases":
                general = "networks.*.aliases"
            whole = name not in first or general in _WHOLE
            merged[name] = value if whole else merge(first[name], value, below)
        return merged
    if isinstance(first, list) and isinstance(second, list):
        entries = {_identity(item, key): item for item in [*first, *second]}
        return list(entries.values())
    return first if second is None else second


def _identity(item: t.Any, key: str) -> t.Any:
    """A mount is told by its target, a secret and a config by its source, everything else by all of it."""
    if key == "volumes":
        if isinstance(item, dict):
            return str(item.get("target"))
        parts = str(item).split(":")
        return parts[0] if len(parts) == 1 else parts[1]
    if key in ("secrets", "configs"):
        return str(item.get("source")) if isinstance(item, dict) else str(item)
    return repr(item)
