# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What would move where, what stays and why, and whether the plan may be carried out at all. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import (
    few,
    fold,
    in_root,
    parents,
    stays_inside,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references import Reference
from ansible_collections.sophia.replatform.plugins.module_utils.repository.rules import ARCHIVE, Verdict

SUBMODULE = "160000"
SYMLINK = "120000"


@dataclass(frozen=True)
class Entry:
    """One path of the work tree. O(mode) and O(oid) are git's, empty when untracked; O(size) in bytes, -1 when absent."""

    path: str
    mode: str = "100644"
    oid: str = ""
    size: int = 0

    @property
    def tracked(self) -> bool:
        return bool(self.oid)


@dataclass(frozen=True)
class Move:
    """One rename, with the index entry that goes with it."""

    source: str
    destination: str
    category: str
    reason: str
    mode: str
    oid: str


@dataclass(frozen=True)
class Plan:
    """The moves in order; O(kept) is path to reason for what a rule would have moved; O(faults) forbid the whole."""

    moves: tuple[Move, ...]
    kept: t.Mapping[str, str]
    root_before: int
    remaining: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def root_after(self) -> int:
        return len(self.remaining)


def make_plan(
    entries: t.Sequence[Entry],
    verdicts: t.Mapping[str, Verdict],
    references: t.Mapping[str, t.Sequence[Reference]],
    links: t.Collection[str] = (),
) -> Plan:
    """Decide the moves.

    O(links) are folders of the work tree that are symlinks. Untracked files, symlinks, submodules and files that are
    referenced with certainty stay where they are.
    """
    moving: dict[str, Move] = {}
    kept: dict[str, str] = {}
    for entry in entries:
        verdict = verdicts[entry.path]
        if verdict.outcome != "move":
            continue
        why = _unmovable(entry)
        if why:
            kept[entry.path] = why
            continue
        moving[entry.path] = Move(
            entry.path, verdict.destination, verdict.category, verdict.reason, entry.mode, entry.oid
        )
    kept.update(_drop_referenced(moving, references))
    moves = tuple(moving[path] for path in sorted(moving))
    present = [entry.path for entry in entries if entry.size >= 0]
    root = sorted(path for path in present if in_root(path))
    return Plan(
        moves=moves,
        kept=kept,
        root_before=len(root),
        remaining=tuple(path for path in root if path not in moving),
        faults=tuple(_faults(moves, present, links)),
    )


def _unmovable(entry: Entry) -> str:
    if entry.mode == SUBMODULE:
        return "it is a submodule"
    if entry.mode == SYMLINK:
        return "it is a symbolic link"
    if not entry.tracked:
        return "git does not track it"
    if entry.size < 0:
        return "it is not in the work tree"
    return ""


def _drop_referenced(moving: dict[str, Move], references: t.Mapping[str, t.Sequence[Reference]]) -> dict[str, str]:
    """Take what is still used out of O(moving). What goes to the archive itself uses nothing any more, but a file that
    stays may name another that then must stay too: repeated until nothing changes."""
    kept: dict[str, str] = {}
    while True:
        used = {}
        for path in moving:
            for reference in references.get(path, ()):
                user = moving.get(reference.user)
                leaves = user is not None and user.destination.split("/")[0] == ARCHIVE
                if reference.certain and reference.user != path and not leaves:
                    used[path] = f"{reference.kind} {reference.user}:{reference.line} uses it"
                    break
        if not used:
            return kept
        kept.update(used)
        for path in used:
            del moving[path]


def _faults(moves: t.Sequence[Move], present: t.Sequence[str], links: t.Collection[str]) -> t.Iterator[str]:
    outside = [move.destination for move in moves if not stays_inside(move.destination)]
    if outside:
        yield f"destinations outside the repository: {few(outside)}"
    through = {link for move in moves for link in parents(move.destination) if link in links}
    if through:
        yield f"destinations lead through a symbolic link: {few(through)}"
    sources = {move.source for move in moves}
    files = {fold(path): path for path in present if path not in sources}
    folders = {fold(folder): folder for path in present for folder in parents(path)}
    taken: dict[str, str] = {}
    collisions = set()
    for move in moves:
        key = fold(move.destination)
        clash = files.get(key) or folders.get(key) or taken.get(key)
        for folder in parents(move.destination):
            other = folders.get(fold(folder))
            clash = clash or files.get(fold(folder)) or (other if other not in (None, folder) else None)
        if clash:
            collisions.add(f"{move.source} -> {move.destination} (there is {clash})")
        taken[key] = move.source
    if collisions:
        yield f"destinations collide: {few(collisions)}"
