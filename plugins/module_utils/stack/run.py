# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a module's parameters to its result: files read, converted, compared with what runs, judged."""

from __future__ import annotations

import os
import typing as t
from dataclasses import fields

from ansible_collections.sophia.replatform.plugins.module_utils.stack import standing
from ansible_collections.sophia.replatform.plugins.module_utils.stack.convert import convert
from ansible_collections.sophia.replatform.plugins.module_utils.stack.drift import drift
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from ansible_collections.sophia.replatform.plugins.module_utils.stack.load import load_stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Options, Stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.public import public
from ansible_collections.sophia.replatform.plugins.module_utils.stack.verdicts import (
    MAPPED,
    REFUSED,
    Verdict,
    markdown,
    summary,
)

_SHOWN = 5


def stack_values(params: t.Mapping[str, t.Any]) -> tuple[dict[str, t.Any], str]:
    """The result of M(sophia.replatform.stack_values), and why it must fail, or an empty string."""
    texts = {os.path.basename(path): _read(path) for path in params["stack_files"]}
    folder = os.path.dirname(os.path.abspath(params["stack_files"][0]))
    environment = {str(key): _text(value) for key, value in params["environment"].items()}
    stack = load_stack(texts, environment, params["stack"], lambda name: _read(os.path.join(folder, name)))
    given = {item.name: params[item.name] for item in fields(Options) if item.name in params}
    current, live = params["current"] or {}, params["live"] or []
    given["handed_over"] = standing.handed_over(params["handed_over"], current)
    given["external"] = standing.external(params["external"], live, current)
    given["nodes"] = standing.nodes(params["nodes"], current)
    options = Options(**given)
    converted = convert(stack, options, params["exclude"])
    converted.values["swarmNodes"] = given["nodes"]
    rows: list[dict[str, t.Any]] = []
    verdicts = converted.verdicts
    if params["live"] is not None:
        rows, more = drift(converted.values, stack, params["live"], params["exclude"])
        verdicts = verdicts + more
    result = {
        "values": converted.values,
        "values_public": public(converted.values),
        "verdicts": [item.as_dict() for item in verdicts],
        "summary": summary(verdicts),
        "markdown": markdown(verdicts, stack.name, rows),
        "drift": rows,
        "secrets": converted.secrets,
    }
    return result, _reason(verdicts, stack, ", ".join(texts), params["strict"])


def _reason(verdicts: t.Sequence[Verdict], stack: Stack, files: str, strict: bool) -> str:
    bad = [item for item in verdicts if item.verdict == REFUSED or (strict and item.verdict != MAPPED)]
    lines = []
    for item in bad[:_SHOWN]:
        service = stack.services.get(item.service)
        where = service.where(item.key) if service else f"{files}: service '{item.service}': {item.key}"
        lines.append(f"{where}: {item.verdict}: {item.note}")
    more = f"; and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    return "; ".join(lines) + more


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.read()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
        raise StackError(f"{path}: can't be read: {reason}") from exc


def _text(value: t.Any) -> str:
    """A YAML boolean in an inventory is written as Docker's users write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
