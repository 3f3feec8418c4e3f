# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What role C(swarm_retirement) keeps of a Swarm, and what it has kept, looked at before anything is done with it."""

from __future__ import annotations

import base64
import binascii
import json
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError

_PARTS: dict[str, type] = {"nodes": list, "objects": dict, "specs": dict}
_OBJECTS = ("networks", "secrets", "configs")


def read(path: str) -> dict[str, t.Any]:
    """C(nodes), C(objects) and C(specs). Raises C(ReplatformError), with no word of the file, where they are not there."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except OSError as exc:
        raise ReplatformError(f"kept: {path} can't be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise ReplatformError(f"kept: {path} is not JSON") from exc
    whole = isinstance(found, dict) and all(isinstance(found.get(part), kind) for part, kind in _PARTS.items())
    if not whole or not all(isinstance(found["objects"].get(part), list) for part in _OBJECTS):
        raise ReplatformError(f"kept: {path} is not what a retirement has kept: it lacks nodes, objects or specs")
    return dict(found)


def to_keep(now: t.Mapping[str, t.Any], files: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    """What to keep of a Swarm: O(now), what it is, and what the fullest of O(files), of equal ones the first, has beside that.

    A stack that lacks services that were kept of the same Swarm is one that a retirement has begun to remove. What it still has may
    have been changed since, or have come; once it has none, O(now) tells nothing of what it was.
    """
    whole = [file for file in files if _is_same_swarm(file, now) and _lacks(now, file)]
    was = max(whole, key=lambda file: len(file["specs"]), default=now)
    if not now["specs"]:
        return dict(was)
    objects = {kind: _with(things, was["objects"][kind]) for kind, things in now["objects"].items()}
    return {**now, "objects": objects, "specs": {**was["specs"], **now["specs"]}}


def _is_same_swarm(file: t.Mapping[str, t.Any], now: t.Mapping[str, t.Any]) -> bool:
    """Whether O(file) was kept of the Swarm that is there O(now)."""
    return bool((file.get("cluster") or {}).get("id") == now["cluster"]["id"])


def _lacks(now: t.Mapping[str, t.Any], file: t.Mapping[str, t.Any]) -> bool:
    """Whether the stack has lost services since. One without any tells nothing of what it was."""
    return not now["specs"] or bool(file["specs"].keys() - now["specs"].keys())


def _with(things: t.Sequence[t.Mapping[str, t.Any]], more: t.Sequence[t.Mapping[str, t.Any]]) -> list[t.Any]:
    """What is there, and of O(more) what has another name."""
    names = {thing["name"] for thing in things}
    return [*things, *(thing for thing in more if thing["name"] not in names)]


def values(secrets: t.Mapping[str, t.Any]) -> dict[str, bytes]:
    """The values of secrets, by name, from their base64. Raises C(ReplatformError), without the value, for what is none."""
    found = {}
    for name, value in secrets.items():
        try:
            found[name] = base64.b64decode(str(value), validate=True)
        except (binascii.Error, ValueError):
            raise ReplatformError(f"secrets: the value of {name} is not base64") from None
    return found
