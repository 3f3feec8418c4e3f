# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The old workflows: rules that archive them, and the record of what each did and where it is now. Pure."""

from __future__ import annotations

import re
import typing as t

CATEGORY = "workflows"
DESCRIPTION = "Workflows that the unified deployment replaces"
Workflow = t.Mapping[t.Any, t.Any]


def rules(archive: t.Sequence[t.Mapping[str, str]]) -> list[dict[str, t.Any]]:
    """One rule of C(repo_archive) for each file, so that the archive's page has a reason for each."""
    return [
        {
            "category": CATEGORY,
            "patterns": ["/" + re.sub(r"([\\*?\[\]!# ])", r"\\\1", one["path"])],
            "reason": one.get("did") or DESCRIPTION,
        }
        for one in archive
    ]


def place(path: str) -> str:
    """Where a file is once it is archived."""
    return f"archive/{CATEGORY}/{path}"


def summary(workflow: t.Any) -> str:
    """What a workflow does by its own account: when it runs, and its jobs. Empty for what is none.

    YAML 1.1 reads the key C(on) as true.
    """
    if not isinstance(workflow, dict) or not isinstance(workflow.get("jobs"), dict):
        return ""
    events = workflow.get("on", workflow.get(True))
    names = [events] if isinstance(events, str) else [str(name) for name in events or []]
    jobs = [str(job.get("name") or key) if isinstance(job, dict) else str(key) for key, job in workflow["jobs"].items()]
    return f"On {', '.join(names) or 'nothing'}: {', '.join(jobs)}"


def rows(
    archive: t.Sequence[t.Mapping[str, str]],
    there: t.Mapping[str, t.Any],
    kept: t.Mapping[str, str],
    workflow: str,
) -> list[dict[str, str]]:
    """The record's rows: C(path), C(did), C(where) and C(now). O(there) is from the paths that exist, in their old place or
    in the archive, to what YAML they hold; O(kept) says why one has to stay. A file that is nowhere has no row."""
    found = []
    for one in archive:
        path = one["path"]
        if path not in there:
            continue
        stays = kept.get(path)
        found.append(
            {
                "path": path,
                "did": _cell(one.get("did") or summary(there[path]) or "(not a workflow)"),
                "where": _cell(f"still there: {stays}") if stays else f"`{place(path)}`",
                "now": "it still runs" if stays else _cell(one.get("now") or f"`{workflow}`"),
            }
        )
    return found


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
