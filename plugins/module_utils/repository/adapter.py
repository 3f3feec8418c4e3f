# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Observing a repository, and acting on it, for the loop that archives its clutter."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Step
from ansible_collections.sophia.replatform.plugins.module_utils.repository import backup as store
from ansible_collections.sophia.replatform.plugins.module_utils.repository import files, ledger
from ansible_collections.sophia.replatform.plugins.module_utils.repository.archive import Wanted, World, by_category
from ansible_collections.sophia.replatform.plugins.module_utils.repository.git import Git, GitError
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import in_root, parents
from ansible_collections.sophia.replatform.plugins.module_utils.repository.rules import Classifier
from ansible_collections.sophia.replatform.plugins.module_utils.repository.survey import (
    Survey,
    fault_of,
    listing,
    survey,
)

_MARGIN = 1 << 20
_UNDER_WAY = (
    ("MERGE_HEAD", "merge"),
    ("rebase-merge", "rebase"),
    ("rebase-apply", "rebase"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
    ("BISECT_LOG", "bisect"),
)


@dataclass(frozen=True)
class Settings:
    """Where things are. O(phase) tells runs with different rules apart. O(free_bytes) tells how much may be written below a folder."""

    root: str
    backup_path: str
    author: t.Mapping[str, str]
    message: str
    phase: str = "repository"
    free_bytes: t.Callable[[str], int] = files.free_bytes
    now: t.Callable[[], float] = time.time


class Repository:
    """The rim between the loop and one repository."""

    def __init__(self, settings: Settings, wanted: Wanted, classifier: Classifier, keep: t.Sequence[int] = ()) -> None:
        self._settings = settings
        self._wanted = wanted
        self._classifier = classifier
        self._git = Git(settings.root, settings.author, keep)
        self._state = self._git.state_folder()
        self._ledger_path = ledger.ledger_path(self._state)
        self._origin_path = os.path.join(self._state, "origin.json")
        self._survey: Survey | None = None

    @property
    def book(self) -> ledger.Ledger | None:
        """The ledger of this run, or of the last."""
        return ledger.read_ledger(self._ledger_path)

    @property
    def last(self) -> ledger.Ledger | None:
        """The ledger of the last run of this phase that made its moves."""
        return ledger.last_archived(self._ledger_path, self._settings.phase)

    def survey(self) -> Survey:
        """The survey of the work tree as it is now; made anew only when something in it has changed."""
        entries, mark = listing(self._git)
        if self._survey is None or self._survey.print != mark:
            self._survey = survey(self._git, self._classifier, entries, mark)
        return self._survey

    # Observing

    def observe(self) -> World:
        fault = fault_of(self._settings.root) or self._store_fault()
        if fault:
            return World(fault=fault)
        world = World(
            path=self._settings.root,
            branch=self._git.line("symbolic-ref", "-q", "--short", "HEAD"),
            head=self._git.line("rev-parse", "-q", "--verify", "HEAD^{commit}"),
            operation=self._operation(),
            index_lock=self._index_lock(),
            ledger=self.book,
        )
        if world.ledger is not None and world.ledger.is_open:
            return self._observe_open(world, world.ledger)
        if not (world.branch and world.head) or world.operation:
            return world
        seen = self.survey()
        staged, dirty = self._git.changes()
        header = {"base": world.head, "fingerprint": seen.print}
        return replace(
            world,
            staged=tuple(staged),
            dirty=tuple(dirty),
            branch_head=self._git.line("rev-parse", "-q", "--verify", f"refs/heads/{self._wanted.branch}"),
            plan=seen.plan,
            backup=store.find_backup(self._settings.backup_path, header),
            free_bytes=self._settings.free_bytes(self._settings.backup_path),
            need_bytes=self._need(seen),
        )

    def _observe_open(self, world: World, book: ledger.Ledger) -> World:
        index = self._git.index()
        arrived, lost = [], []
        for move in book.moves:
            here, there = (os.path.lexists(self._full(path)) for path in (move.source, move.destination))
            arrived.append(there)
            if here == there:
                lost.append(move.source)
        return replace(
            world,
            arrived=tuple(arrived),
            lost=tuple(lost),
            indexed=all(move.destination in index and move.source not in index for move in book.moves),
            committed=self._git.line("rev-parse", "-q", "--verify", "HEAD^") == book.opened["base"],
        )

    def _store_fault(self) -> str:
        backups, root = (os.path.realpath(path) for path in (self._settings.backup_path, self._settings.root))
        if os.path.commonpath([backups, root]) == root:
            return f"repository_backup_path: {backups} is inside the repository: name a folder outside it"
        return ""

    def _operation(self) -> str:
        git_folder = os.path.dirname(self._state)
        for name, operation in _UNDER_WAY:
            if os.path.exists(os.path.join(git_folder, name)):
                return operation
        if any(stage != "0" for _mode, _oid, stage in self._git.index().values()):
            return "merge"
        return ""

    def _index_lock(self) -> str:
        """Whose the lock of git's index is. It was left behind when an intent of ours is open and no git runs here."""
        if not os.path.exists(self._git.index_lock()):
            return ""
        book = self.book
        head = self._git.line("rev-parse", "HEAD")
        ours = (book is not None and book.is_open) or self._origin().get("head") == head
        return "left" if ours and not self._git.at_work() else "held"

    def _unlock(self) -> t.Mapping[str, t.Any]:
        os.unlink(self._git.index_lock())
        return {}

    def _need(self, seen: Survey) -> int:
        """The backup at its worst: nothing compresses, and the bundle is as large as git's objects."""
        counted = dict(line.split(": ") for line in os.fsdecode(self._git.run("count-objects", "-v")).splitlines())
        objects = (int(counted["size"]) + int(counted["size-pack"])) * 1024
        # A tar member has a header of 512 bytes and is filled up to as many.
        return objects + sum(max(entry.size, 0) + 1024 for entry in seen.entries) + _MARGIN

    def _full(self, path: str) -> str:
        return os.path.join(self._settings.root, path)

    # Acting

    def act(self, step: Step) -> t.Mapping[str, t.Any]:
        name = step.name
        if name.startswith("return "):
            return self._move(step.data["category"], back=True)
        if name.startswith("move "):
            return self._move(step.data["category"], back=False)
        actions: dict[str, t.Callable[[], t.Mapping[str, t.Any]]] = {
            "unlock": self._unlock,
            "branch": self._branch,
            "backup": self._backup,
            "verify": self._verify,
            "ledger": self._open_ledger,
            "stage": lambda: self._index(back=False),
            "unstage": lambda: self._index(back=True),
            "commit": self._commit,
            "close": self._close,
            "abandon": self._abandon,
        }
        return actions[name]()

    def _branch(self) -> t.Mapping[str, t.Any]:
        branch = self._wanted.branch
        exists = bool(self._git.line("rev-parse", "-q", "--verify", f"refs/heads/{branch}"))
        origin: dict[str, t.Any] = {"branch": branch, "came_from": self._git.line("symbolic-ref", "--short", "HEAD")}
        origin["created"] = not exists
        origin["head"] = self._git.line("rev-parse", "HEAD")
        known = self._origin()
        if exists and (known.get("branch"), known.get("head")) == (branch, origin["head"]):
            origin["created"] = known["created"]  # A run that was cut off made it.
        files.write_whole(self._origin_path, [json.dumps(origin)])
        self._git.run("switch", "-q", *([] if exists else ["-c"]), branch)
        return {}

    def _origin(self) -> dict[str, t.Any]:
        try:
            with open(self._origin_path, encoding="utf-8") as handle:
                return t.cast("dict[str, t.Any]", json.load(handle))
        except FileNotFoundError:
            return {}

    def _backup(self) -> t.Mapping[str, t.Any]:
        seen = self.survey()
        home = self._settings.backup_path
        os.makedirs(home, mode=0o700, exist_ok=True)
        head = self._git.line("rev-parse", "HEAD")
        name = os.path.basename(self._settings.root.rstrip("/"))
        store.drop_partial(home, f"{name}-")
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._settings.now()))
        folder = os.path.join(home, f"{name}-{stamp}-{head[:12]}")
        if os.path.exists(folder):
            folder += f"-{os.getpid()}"
        header = {"format": 1, "repository": self._settings.root, "base": head, "fingerprint": seen.print}
        store.write_backup(
            self._settings.root,
            [entry.path for entry in seen.entries],
            folder,
            header,
            lambda path: self._git.do("bundle", "create", "-q", path, "HEAD", "--all"),
        )
        return {"backup": folder}

    def _verify(self) -> t.Mapping[str, t.Any]:
        found = t.cast(store.Backup, self.observe().backup)
        return store.verify_backup(found.folder, lambda path: self._git.do("bundle", "verify", "-q", path))

    def _open_ledger(self) -> t.Mapping[str, t.Any]:
        world = self.observe()
        seen = self.survey()
        if world.backup is None:
            raise RefusedError(f"{self._settings.root} changed while it was backed up: run again when it is at rest")
        origin = self._origin()
        if (origin.get("branch"), origin.get("head")) != (world.branch, world.head):
            origin = {"came_from": world.branch, "created": False}
        opened = {
            "id": os.path.basename(world.backup.folder),
            "phase": self._settings.phase,
            "base": world.head,
            "branch": world.branch,
            "came_from": origin["came_from"],
            "created_branch": origin["created"],
            "backup": {"path": world.backup.folder, **world.backup.verified},
            "root_files_before": seen.plan.root_before,
        }
        ledger.write_ledger(self._ledger_path, opened, seen.plan.moves)
        return {"ledger": self._ledger_path}

    def _move(self, category: str, *, back: bool) -> t.Mapping[str, t.Any]:
        book = t.cast(ledger.Ledger, self.book)
        arrived = [os.path.lexists(self._full(move.destination)) for move in book.moves]
        moves = by_category(book.moves, arrived, there=back).get(category, [])
        for move in moves:
            source, to = (move.destination, move.source) if back else (move.source, move.destination)
            os.makedirs(os.path.dirname(self._full(to)), exist_ok=True)
            os.rename(self._full(source), self._full(to))
        return {"moved": len(moves)}

    def _prune(self, left: t.Iterable[str]) -> None:
        """Remove the folders that moves emptied: git does not keep them, and neither would a fresh checkout."""
        for folder in sorted({folder for path in left for folder in parents(path)}, key=len, reverse=True):
            with contextlib.suppress(OSError):  # It holds something, or is gone.
                os.rmdir(self._full(folder))

    def _index(self, *, back: bool) -> t.Mapping[str, t.Any]:
        book = t.cast(ledger.Ledger, self.book)
        if not back:
            self._prune(move.source for move in book.moves)
        records = []
        for move in book.moves:
            gone, there = (move.destination, move.source) if back else (move.source, move.destination)
            # The blob stays the one it was: no filter and no line-ending conversion runs again.
            records.append(f"0 {'0' * len(move.oid)}\t{gone}\0{move.mode} {move.oid}\t{there}\0")
        self._git.run("update-index", "-z", "--index-info", stdin=os.fsencode("".join(records)))
        return {}

    def _commit(self) -> t.Mapping[str, t.Any]:
        try:
            self._git.run("commit", "-q", "-F", "-", stdin=self._settings.message.encode())
        except GitError as exc:
            # The ledger turns round: the loop now undoes what it did and then says why.
            ledger.append_event(self._ledger_path, "rollback", reason=str(exc))
            return {"refused": str(exc)}
        return {"commit": self._git.line("rev-parse", "HEAD")}

    def _close(self) -> t.Mapping[str, t.Any]:
        book = t.cast(ledger.Ledger, self.book)
        backup = book.opened["backup"]["path"]
        closed = {
            "outcome": "archived",
            "commit": self._git.line("rev-parse", "HEAD"),
            "root_files_after": sum(in_root(entry.path) and entry.size >= 0 for entry in self._git.entries()),
            "protected_changed": self._protected_changed(backup),
        }
        ledger.append_event(self._ledger_path, "closed", **closed)
        if os.path.isdir(backup):
            shutil.copyfile(self._ledger_path, os.path.join(backup, "ledger.jsonl"))
        return closed

    def _protected_changed(self, backup: str) -> int | None:
        """How many protected files differ from what the backup's manifest says; None when the backup is gone."""
        try:
            _header, members = store.read_manifest(backup)
            changed = 0
            for member in members:
                path = member.pop("path")
                if self._classifier.is_protected(path):
                    changed += store.hash_file(self._full(path)) != member
            return changed
        except FileNotFoundError:
            return None

    def _abandon(self) -> t.Mapping[str, t.Any]:
        book = t.cast(ledger.Ledger, self.book)
        opened = book.opened
        self._prune(move.destination for move in book.moves)
        if opened["created_branch"] and opened["came_from"] != opened["branch"]:
            self._git.run("symbolic-ref", "HEAD", f"refs/heads/{opened['came_from']}")
            if self._git.line("rev-parse", "-q", "--verify", f"refs/heads/{opened['branch']}"):
                self._git.run("update-ref", "-d", f"refs/heads/{opened['branch']}", opened["base"])
        ledger.append_event(self._ledger_path, "closed", outcome="abandoned", reason=book.rollback)
        raise RefusedError(f"the commit was refused and everything was put back: {book.rollback}")
