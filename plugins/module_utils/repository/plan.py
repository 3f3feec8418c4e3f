# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What would move where, what stays and why, and whether the plan may be carried out at all. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.repository import added, links
from ansible_collections.sophia.replatform.plugins.module_utils.repository.catalogue import catalogue
from ansible_collections.sophia.replatform.plugins.module_utils.repository.model import (
    SUBMODULE,
    SYMLINK,
    Edit,
    Entry,
    Intent,
    Look,
    Move,
    Plan,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import (
    few,
    fold,
    in_root,
    parents,
    shown,
    stays_inside,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.rules import ARCHIVE
from ansible_collections.sophia.replatform.plugins.module_utils.repository.usage import Usage

__all__ = ["SUBMODULE", "SYMLINK", "Edit", "Entry", "Intent", "Look", "Move", "Plan", "make_plan"]


def make_plan(look: Look, intent: Intent) -> Plan:
    """Decide the moves, and what has to be written so that everything that stays in use is still found."""
    moving: dict[str, Move] = {}
    kept: dict[str, str] = {}
    for entry in look.entries:
        verdict = look.verdicts[entry.path]
        archives = verdict.destination.split("/")[0] == ARCHIVE
        if verdict.outcome != "move" or (intent.state == "archived" and not archives):
            continue
        why = _unmovable(entry, look)
        if why:
            kept[entry.path] = why
        else:
            moving[entry.path] = Move(
                entry.path, verdict.destination, verdict.category, verdict.reason, entry.mode, entry.oid
            )
    usage = Usage(look, intent, moving)
    moves = tuple(usage.moving[path] for path in sorted(usage.moving))
    generated = catalogue(moves, look, intent)
    given = added.added(look, intent)
    edits = sorted([*usage.edits(), *generated.edits, *given], key=lambda edit: edit.path)
    root = sorted(entry.path for entry in look.entries if entry.size >= 0 and in_root(entry.path))
    faults = [*_faults(moves, [edit.path for edit in (*generated.edits, *given)], look), *generated.faults]
    faults += added.faults(look, intent)
    if intent.on_reference == "fail" and usage.used:
        faults.append(
            f"repository_on_reference is fail and these are in use: {few(usage.used)}: change what uses them, or keep them"
        )
    return Plan(
        moves=moves,
        kept={**kept, **usage.kept, **generated.kept},
        root_before=len(root),
        remaining=tuple(sorted({*root, *(edit.path for edit in given if in_root(edit.path))} - usage.moving.keys())),
        faults=tuple(faults),
        edits=tuple(edits),
    )


def _unmovable(entry: Entry, look: Look) -> str:
    path = entry.path
    if entry.mode == SUBMODULE:
        return "it is a submodule"
    if not entry.tracked:
        return "git does not track it"
    if entry.size < 0:
        return "it is not in the work tree"
    if (entry.mode == SYMLINK) != (path in look.links):
        return "it is a symbolic link for git or in the work tree, but not for both"
    way = links.through(path, look.links[path], look.links) if path in look.links else ()
    if way:
        return f"its way leads through the symbolic link {shown(way[0])}"
    if path in look.recoded:
        return "git's attributes for it would differ there, and with them its bytes"
    return ""


def _faults(moves: t.Sequence[Move], generated: t.Sequence[str], look: Look) -> t.Iterator[str]:
    mend = "change repository_rules"
    outside = [move.destination for move in moves if not stays_inside(move.destination)]
    if outside:
        yield f"destinations outside the repository: {few(outside)}: {mend}"
    leading = [move.source for move in moves if links.end(move.source, look.links.get(move.source, ".")) is None]
    if leading:
        ways = [f"{path} -> {look.links[path]}" for path in leading]
        yield f"symbolic links lead outside the repository: {few(ways)}: protect them, or change where they lead"
    arrivals = [*((f"{move.source} -> {move.destination}", move.destination) for move in moves)]
    arrivals += [(path, path) for path in generated]
    folders = {folder for _source, to in arrivals for folder in parents(to)}
    over = {folder for folder in folders if folder in look.through or folder in look.links}
    if over:
        yield f"destinations lead through a symbolic link: {few(over)}: {mend}"
    collisions = _collisions(arrivals, generated, look)
    if collisions:
        yield f"destinations collide: {few(collisions)}: {mend}, or move what is there away"


def _collisions(arrivals: t.Sequence[tuple[str, str]], generated: t.Collection[str], look: Look) -> set[str]:
    """What would arrive where something is, or where two of them would be one on a file system that ignores case."""
    present = [entry.path for entry in look.entries if entry.size >= 0]
    files = {fold(path): path for path in present}
    folders = {fold(folder): folder for path in present for folder in parents(path)}
    taken: dict[str, str] = {}
    for name, to in arrivals:
        taken.setdefault(fold(to), name)
    found = set()
    for name, to in arrivals:
        key = fold(to)
        own = to in generated and files.get(key) == to
        clash = (None if own else files.get(key)) or folders.get(key)
        if clash is None and to not in generated and look.read(to) is not None:
            clash = f"{to}, which git ignores"
        if taken[key] != name:
            clash = clash or taken[key]
        for folder in parents(to):
            other = folders.get(fold(folder))
            clash = clash or files.get(fold(folder)) or taken.get(fold(folder)) or (other if other != folder else None)
        if clash:
            found.add(f"{name} (there is {clash})")
    return found
