# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pulumi's property paths, and the values that an opened environment has. Pure.

Source of the syntax: the section "Structured configuration" of Pulumi's documentation, and C(PropertyPath) of its SDKs:
C(root.nested), C(root["a key"]), C(root.list[0].more); within quotes a backslash stands before a quote.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError

_PART = re.compile(r'(?P<dot>\.)?(?P<name>[^.\[\]"]+)|\[(?P<index>[0-9]+)\]|\["(?P<quoted>(?:\\"|[^"])*)"\]')
_MANY = 10


def parse(path: str) -> list[str | int]:
    """The keys and indices of O(path). An empty path is the whole environment."""
    parts: list[str | int] = []
    at = 0
    while at < len(path):
        found = _PART.match(path, at)
        if not found or (found["name"] and bool(found["dot"]) != bool(at)):
            raise ReplatformError(
                f"path: '{path}' can't be read from '{path[at:]}' on; write root.nested, or root[\"a key\"][0]"
            )
        if found["index"] is not None:
            parts.append(int(found["index"]))
        elif found["quoted"] is not None:
            parts.append(found["quoted"].replace('\\"', '"'))
        else:
            parts.append(found["name"])
        at = found.end()
    return parts


def pick(values: t.Any, path: str) -> t.Any:
    """What O(values) has at O(path). Names the keys that are there, never a value, when it is not."""
    here: t.Any = values
    done = ""
    for part in parse(path):
        where = f"'{done}'" if done else "the environment"
        if isinstance(part, int):
            if not isinstance(here, list):
                raise ReplatformError(f"path: {where} is no list, so '{path}' is not there")
            if part >= len(here):
                raise ReplatformError(f"path: {where} has {len(here)} elements, so '{path}' is not there")
        elif not isinstance(here, dict) or part not in here:
            keys = sorted(here)[:_MANY] if isinstance(here, dict) else []
            has = f"it has {', '.join(keys)}" if keys else "it has no keys"
            raise ReplatformError(f"path: {where} has no '{part}', so '{path}' is not there; {has}")
        here = here[part]
        done += f"[{part}]" if isinstance(part, int) else (f".{part}" if done else str(part))
    return here


def plain(properties: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The values of O(properties), each as the API gives it: C(value), and C(unknown) when it could not be found out.

    The SDK's own conversion takes a property that is called "value" for such a wrapper, and loses what is beside it.
    """
    return {key: _plain(item, key) for key, item in properties.items()}


def _plain(item: t.Mapping[str, t.Any], where: str) -> t.Any:
    if item.get("unknown"):
        raise ReplatformError(f"environment: the value of '{where}' is not known; see what its provider says")
    value = item.get("value")
    if isinstance(value, dict):
        return {key: _plain(one, f"{where}.{key}") for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one, f"{where}[{index}]") for index, one in enumerate(value)]
    return value
