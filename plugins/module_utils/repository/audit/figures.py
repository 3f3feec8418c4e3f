# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The audit of a repository as data, from what was surveyed. Paths are shown as text that every encoding can hold."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.repository.contents import Contents
from ansible_collections.sophia.replatform.plugins.module_utils.repository.model import SUBMODULE, Entry
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import display
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references import Group, Reference
from ansible_collections.sophia.replatform.plugins.module_utils.repository.survey import Survey

LARGEST = 10


def summarise(seen: Survey, inside: Contents) -> dict[str, t.Any]:
    """The figures of an audit, and everything that a person might have to act on."""
    plan = seen.plan
    present = [entry for entry in seen.entries if entry.size >= 0 and entry.mode != SUBMODULE]
    largest = sorted(present, key=lambda entry: (-entry.size, entry.path))[:LARGEST]
    return {
        "files": len(present),
        "bytes": sum(entry.size for entry in present),
        "untracked": sum(not entry.tracked for entry in present),
        "executables": len(inside.executables),
        "root_files": plan.root_before,
        "root_folders": len(_root_folders(seen.entries)),
        "root_files_after": plan.root_after,
        "moves": len(plan.moves),
        "rewrites": sum(edit.kind == "rewrite" for edit in plan.edits),
        "categories": _categories(present, seen),
        "duplicates": {
            "groups": len(inside.duplicates),
            "files": sum(len(paths) - 1 for _size, paths in inside.duplicates),
            "bytes": sum(size * (len(paths) - 1) for size, paths in inside.duplicates),
        },
        "largest": [{"path": display(entry.path), "bytes": entry.size} for entry in largest],
        "symlinks": [
            {"path": display(path), "to": display(seen.look.links[path]), "leads": leads}
            for path, leads in inside.links.items()
        ],
        "submodules": [display(path) for path in inside.submodules],
        "nested": [display(path) for path in inside.nested],
        "kept": [{"path": display(path), "reason": display(why)} for path, why in sorted(plan.kept.items())],
        "faults": [display(fault) for fault in plan.faults],
        "remaining": [display(path) for path in plan.remaining],
        "references": {
            display(target): [_reference(one) for one in found] for target, found in sorted(seen.references.items())
        },
        "groups": [_group(one) for one in seen.look.found.groups],
        "broken": [{"path": display(one.target), **_reference(one)} for one in inside.broken],
    }


def in_full(seen: Survey, inside: Contents) -> dict[str, t.Any]:
    """The figures with every file, and every group of files with one content."""
    return {
        **summarise(seen, inside),
        "all_files": [_file(entry, seen, inside) for entry in seen.entries],
        "copies": [{"bytes": size, "paths": [display(path) for path in paths]} for size, paths in inside.duplicates],
    }


def _root_folders(entries: t.Iterable[Entry]) -> set[str]:
    return {
        entry.path.split("/")[0]
        for entry in entries
        if entry.size >= 0 and ("/" in entry.path or entry.mode == SUBMODULE)
    }


def as_json(figures: t.Mapping[str, t.Any]) -> str:
    """The figures as JSON, an item a line. (The library writes all in one line, or is ten times as slow.)"""
    return "{\n" + ",\n".join(f"{json.dumps(key)}: {_value(value)}" for key, value in sorted(figures.items())) + "\n}"


def _value(value: t.Any) -> str:
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(json.dumps(item, sort_keys=True) for item in value) + "\n]"
    if isinstance(value, dict) and value:
        lines = (f"{json.dumps(key)}: {json.dumps(item, sort_keys=True)}" for key, item in value.items())
        return "{\n" + ",\n".join(lines) + "\n}"
    return json.dumps(value)


def _categories(present: t.Iterable[Entry], seen: Survey) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for entry in present:
        figures = found.setdefault(seen.verdicts[entry.path].category, {"files": 0, "bytes": 0})
        figures["files"] += 1
        figures["bytes"] += entry.size
    return dict(sorted(found.items()))


def _file(entry: Entry, seen: Survey, inside: Contents) -> dict[str, t.Any]:
    verdict = seen.verdicts[entry.path]
    return {
        "path": display(entry.path),
        "bytes": entry.size,
        "mode": entry.mode,
        "tracked": entry.tracked,
        "executable": entry.path in inside.executables,
        "outcome": verdict.outcome,
        "category": verdict.category,
        "reason": display(verdict.reason),
        "destination": display(verdict.destination),
    }


def _reference(one: Reference) -> dict[str, t.Any]:
    return {"file": display(one.user), "line": one.line, "kind": one.kind, "certain": one.certain}


def _group(one: Group) -> dict[str, t.Any]:
    return {
        "file": display(one.user),
        "line": one.line,
        "kind": one.kind,
        "pattern": display(one.pattern),
        "paths": len(one.paths),
    }
