# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ports that a service's process listens on."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.context import Context


def listen(ctx: Context, port: int, protocol: str) -> dict[str, t.Any]:
    """The entry of the port in the values, made where there is none yet."""
    name = f"{protocol}-{port}"
    known: list[dict[str, t.Any]] = ctx.values.setdefault("ports", [])
    for entry in known:
        if entry["name"] == name:
            return entry
    known.append({"name": name, "port": port, "protocol": protocol.upper()})
    return known[-1]
