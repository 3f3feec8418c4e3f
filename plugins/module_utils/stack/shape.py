# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Type checks with messages that name file, service and key."""

from __future__ import annotations

import shlex
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError


def fail(where: str, value: t.Any, wanted: str) -> t.NoReturn:
    """Raise for a value of the wrong type."""
    raise StackError(f"{where}: {wanted} is wanted, not {type(value).__name__} {str(value)[:40]!r}")


def as_mapping(value: t.Any, where: str) -> dict[str, t.Any]:
    """A mapping; nothing counts as an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        fail(where, value, "a mapping")
    return value


def as_list(value: t.Any, where: str) -> list[t.Any]:
    """A list; nothing counts as an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        fail(where, value, "a list")
    return value


def as_str(value: t.Any, where: str) -> str:
    """A string; a number is taken as it is written."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        fail(where, value, "a string")
    return str(value)


def as_int(value: t.Any, where: str) -> int:
    """A whole number, or a string that holds one (an interpolated variable does)."""
    if isinstance(value, str) and value.strip().lstrip("-").isdigit():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        fail(where, value, "a whole number")
    return value


def as_bool(value: t.Any, where: str) -> bool:
    """A boolean, or a string that holds one."""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        fail(where, value, "true or false")
    return value


def as_strings(value: t.Any, where: str) -> list[str]:
    """A list of strings, or one string."""
    if isinstance(value, str):
        return [value]
    return [as_str(item, f"{where}[{i}]") for i, item in enumerate(as_list(value, where))]


def as_words(value: t.Any, where: str) -> list[str]:
    """A command: a list as it is, a string split as a shell would (docker/cli uses google/shlex)."""
    if isinstance(value, str):
        try:
            return shlex.split(value)
        except ValueError as exc:
            raise StackError(f"{where}: {exc}") from exc
    return as_strings(value, where)


def as_pairs(value: t.Any, where: str) -> dict[str, str | None]:
    """C(NAME=value) lines or a mapping, as environment and labels are written; a name alone has no value."""
    if isinstance(value, dict):
        pairs: dict[str, str | None] = {}
        for key, item in value.items():
            if isinstance(item, bool):
                fail(f"{where}.{key}", item, "a quoted string")
            pairs[key] = None if item is None else as_str(item, f"{where}.{key}")
        return pairs
    lines = [as_str(item, f"{where}[{i}]") for i, item in enumerate(as_list(value, where))]
    return {name: (rest if sep else None) for name, sep, rest in (line.partition("=") for line in lines)}
