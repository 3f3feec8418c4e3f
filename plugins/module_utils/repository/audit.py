# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The audit of a repository as data and as text, from a survey. Pure."""

from __future__ import annotations

import collections
import typing as t
from dataclasses import asdict

from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import display
from ansible_collections.sophia.replatform.plugins.module_utils.repository.survey import Survey

LARGEST = 10


def summarise(survey: Survey) -> dict[str, t.Any]:
    """The figures of an audit: counts and bytes, the root, the categories, what would move and what stays."""
    plan = survey.plan
    present = [entry for entry in survey.entries if entry.size >= 0]
    categories: dict[str, dict[str, int]] = {}
    for entry in present:
        figures = categories.setdefault(survey.verdicts[entry.path].category, {"files": 0, "bytes": 0})
        figures["files"] += 1
        figures["bytes"] += entry.size
    largest = sorted(present, key=lambda entry: (-entry.size, entry.path))[:LARGEST]
    return {
        "files": len(present),
        "bytes": sum(entry.size for entry in present),
        "untracked": sum(not entry.tracked for entry in present),
        "root_files": plan.root_before,
        "root_folders": len({entry.path.split("/")[0] for entry in present if "/" in entry.path}),
        "root_files_after": plan.root_after,
        "moves": len(plan.moves),
        "categories": dict(sorted(categories.items())),
        "largest": [{"path": display(entry.path), "bytes": entry.size} for entry in largest],
        "kept": [{"path": display(path), "reason": display(why)} for path, why in sorted(plan.kept.items())],
        "faults": [display(fault) for fault in plan.faults],
        "remaining": [display(path) for path in plan.remaining],
    }


def in_full(survey: Survey) -> dict[str, t.Any]:
    """The summary with every file's verdict and every reference."""
    files = []
    for entry in survey.entries:
        verdict = survey.verdicts[entry.path]
        files.append(
            {
                "path": display(entry.path),
                "bytes": entry.size,
                "mode": entry.mode,
                "tracked": entry.tracked,
                **asdict(verdict),
                "destination": display(verdict.destination),
            }
        )
    references = {
        display(target): [
            {"file": display(one.user), "line": one.line, "kind": one.kind, "certain": one.certain} for one in found
        ]
        for target, found in sorted(survey.references.items())
    }
    return {**summarise(survey), "all_files": files, "references": references}


def markdown(name: str, audit: t.Mapping[str, t.Any], limit: int) -> str:
    """The audit as a page that a person reads in a minute."""
    lines = [
        f"# Repository audit: {name}",
        "",
        f"- {audit['files']} files, {audit['bytes']} bytes; {audit['untracked']} untracked",
        f"- {audit['root_files']} files and {audit['root_folders']} folders in the root (fewer than {limit} files wanted)",
        f"- {audit['moves']} files to move; then {audit['root_files_after']} files in the root",
        "",
        "| category | files | bytes |",
        "|---|---:|---:|",
    ]
    lines += [f"| {key} | {one['files']} | {one['bytes']} |" for key, one in audit["categories"].items()]
    if audit["faults"]:
        lines += ["", "## In the way", "", *(f"- {fault}" for fault in audit["faults"])]
    if audit["kept"]:
        lines += ["", "## A rule matches, and yet it stays", ""]
        lines += [f"- `{_code(one['path'])}`: {one['reason']}" for one in audit["kept"]]
    uncertain = collections.Counter(
        {target: len(found) for target, found in audit["references"].items() if not any(r["certain"] for r in found)}
    )
    if uncertain:
        lines += ["", "## Mentioned, with no certainty that it is used", ""]
        lines += [f"- `{_code(target)}`: {count} times" for target, count in uncertain.most_common()]
    return "\n".join(lines) + "\n"


def _code(path: str) -> str:
    return path.replace("\n", "\\n").replace("`", "'")
