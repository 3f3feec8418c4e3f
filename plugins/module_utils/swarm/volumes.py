# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A volume as one Engine knows it. A Swarm has no list of volumes: each node has its own, of which some may have the same name."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.swarm.client import api_errors


def look(client: t.Any, name: str) -> dict[str, t.Any]:
    """C(exists), C(driver), C(device), C(path) and C(entries), as module C(volume_info) returns them."""
    with api_errors(f"read volume {name}"):
        # Not inspect_volume(): one that is not there would be an error.
        found = client.volumes(filters={"name": name}).get("Volumes") or []
    for volume in found:
        if volume["Name"] == name:  # the filter takes parts of names, too
            path = volume.get("Mountpoint") or ""
            driver, device = volume.get("Driver", ""), (volume.get("Options") or {}).get("device", "")
            return {"exists": True, "driver": driver, "device": device, "path": path, "entries": _count(path)}
    return {"exists": False, "driver": "", "device": "", "path": "", "entries": 0}


def _count(path: str) -> int:
    with contextlib.suppress(OSError):
        return len(os.listdir(path))
    return 0
