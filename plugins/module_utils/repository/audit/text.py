# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The audit as plain text: a table that is read in ten seconds, and below it what needs a second look."""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.repository.audit.comparison import compare
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import shown

COPIES = 10
Section = t.Tuple[str, t.List[str]]


def text(name: str, audit: t.Mapping[str, t.Any], limit: int, before: t.Mapping[str, t.Any] | None = None) -> str:
    """The audit O(name) as a page; with O(before), an earlier audit, its figures stand beside."""
    lines = [f"Repository audit: {shown(name)}", "", *table(audit, limit, before)]
    for title, items in sections(audit):
        lines += ["", title, *(f"  {item}" for item in items)]
    return "\n".join(lines) + "\n"


def table(audit: t.Mapping[str, t.Any], limit: int, before: t.Mapping[str, t.Any] | None) -> list[str]:
    """The figures, each in a line of its own."""
    found = compare(before, audit)
    width = max(len(shown(row["figure"])) for row in found)
    columns = ("before", "after") if before is not None else ("after",)
    heads = {"before": "before", "after": "now"}
    lines = [f"{'':{width}}" + "".join(f"{heads[column]:>14}" for column in columns)]
    for row in found:
        figures = "".join(f"{row[column]:>14,}" for column in columns)
        lines.append(f"{shown(row['figure']):{width}}{figures}{_remark(row, audit, limit)}")
    return lines


def _remark(row: t.Mapping[str, t.Any], audit: t.Mapping[str, t.Any], limit: int) -> str:
    if row["figure"] == "files in the root":
        after = f"{audit['root_files_after']} after the moves; " if audit["moves"] else ""
        return f"   {after}fewer than {limit} are wanted"
    if row["figure"] == "files to move" and audit["rewrites"]:
        return f"   and {audit['rewrites']} to rewrite"
    return ""


def sections(
    audit: t.Mapping[str, t.Any], mark: t.Callable[[str], str] = shown, say: t.Callable[[str], str] = shown
) -> list[Section]:
    """What stands below the table: titles and lines, without those that would be empty. O(mark) makes text of a path,
    O(say) of a sentence."""
    uncertain = collections.Counter(
        {target: len(found) for target, found in audit["references"].items() if not any(r["certain"] for r in found)}
    )
    astray = [one for one in audit["symlinks"] if one["leads"] != "inside"]
    found: list[Section] = [
        ("In the way", [say(fault) for fault in audit["faults"]]),
        (
            "Used, and no longer there",
            [f"{mark(one['path'])}: {one['kind']} {mark(one['file'])}:{one['line']}" for one in audit["broken"]],
        ),
        (
            "A rule matches, and yet it stays",
            [f"{mark(one['path'])}: {say(one['reason'])}" for one in audit["kept"]],
        ),
        (
            "Mentioned, with no certainty that it is used",
            [f"{mark(target)}: {_times(count)}" for target, count in uncertain.most_common()],
        ),
        ("Links that lead elsewhere", [f"{mark(one['path'])} -> {mark(one['to'])}: {one['leads']}" for one in astray]),
        ("Submodules", [mark(path) for path in audit["submodules"]]),
        ("Repositories in the repository, left alone", [mark(path) for path in audit["nested"]]),
        ("Largest", [f"{mark(one['path'])}: {one['bytes']:,} bytes" for one in audit["largest"]]),
        (
            "Most bytes in copies",
            [
                f"{len(one['paths'])} times {one['bytes']:,} bytes: {_first([mark(path) for path in one['paths']])}"
                for one in audit["copies"][:COPIES]
            ],
        ),
    ]
    return [(title, items) for title, items in found if items]


def _first(paths: t.Sequence[str], limit: int = 3) -> str:
    line = ", ".join(paths[:limit])
    return line + (f" and {len(paths) - limit} more" if len(paths) > limit else "")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
