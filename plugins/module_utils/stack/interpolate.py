# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""C(${VAR}) in stack files, as docker stack deploy reads it (docker/cli cli/compose/template/template.go).

Forms: C($VAR), C(${VAR}), C(${VAR:-default}), C(${VAR-default}), C(${VAR:?error}), C(${VAR?error}), and C($$) for a
dollar sign. Unlike Docker, which writes an empty string, a variable that is missing and has no default is an error.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError

_PATTERN = re.compile(
    r"\$(?:"
    r"(?P<escaped>\$)|"
    r"(?P<named>[_a-zA-Z][_a-zA-Z0-9]*)|"
    r"\{(?P<braced>[_a-zA-Z][_a-zA-Z0-9]*)(?:(?P<op>:?[-?])(?P<rest>[^}]*))?\}|"
    r"(?P<invalid>)"
    r")"
)


def interpolate_text(text: str, environment: t.Mapping[str, str], where: str) -> str:
    """C(text) with its variables filled in; C(where) names file, service and key in errors."""

    def fill(match: t.Match[str]) -> str:
        if match.group("escaped"):
            return "$"
        name = match.group("named") or match.group("braced")
        if name is None:
            raise StackError(
                f"{where}: '{text[match.start() : match.start() + 20]}' is not a variable; write $$ for a $"
            )
        operator, rest = match.group("op") or "", match.group("rest") or ""
        value = environment.get(name)
        given = bool(value) if operator.startswith(":") else value is not None
        if given and value is not None:
            return value
        if operator.endswith("-"):
            return rest
        if operator.endswith("?"):
            raise StackError(f"{where}: variable {name} is required: {rest or 'no value is given'}")
        raise StackError(f"{where}: variable {name} has no value and no default; give it in 'environment'")

    return _PATTERN.sub(fill, text)


def interpolate(node: t.Any, environment: t.Mapping[str, str], where: str) -> t.Any:
    """A copy of a YAML tree with every string value (never a key) interpolated."""
    if isinstance(node, str):
        return interpolate_text(node, environment, where) if "$" in node else node
    if isinstance(node, dict):
        return {key: interpolate(value, environment, f"{where}.{key}") for key, value in node.items()}
    if isinstance(node, list):
        return [interpolate(item, environment, f"{where}[{i}]") for i, item in enumerate(node)]
    return node
