# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Observing a repository for the loop that archives and restores."""

from __future__ import annotations

import os
import stat
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.repository import backup as store
from ansible_collections.sophia.replatform.plugins.module_utils.repository import rotation
from ansible_collections.sophia.replatform.plugins.module_utils.repository.archive import NOTHING, Wanted, World
from ansible_collections.sophia.replatform.plugins.module_utils.repository.checkout import Checkout
from ansible_collections.sophia.replatform.plugins.module_utils.repository.edits import read_content, state_of
from ansible_collections.sophia.replatform.plugins.module_utils.repository.git import GitError
from ansible_collections.sophia.replatform.plugins.module_utils.repository.ledger import Ledger
from ansible_collections.sophia.replatform.plugins.module_utils.repository.model import Intent
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import parents
from ansible_collections.sophia.replatform.plugins.module_utils.repository.restore import Tree, Undo, plan_restore
from ansible_collections.sophia.replatform.plugins.module_utils.repository.rules import Classifier
from ansible_collections.sophia.replatform.plugins.module_utils.repository.survey import Survey, listing, survey

_MARGIN = 1 << 20


@dataclass(frozen=True)
class Stack:
    """The runs that there are to undo, newest first; O(conflicts) is path to reason for what will not go back, and
    O(fault) why none can be undone here."""

    undos: tuple[Undo, ...] = ()
    conflicts: t.Mapping[str, str] = field(default_factory=dict)
    fault: str = ""


class Observer:
    """Looks at one checkout. The work tree is listed once before the ledger is opened, which looks again: until then no
    step touches it."""

    def __init__(self, checkout: Checkout, wanted: Wanted, classifier: Classifier) -> None:
        self._checkout = checkout
        self._git = checkout.git
        self._wanted = wanted
        self._classifier = classifier
        self._at_rest: World | None = None
        self._seen: Survey | None = None
        self._closed = False
        self.conflicts: t.Mapping[str, str] = {}

    @property
    def seen(self) -> Survey:
        """The survey of the work tree as it was when nothing was under way."""
        if self._seen is None:
            entries, mark = listing(self._git)
            wanted = self._wanted
            intent = Intent(wanted.state, wanted.on_reference, self._checkout.head(), wanted.categories, wanted.added)
            self._seen = survey(self._git, self._classifier, intent, entries, mark)
        return self._seen

    def closed(self) -> None:
        """A run came to its end here: the work tree is another now."""
        self._at_rest = self._seen = None
        self._closed = True

    def is_unchanged(self) -> bool:
        """Whether the work tree is still the one of the survey."""
        return listing(self._git)[1] == self.seen.print

    def backup(self) -> store.Backup | None:
        """The backup of the work tree as it was surveyed."""
        settings = self._checkout.settings
        header = {"repository": settings.root, "base": self._checkout.head(), "fingerprint": self.seen.print}
        return store.find_backup(settings.backup_path, header)

    def observe(self) -> World:
        fault = self._checkout.fault()
        if fault:
            return World(fault=fault)
        world = World(
            path=self._checkout.settings.root,
            branch=self._checkout.branch(),
            head=self._checkout.head(),
            operation=self._checkout.operation(),
            index_lock=self._checkout.index_lock(),
            ledger=self._checkout.book,
        )
        if world.ledger is not None and world.ledger.is_open:
            return self._open(world, world.ledger)
        if not (world.branch and world.head) or world.operation:
            return world
        if self._at_rest is None:
            self._at_rest = self._resting(world)
        if self._at_rest.fault:
            return self._at_rest
        return replace(
            self._at_rest,
            branch=world.branch,
            index_lock=world.index_lock,
            branch_head=self._checkout.branch_head(self._wanted.branch),
            backup=None if self._seen is None else self.backup(),
            backups=self._backups(),
            doomed=tuple(self.doomed()) if self._at_rest.due(self._wanted).is_empty else (),
        )

    def _backups(self) -> tuple[str, ...]:
        return tuple(store.named(self._checkout.settings.backup_path, self._checkout.backup_prefix))

    def doomed(self) -> list[str]:
        """The names of the backups that are one too many."""
        settings = self._checkout.settings
        keep = self._wanted.backup_keep
        return rotation.doomed(settings.backup_path, self._checkout.backup_prefix, keep, repository=settings.root)

    # At rest

    def _resting(self, world: World) -> World:
        """What there is to do, and what it would take."""
        if self._closed and not self._wanted.restores:
            # The plan was carried out whole: the next run looks whether anything new has come.
            return replace(world, plan=NOTHING)
        lacks = self._checkout.lacks()
        if lacks:
            return replace(world, fault=lacks)
        if self._wanted.restores:
            stack = self._stack(self._checkout.books(), lambda: self._tree(self._checkout.books()))
            self.conflicts = stack.conflicts
            world = replace(world, undos=stack.undos, fault=stack.fault)
        else:
            world = replace(world, plan=self.seen.plan)
        plan = world.due(self._wanted)
        if world.fault or plan.is_empty:
            return world
        staged, dirty = self._git.changes()
        return replace(
            world,
            staged=tuple(staged),
            dirty=tuple(dirty),
            remote_head=self._remote_head(),
            free_bytes=self._checkout.settings.free_bytes(self._checkout.settings.backup_path),
            need_bytes=self._need(self.seen),
        )

    def _remote_head(self) -> str:
        if not self._wanted.remote or self._wanted.restores:
            return ""
        if self._wanted.remote not in self._git.line("remote").split("\n"):
            # A URL is not said again: it may hold a password.
            raise RefusedError(
                f"repository_remote is not the name of a remote of {self._checkout.settings.root}: name one that"
                " 'git remote' lists"
            )
        try:
            return self._git.remote_head(self._wanted.remote, self._wanted.branch)
        except GitError as exc:
            raise RefusedError(f"repository_remote cannot be asked for its branches: {exc}") from exc

    def _need(self, seen: Survey) -> int:
        """The backup at its worst: nothing compresses, and the bundle is as large as git's objects."""
        counted = dict(line.split(": ") for line in os.fsdecode(self._git.run("count-objects", "-v")).splitlines())
        objects = (int(counted["size"]) + int(counted["size-pack"])) * 1024
        # A tar member has a header of 512 bytes and is filled up to as many.
        return objects + sum(max(entry.size, 0) + 1024 for entry in seen.entries) + _MARGIN

    # Open

    def _open(self, world: World, book: Ledger) -> World:
        arrived, lost = [], []
        for move in book.moves:
            here, there = (os.path.lexists(self._checkout.full(path)) for path in (move.source, move.destination))
            arrived.append(there)
            if here == there:
                lost.append(move.source)
        # What a file that is still to move will hold is looked at where it is.
        waiting = {move.destination: move.source for move, there in zip(book.moves, arrived) if not there}
        places = [self._checkout.full(waiting.get(edit.path, edit.path)) for edit in book.edits]
        index = {path: (mode, oid) for path, (mode, oid, _stage) in self._git.index().items()}
        commit = self._checkout.commit_of(book)
        world = replace(
            world,
            arrived=tuple(arrived),
            lost=tuple(lost),
            edited=tuple(state_of(full, edit) for full, edit in zip(places, book.edits)),
            indexed=all(index.get(path) == entry for path, entry in book.index_after().items()),
            unstaged=all(index.get(path) == entry for path, entry in book.index_before().items()),
            commit=commit,
            remote_head=self._remote_head() if commit else "",
            backups=self._backups(),
        )
        if self._wanted.restores and book.is_restore and not book.rollback:
            rest = [one for one in self._checkout.books() if one.opened["id"] != book.opened["undoes"]]
            stack = self._stack(rest, lambda: self._tree(rest).after(book.moves, book.edits))
            self.conflicts = {**stack.conflicts, **book.opened["conflicts"]}
            world = replace(world, undos=stack.undos)
        return world

    # What there is to undo

    def _stack(self, books: t.Sequence[Ledger], tree_of: t.Callable[[], Tree]) -> Stack:
        """The runs of this phase that are in effect on this branch, each with its way back after those before it."""
        restored = {
            book.opened["undoes"]: book
            for book in books
            if book.is_restore and "commit" in book.closed and self._git.is_ancestor(book.closed["commit"])
        }
        tree: Tree | None = None
        undos: list[Undo] = []
        conflicts: dict[str, str] = {}
        newest = True
        for book in reversed(books):
            earlier = restored.get(book.opened["id"])
            if not book.is_forward or (earlier is not None and not earlier.opened["conflicts"]):
                continue
            commit = book.closed["commit"]
            if not self._git.is_ancestor(commit):
                if newest and self._git.line("for-each-ref", "--count=1", "--contains", commit, "refs/heads"):
                    return Stack(
                        fault=f"the commit {commit[:12]} of the run to undo, made on the branch {book.opened['branch']},"
                        f" is not in the branch checked out: switch to {book.opened['branch']}, or merge it first"
                    )
                continue
            newest = False
            tree = tree or tree_of()
            plan = plan_restore(book, tree, None if earlier is None else set(earlier.opened["conflicts"]))
            conflicts = {**plan.kept, **conflicts}
            if not plan.is_empty:
                undos.append(Undo(book.opened["id"], plan))
                tree = tree.after(plan.moves, plan.edits)
        return Stack(tuple(undos), conflicts)

    def _tree(self, books: t.Sequence[Ledger]) -> Tree:
        """What a restore of any of O(books) may meet."""
        asked = {path for book in books for move in book.moves for path in (move.source, move.destination)}
        asked |= {folder for path in asked for folder in parents(path)}
        asked |= {edit.path for book in books for edit in book.edits}
        kinds = ((path, self._kind(path)) for path in asked)
        return Tree(
            index={path: (mode, oid) for path, (mode, oid, _stage) in self._git.index().items()},
            present={path: kind for path, kind in kinds if kind},
            dirty=frozenset(self._git.changes()[1]),
            read=lambda path: read_content(self._checkout.full(path)),
        )

    def _kind(self, path: str) -> str:
        try:
            mode = os.lstat(self._checkout.full(path)).st_mode
        except OSError:
            return ""
        return "folder" if stat.S_ISDIR(mode) else "link" if stat.S_ISLNK(mode) else "file"
