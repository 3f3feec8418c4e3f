# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Acting on a repository for the loop that archives and restores: one step at a time, each of which may be cut off."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import typing as t
from dataclasses import replace

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Step
from ansible_collections.sophia.replatform.plugins.module_utils.repository import backup as store
from ansible_collections.sophia.replatform.plugins.module_utils.repository import edits, ledger, rotation
from ansible_collections.sophia.replatform.plugins.module_utils.repository.archive import Wanted, by_category
from ansible_collections.sophia.replatform.plugins.module_utils.repository.checkout import Checkout
from ansible_collections.sophia.replatform.plugins.module_utils.repository.git import GitError
from ansible_collections.sophia.replatform.plugins.module_utils.repository.model import SYMLINK, Edit, Plan
from ansible_collections.sophia.replatform.plugins.module_utils.repository.observe import Observer
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import parents
from ansible_collections.sophia.replatform.plugins.module_utils.repository.rules import Classifier

Result = t.Mapping[str, t.Any]
_BEFORE_THE_LEDGER = ("backup", "verify", "ledger")


class Actor:
    """Takes steps in one checkout. What it does is told to O(observer), which remembers what it saw."""

    def __init__(self, checkout: Checkout, wanted: Wanted, classifier: Classifier, observer: Observer) -> None:
        self._checkout = checkout
        self._settings = checkout.settings
        self._git = checkout.git
        self._wanted = wanted
        self._classifier = classifier
        self._observer = observer

    def act(self, step: Step) -> Result:
        if "category" in step.data:
            return self._move(step.data["category"], back=step.name.startswith("return "))
        actions: dict[str, t.Callable[[], Result]] = {
            "unlock": self._unlock,
            "branch": self._branch,
            "backup": self._backup,
            "verify": self._verify,
            "ledger": self._open_ledger,
            "edit": lambda: self._edit(back=False),
            "unedit": lambda: self._edit(back=True),
            "stage": self._stage,
            "unstage": lambda: self._index(self._book.index_before()),
            "commit": self._commit,
            "push": self._push,
            "close": self._close,
            "abandon": self._abandon,
            "rotate": self._rotate,
        }
        try:
            return actions[step.name]()
        except Exception:
            if step.name in _BEFORE_THE_LEDGER:
                self._leave_branch()
            raise

    @property
    def _book(self) -> ledger.Ledger:
        return t.cast(ledger.Ledger, self._checkout.book)

    # Before anything moves

    def _unlock(self) -> Result:
        os.unlink(self._git.index_lock())
        return {}

    def _branch(self) -> Result:
        branch, head = self._wanted.branch, self._checkout.head()
        exists = bool(self._checkout.branch_head(branch))
        origin = {"branch": branch, "came_from": self._checkout.branch(), "created": not exists, "head": head}
        known = self._checkout.origin()
        if exists and (known.get("branch"), known.get("head")) == (branch, head):
            origin["created"] = known["created"]  # A run that was cut off made it.
        self._checkout.write_origin(origin)
        self._git.run("switch", "-q", *([] if exists else ["-c"]), branch)
        return {}

    def _origin(self) -> Result:
        """Where the run came from, and whether it made the branch that it is on."""
        origin, branch = self._checkout.origin(), self._checkout.branch()
        if (origin.get("branch"), origin.get("head")) == (branch, self._checkout.head()):
            return origin
        return {"came_from": branch, "created": False}

    def _leave_branch(self) -> None:
        """A step before the ledger failed: the branch that was made for the run goes again."""
        book, origin = self._checkout.book, self._origin()
        if origin["created"] and not self._wanted.restores and (book is None or not book.is_open):
            self._checkout.leave_branch(origin["branch"], origin["came_from"], origin["head"])

    def _backup(self) -> Result:
        seen = self._observer.seen
        home, prefix = self._settings.backup_path, self._checkout.backup_prefix
        os.makedirs(home, mode=0o700, exist_ok=True)
        head = self._checkout.head()
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._settings.now()))
        folder = os.path.join(home, f"{prefix}{stamp}-{head[:12]}")
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

    def _verify(self) -> Result:
        found = t.cast(store.Backup, self._observer.backup())
        return store.verify_backup(found.folder, lambda path: self._git.do("bundle", "verify", "-q", path))

    def _open_ledger(self) -> Result:
        world = self._observer.observe()
        if world.backup is None or not self._observer.is_unchanged():
            raise RefusedError(f"{self._settings.root} changed while it was backed up: run again when it is at rest")
        plan = world.due(self._wanted)
        origin = self._origin()
        number = ledger.next_number(self._checkout.ledger_path)
        opened = {
            "id": f"{os.path.basename(world.backup.folder)}.{number}",
            "number": number,
            "phase": self._settings.phase,
            "state": self._wanted.state,
            "base": world.head,
            "branch": world.branch,
            "came_from": origin["came_from"],
            "created_branch": origin["created"],
            "backup": {"path": world.backup.folder, **world.backup.verified},
            "root_files_before": self._checkout.root_files(),
            "kept": dict(plan.kept),
        }
        if self._wanted.restores:
            opened.update(undoes=world.undos[0].id, conflicts=dict(plan.kept))
        ledger.write_ledger(self._checkout.ledger_path, opened, plan.moves, self._named(plan))
        return {"ledger": self._checkout.ledger_path}

    def _named(self, plan: Plan) -> list[Edit]:
        """The edits with git's names of what was and of what will be, as git's own filters make them."""
        index = self._git.index()
        came = {move.destination: move.source for move in plan.moves}
        named = []
        for edit in plan.edits:
            new = edit.new_oid
            if edit.after is not None and not new:
                new = self._git.hash_object(edit.after, edit.path, filters=edit.mode != SYMLINK, write=True)
            before = index.get(came.get(edit.path, edit.path))
            named.append(replace(edit, oid=before[1] if before else "", new_oid=new))
        return named

    # Moving, and moving back

    def _move(self, category: str, *, back: bool) -> Result:
        book = self._book
        arrived = [os.path.lexists(self._checkout.full(move.destination)) for move in book.moves]
        moves = by_category(book.moves, arrived, there=back).get(category, [])
        for move in moves:
            source, to = (move.destination, move.source) if back else (move.source, move.destination)
            os.makedirs(os.path.dirname(self._checkout.full(to)), exist_ok=True)
            os.rename(self._checkout.full(source), self._checkout.full(to))
        return {"moved": len(moves)}

    def _edit(self, *, back: bool) -> Result:
        due = edits.AFTER if back else edits.BEFORE
        count = 0
        for edit in self._book.edits:
            full = self._checkout.full(edit.path)
            if edits.state_of(full, edit) == due:
                edits.put_content(full, edit.before if back else edit.after, edit.mode)
                count += 1
        return {"edited": count}

    def _prune(self, left: t.Iterable[str]) -> None:
        """Remove the folders that moves emptied: git does not keep them, and neither would a fresh checkout."""
        for folder in sorted({folder for path in left for folder in parents(path)}, key=len, reverse=True):
            with contextlib.suppress(OSError):  # It holds something, or is gone.
                os.rmdir(self._checkout.full(folder))

    def _stage(self) -> Result:
        entries = self._book.index_after()
        self._prune(path for path, entry in entries.items() if entry is None)
        return self._index(entries)

    def _index(self, entries: t.Mapping[str, tuple[str, str] | None]) -> Result:
        """Set index entries. The blob of a file that moves stays the one it was: no filter and no line-ending conversion
        runs again."""
        nothing = "0" * len(self._checkout.head())
        gone = [f"0 {nothing}\t{path}\0" for path, entry in entries.items() if entry is None]
        there = [f"{entry[0]} {entry[1]}\t{path}\0" for path, entry in entries.items() if entry is not None]
        self._git.run("update-index", "-z", "--index-info", stdin=os.fsencode("".join([*gone, *there])))
        return {}

    def _commit(self) -> Result:
        book = self._book
        trailer = f"Replatform-Run: {book.opened['id']}"
        try:
            body = self._settings.message.rstrip("\n") + "\n"
            message = self._git.run("interpret-trailers", "--trailer", trailer, stdin=os.fsencode(body))
            self._git.run("commit", "-q", "-F", "-", stdin=message)
        except GitError as exc:
            # A hook that commits what is staged makes git's own commit fail, with ours made.
            commit = self._checkout.commit_of(book)
            if not commit:
                # The ledger turns round: the loop now undoes what it did and then says why.
                ledger.append_event(self._checkout.ledger_path, "rollback", reason=str(exc))
                return {"refused": str(exc)}
        return {"commit": self._checkout.commit_of(book)}

    def _push(self) -> Result:
        commit = self._checkout.commit_of(self._book)
        self._git.push(self._wanted.remote, self._wanted.branch, commit)
        return {"commit": commit}

    # The end

    def _close(self) -> Result:
        book = self._book
        backup = book.opened["backup"]["path"]
        closed = {
            "outcome": book.opened["state"],
            "commit": self._checkout.commit_of(book),
            "pushed": self._wanted.remote if self._wanted.remote and not book.is_restore else None,
            "root_files_after": self._checkout.root_files(),
            "protected_changed": self._protected_changed(book),
        }
        ledger.append_event(self._checkout.ledger_path, "closed", **closed)
        self._observer.closed()
        if os.path.isdir(backup):
            shutil.copyfile(self._checkout.ledger_path, os.path.join(backup, "ledger.jsonl"))
        return closed

    def _protected_changed(self, book: ledger.Ledger) -> int | None:
        """How many protected files differ from what the backup's manifest says, except for those whose edit was announced;
        None when the backup is gone."""
        announced = {edit.path for edit in book.edits}
        try:
            _header, members = store.read_manifest(book.opened["backup"]["path"])
            changed = 0
            for member in members:
                path = member.pop("path")
                if path not in announced and self._classifier.is_protected(path):
                    changed += store.hash_file(self._checkout.full(path)) != member
            return changed
        except FileNotFoundError:
            return None

    def _abandon(self) -> Result:
        book = self._book
        opened = book.opened
        self._prune(path for path, entry in book.index_before().items() if entry is None)
        if opened["created_branch"] and opened["came_from"] != opened["branch"]:
            self._checkout.leave_branch(opened["branch"], opened["came_from"], opened["base"])
        ledger.append_event(self._checkout.ledger_path, "closed", outcome="abandoned", reason=book.rollback)
        raise RefusedError(f"the commit was refused and everything was put back: {book.rollback}")

    def _rotate(self) -> Result:
        names = self._observer.doomed()
        rotation.rotate(self._settings.backup_path, names)
        return {"removed": names}
