# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One repository's work tree as runs know it: where things are, what git is in the middle of, what was written down."""

from __future__ import annotations

import json
import os
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.repository import files, ledger
from ansible_collections.sophia.replatform.plugins.module_utils.repository.git import Git
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import few, in_root
from ansible_collections.sophia.replatform.plugins.module_utils.repository.survey import fault_of

_UNDER_WAY = (
    ("MERGE_HEAD", "merge"),
    ("rebase-merge", "rebase"),
    ("rebase-apply", "rebase"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
    ("sequencer", "cherry-pick or revert"),
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


class Checkout:
    """The work tree at O(settings.root). O(keep) are descriptors that git inherits (see C(lock.hold))."""

    def __init__(self, settings: Settings, keep: t.Sequence[int] = ()) -> None:
        self.settings = settings
        self.git = Git(settings.root, settings.author, keep)
        state = self.git.state_folder()
        self.ledger_path = ledger.ledger_path(state)
        self._origin_path = os.path.join(state, "origin.json")
        self._git_folder = os.path.dirname(state)

    @property
    def book(self) -> ledger.Ledger | None:
        """The ledger of the run that is open, or of the last."""
        return ledger.read_ledger(self.ledger_path)

    def books(self) -> list[ledger.Ledger]:
        """The ledgers of all runs of this phase, oldest first."""
        every = ledger.all_ledgers(self.ledger_path)
        return [book for book in every if book.opened["phase"] == self.settings.phase]

    @property
    def backup_prefix(self) -> str:
        """What the names of this repository's backups begin with."""
        return os.path.basename(self.settings.root.rstrip("/")) + "-"

    def full(self, path: str) -> str:
        return os.path.join(self.settings.root, path)

    # Where git stands

    def branch(self) -> str:
        """The branch that is checked out; empty when HEAD is detached."""
        return self.git.line("symbolic-ref", "-q", "--short", "HEAD")

    def head(self) -> str:
        """The commit that is checked out; empty before the first."""
        return self.git.line("rev-parse", "-q", "--verify", "HEAD^{commit}")

    def branch_head(self, branch: str) -> str:
        """The commit that a branch points to; empty where there is no such branch."""
        return self.git.line("rev-parse", "-q", "--verify", f"refs/heads/{branch}")

    def operation(self) -> str:
        """What git is in the middle of, in a word; empty when it rests."""
        for name, operation in _UNDER_WAY:
            if os.path.exists(os.path.join(self._git_folder, name)):
                return operation
        return "merge" if self.git.run("ls-files", "-u", "-z") else ""

    def index_lock(self) -> str:
        """Whose the lock of git's index is. It was left behind when an intent of ours is open and no git runs here."""
        if not os.path.exists(self.git.index_lock()):
            return ""
        book = self.book
        ours = (book is not None and book.is_open) or self.origin().get("head") == self.head()
        return "left" if ours and not self.git.at_work() else "held"

    def root_files(self) -> int:
        """Files in the root, ignored ones not counted."""
        listed = {path for path in self.git.paths("ls-files", "-c", "-o", "--exclude-standard", "-z") if in_root(path)}
        return sum(os.path.lexists(self.full(path)) for path in listed)

    # What forbids a run

    def fault(self) -> str:
        """Why nothing can be done here at all, in one line; empty when something can."""
        backups, root = (os.path.realpath(path) for path in (self.settings.backup_path, self.settings.root))
        if os.path.commonpath([backups, root]) == root:
            return f"repository_backup_path: {backups} is inside the repository: name a folder outside it"
        return fault_of(self.settings.root)

    def lacks(self) -> str:
        """What is not here and would have to be, for a backup to hold everything and a search to see everything."""
        root = self.settings.root
        if self.git.is_shallow():
            return f"{root} is a shallow clone, and a backup holds the whole history: run git fetch --unshallow first"
        if self.git.is_partial():
            return f"{root} is a partial clone, and a backup holds every object: use a clone made without --filter"
        skipped = self.git.skipped()
        if skipped:
            return f"{root} is a sparse checkout without {few(skipped)}: run git sparse-checkout disable first"
        return ""

    # Where a run came from, written down before the branch is made

    def origin(self) -> dict[str, t.Any]:
        try:
            with open(self._origin_path, encoding="utf-8") as handle:
                return t.cast("dict[str, t.Any]", json.load(handle))
        except FileNotFoundError:
            return {}

    def write_origin(self, origin: t.Mapping[str, t.Any]) -> None:
        files.write_whole(self._origin_path, [json.dumps(origin)])

    def leave_branch(self, branch: str, came_from: str, head: str) -> None:
        """Go back from a branch that a run made and that holds nothing of its own, and remove it."""
        self.git.run("symbolic-ref", "HEAD", f"refs/heads/{came_from}")
        if self.branch_head(branch):
            self.git.run("update-ref", "-d", f"refs/heads/{branch}", head)

    # What an open run has reached

    def commit_of(self, book: ledger.Ledger) -> str:
        """The commit that holds what O(book) leads to; empty while there is none.

        It is known by its place and by what it changes, not by its message, which a hook may have rewritten; and it
        need not be the last, as a hook may have committed on top of it.
        """
        base = book.opened["base"]
        if self.head() == base:
            return ""
        after = self.git.line("rev-list", "--first-parent", "--reverse", f"{base}..HEAD").split("\n", 1)[0]
        if not after or self.git.line("rev-parse", "-q", "--verify", f"{after}^") != base:
            return ""
        changed = set(self.git.paths("diff-tree", "-r", "-z", "--no-renames", "--name-only", base, after))
        wanted = {path for move in book.moves for path in (move.source, move.destination)}
        wanted.update(edit.path for edit in book.edits if edit.oid != edit.new_oid)
        return after if wanted <= changed else ""
