# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The audit as a Markdown page."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.repository.audit.comparison import compare
from ansible_collections.sophia.replatform.plugins.module_utils.repository.audit.text import sections
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import shown

_SPECIAL = re.compile(r"[\\`*_<>\[\]|]")


def markdown(name: str, audit: t.Mapping[str, t.Any], limit: int, before: t.Mapping[str, t.Any] | None = None) -> str:
    """The audit O(name) as a page; with O(before), an earlier audit, its figures stand beside."""
    lines = [
        f"# Repository audit: {_plain(name)}",
        "",
        f"After {audit['moves']} moves the root would hold {audit['root_files_after']} files; fewer than {limit} are wanted.",
        "",
    ]
    if before is None:
        lines += ["| figure | now |", "|---|---:|"]
        lines += [f"| {_plain(row['figure'])} | {row['after']:,} |" for row in compare(None, audit)]
    else:
        lines += ["| figure | before | now |", "|---|---:|---:|"]
        lines += [
            f"| {_plain(row['figure'])} | {row['before']:,} | {row['after']:,} |" for row in compare(before, audit)
        ]
    for title, items in sections(audit, _code, _plain):
        lines += ["", f"## {title}", "", *(f"- {item}" for item in items)]
    return "\n".join(lines) + "\n"


def _code(path: str) -> str:
    """A path as code; one with backticks is fenced by more of them than it has in a row."""
    line = shown(path)
    fence = "`"
    while fence in line:
        fence += "`"
    pad = " " if len(fence) > 1 or line.startswith(" ") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def _plain(words: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", shown(words).strip())
