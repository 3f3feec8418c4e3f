# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Undoing a run: what goes back, and what has changed since and stays where it is. Pure.

A file goes back when it is as the run left it and its old place is free. What is tied together goes back together: when
a file that names a moved one cannot be changed back, the moved one stays where it is named, and the other way round.
"""

from __future__ import annotations

import posixpath
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.sophia.replatform.plugins.module_utils.repository.catalogue import catalogue_without
from ansible_collections.sophia.replatform.plugins.module_utils.repository.ledger import Ledger
from ansible_collections.sophia.replatform.plugins.module_utils.repository.model import SYMLINK, Edit, Move, Plan
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import parents

GENERATED = "generated"


@dataclass(frozen=True)
class Tree:
    """What a restore meets: the index (path to mode and object id), what is present on disk (path to C(file), C(folder)
    or C(link)) as far as it matters, tracked paths with changes that are not staged, and a way to read."""

    index: t.Mapping[str, tuple[str, str]]
    present: t.Mapping[str, str]
    dirty: t.Collection[str] = ()
    read: t.Callable[[str], bytes | None] = field(default=lambda path: None)

    def after(self, moves: t.Sequence[Move], edits: t.Sequence[Edit]) -> Tree:
        """The tree as it is once a plan has been carried out."""
        book = Ledger({}, tuple(moves), edits=tuple(edits))
        index = dict(self.index)
        for path, entry in book.index_after().items():
            if entry is None:
                index.pop(path, None)
            else:
                index[path] = entry
        present = dict(self.present)
        for move in moves:
            kind = present.pop(move.source, "file")
            present[move.destination] = kind
            present.update(dict.fromkeys(parents(move.destination), "folder"))
        contents = {edit.path: edit.after for edit in edits}
        for path, content in contents.items():
            if content is None:
                present.pop(path, None)
            else:
                present.setdefault(path, "file")
        earlier = self.read
        return replace(
            self,
            index=index,
            present=present,
            read=lambda path: contents[path] if path in contents else earlier(path),
        )


@dataclass(frozen=True)
class Undo:
    """The way back of the run whose ledger's id is O(id)."""

    id: str
    plan: Plan


def plan_restore(book: Ledger, tree: Tree, only: t.Collection[str] | None = None) -> Plan:
    """The moves and edits that undo O(book); C(kept) says for each file that does not go back why, and where both are.

    O(only) are the paths that an earlier restore of this run could not put back: nothing else is tried again.
    """
    return _Restore(book, tree, only).plan()


class _Restore:
    def __init__(self, book: Ledger, tree: Tree, only: t.Collection[str] | None) -> None:
        self._book = book
        self._tree = tree
        self._again = only is not None
        self._moves = {move.destination: move for move in book.moves if only is None or move.source in only}
        named = [edit for edit in book.edits if edit.kind != GENERATED]
        self._edits = {
            edit.path: edit for edit in named if only is None or edit.path in self._moves or edit.path in only
        }
        # Each moved file by its place, and by every folder above.
        self._below: dict[str, list[str]] = {}
        for there in self._moves:
            for path in (there, *parents(there)):
                self._below.setdefault(path, []).append(there)
        self._kept: dict[str, str] = {}

    def plan(self) -> Plan:
        for destination, move in self._moves.items():
            why = self._changed(destination, self._expected(move)) or self._taken(move)
            if why:
                self._kept[move.source] = why
        for path, edit in self._edits.items():
            why = self._changed(path, (edit.mode, edit.new_oid))
            if path not in self._moves and why:
                self._kept[path] = why
        ties = self._ties() if self._kept else {}
        while self._tie(ties):
            pass
        moves = tuple(
            Move(there, move.source, move.category, "it was there before", *self._tree.index[there])
            for there, move in self._moves.items()
            if move.source not in self._kept
        )
        edits = tuple(self._back(edit) for edit in self._edits.values() if self._home(edit.path) not in self._kept)
        generated = self._generated(moves)
        return Plan(moves, dict(self._kept), 0, (), (), (*edits, *generated))

    def _home(self, path: str) -> str:
        """Where a path is once it is back."""
        move = self._moves.get(path)
        return path if move is None else move.source

    def _expected(self, move: Move) -> tuple[str, str]:
        edit = self._edits.get(move.destination)
        return (move.mode, edit.new_oid if edit else move.oid)

    def _changed(self, path: str, expected: tuple[str, str]) -> str:
        """Why what is at a path now is not what the run left there; empty when it is."""
        base = str(self._book.opened["base"])[:12]
        before = self._home(path)
        found = self._tree.index.get(path)
        if found is None:
            return f"{path} was removed since the run; what was there before is {before} of the commit {base}"
        if found != expected:
            return (
                f"{path} was changed since the run and stays so; what was there before is {before} of the commit {base}"
            )
        if path not in self._tree.present:
            return f"{path} is not in the work tree; what was there before is {before} of the commit {base}"
        if path in self._tree.dirty and path in self._edits:
            return f"{path} has changes that are not committed and stays so; commit them, then restore again"
        return ""

    def _taken(self, move: Move) -> str:
        source, there = move.source, move.destination
        for folder in parents(source):
            kind = self._tree.present.get(folder, "folder")
            if kind != "folder":
                return f"{folder} is a {kind} since the run; the file stays at {there}"
        kind = self._tree.present.get(source, "")
        return f"there is another {kind} at {source} since the run; the file stays at {there}" if kind else ""

    # What names what

    def _tie(self, ties: t.Mapping[str, set[str]]) -> bool:
        """Keep what names something that is kept, and what is named by something that is kept. Whether anything was."""
        found = False
        for user, targets in ties.items():
            home = self._home(user)
            for target in targets:
                source = self._moves[target].source
                if home in self._kept and source not in self._kept:
                    self._kept[source] = f"{user} stays as it is and names {target}"
                    found = True
                elif source in self._kept and home not in self._kept:
                    self._kept[home] = f"it names {target}, which stays there: it stays at {user}"
                    found = True
        return found

    def _ties(self) -> dict[str, set[str]]:
        """Users, at their present path, and the moved files that their present content names."""
        ties = {
            path: self._named(path, [new for _line, _old, new in edit.changes]) for path, edit in self._edits.items()
        }
        for path in {*self._edits, *self._moves}:
            if self._tree.index.get(path, ("", ""))[0] == SYMLINK:
                text = self._tree.read(path)
                ties[path] = set() if text is None else self._named(path, [text.decode("utf-8", "surrogateescape")])
        return ties

    def _named(self, user: str, tokens: t.Iterable[str]) -> set[str]:
        found: set[str] = set()
        for token in tokens:
            ways = {posixpath.normpath(token), posixpath.normpath(posixpath.join(posixpath.dirname(user), token))}
            for way in ways:
                found.update(self._below.get(way, ()))
        return found - {user}

    # The way back

    def _back(self, edit: Edit) -> Edit:
        return Edit(
            path=self._home(edit.path),
            kind=edit.kind,
            mode=edit.mode,
            before=edit.after,
            after=edit.before,
            changes=tuple((line, new, old) for line, old, new in edit.changes),
            oid=edit.new_oid,
            new_oid=edit.oid,
        )

    def _generated(self, moves: t.Sequence[Move]) -> tuple[Edit, ...]:
        """What the run wrote of itself goes, or, where something stays or was changed since, is made to tell the rest."""
        if not moves:
            return ()
        generated = [edit for edit in self._book.edits if edit.kind == GENERATED]
        untouched = all(
            self._tree.index.get(edit.path) == (edit.mode, edit.new_oid) and self._tree.read(edit.path) == edit.after
            for edit in generated
        )
        if untouched and not self._kept and not self._again:
            return tuple(self._back(edit) for edit in generated)
        gone = {move.source for move in moves}
        gone.update(move.destination for move in self._book.moves if move.destination not in self._tree.present)
        modes = {path: mode for path, (mode, _oid) in self._tree.index.items()}
        return catalogue_without(gone, self._tree.read, modes)
