# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""C(${VAR}) in stack files, as docker stack deploy reads it (docker/cli cli/compose/template/template.go).

Forms: C($VAR), C(${VAR}), C(${VAR:-default}), C(${VAR-default}), C(${VAR:?error}), C(${VAR?error}), and C($$) for a
dollar sign. The compose specification adds C(${VAR:+other}), C(${VAR+other}), and variables within a default. Unlike
Docker, which writes an empty string, a variable that is missing and has no default is an error.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError

_NAMED = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_BRACED = re.compile(r"\{([_a-zA-Z][_a-zA-Z0-9]*)(?:(:?[-?+])|(?=\}))")
_MAX_DEPTH = 10


def interpolate_text(text: str, environment: t.Mapping[str, str], where: str) -> str:
    """C(text) with its variables filled in; C(where) names file, service and key in errors."""
    return _fill(text, environment, where, 0)


def _fill(text: str, environment: t.Mapping[str, str], where: str, depth: int) -> str:
    if depth > _MAX_DEPTH:
        raise StackError(f"{where}: variables are nested more than {_MAX_DEPTH} deep")
    parts: list[str] = []
    position = 0
    while True:
        start = text.find("$", position)
        parts.append(text[position:start] if start >= 0 else text[position:])
        if start < 0:
            return "".join(parts)
        following = text[start + 1 : start + 2]
        if following == "$":
            parts.append("$")
            position = start + 2
            continue
        named, braced = _NAMED.match(text, start + 1), _BRACED.match(text, start + 1)
        if named:
            parts.append(_value(named.group(), "", "", environment, where))
            position = named.end()
            continue
        end = _closing(text, braced.end()) if braced else -1
        if braced is None or end < 0:
            raise StackError(f"{where}: '{text[start : start + 20]}' is not a variable; write $$ for a $")
        # Only the branch that is taken is read, so that a missing variable in the other one is no error.
        name, operator, rest = braced.group(1), braced.group(2) or "", text[braced.end() : end]
        chosen = _choose(name, operator, environment)
        if chosen == "rest":
            parts.append(_fill(rest, environment, where, depth + 1))
        elif chosen == "value":
            parts.append(_value(name, operator, rest, environment, where))
        position = end + 1


def _closing(text: str, position: int) -> int:
    """Where the brace that is open at C(position) closes, or -1."""
    depth = 0
    while position < len(text):
        if text.startswith("${", position):
            depth += 1
            position += 1
        elif text[position] == "}":
            if depth == 0:
                return position
            depth -= 1
        position += 1
    return -1


def _choose(name: str, operator: str, environment: t.Mapping[str, str]) -> str:
    """C(rest) for what is written after the operator, C(nothing), or C(value)."""
    given = bool(environment.get(name)) if operator.startswith(":") else name in environment
    if operator.endswith("+"):
        return "rest" if given else "nothing"
    return "rest" if operator.endswith("-") and not given else "value"


def _value(name: str, operator: str, rest: str, environment: t.Mapping[str, str], where: str) -> str:
    value = environment.get(name)
    if operator.endswith("?") and (value is None or (operator.startswith(":") and not value)):
        raise StackError(f"{where}: variable {name} is required: {rest or 'no value is given'}")
    if value is None:
        raise StackError(f"{where}: variable {name} has no value and no default; give it in 'environment'")
    return value


def interpolate(node: t.Any, environment: t.Mapping[str, str], where: str) -> t.Any:
    """A copy of a YAML tree with every string value (never a key) interpolated."""
    if isinstance(node, str):
        return interpolate_text(node, environment, where) if "$" in node else node
    if isinstance(node, dict):
        return {key: interpolate(value, environment, f"{where}.{key}") for key, value in node.items()}
    if isinstance(node, list):
        return [interpolate(item, environment, f"{where}[{i}]") for i, item in enumerate(node)]
    return node
