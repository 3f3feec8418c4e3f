# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a plan is made from, and what it is made of. Data alone."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.sophia.replatform.plugins.module_utils.repository.references import Found, Reference
from ansible_collections.sophia.replatform.plugins.module_utils.repository.rules import Verdict

REGULAR = "100644"
SUBMODULE = "160000"
SYMLINK = "120000"


@dataclass(frozen=True)
class Entry:
    """One path of the work tree. O(mode) and O(oid) are git's, empty when untracked; O(size) in bytes, -1 when absent."""

    path: str
    mode: str = REGULAR
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
class Edit:
    """New content for O(path), which is where the file is after the moves.

    O(kind) is C(rewrite) (names of moved files in a file that uses them), C(link) (a symlink's text), C(generated) (what the
    archive says of itself) or C(added) (a file that the run was given).
    O(before) is what the work tree holds, None when nothing; O(after) None removes the file. O(changes) are the line, old
    and new token of a rewrite. O(oid) and O(new_oid) are git's names of both contents, filled in when the ledger is opened.
    """

    path: str
    kind: str
    mode: str
    before: bytes | None
    after: bytes | None
    changes: tuple[tuple[int, str, str], ...] = ()
    oid: str = ""
    new_oid: str = ""


@dataclass(frozen=True)
class Intent:
    """What is wanted of a plan.

    O(state) is C(archived) (only what goes to the archive) or C(organised) (scripts by purpose too). O(on_reference) says
    what becomes of a file that is used: C(keep), C(rewrite) its users, or C(fail). O(base) is the commit that the run
    starts from; O(categories) describe categories in a line. O(added) are contents by path, for where nothing is.
    """

    state: str = "organised"
    on_reference: str = "keep"
    base: str = ""
    categories: t.Mapping[str, str] = field(default_factory=dict)
    added: t.Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Look:
    """One look at a work tree: all that a plan follows from.

    O(links) are the texts of symlinks, tracked or not; O(through) folders on the way to destinations that are symlinks;
    O(by_place) what files that a rule would move find by their own place; O(recoded) sources whose gitattributes
    differ at the destination; O(dirty) tracked paths with changes that are not staged. O(read) gives the content of a path
    of the work tree, whole, or None where no file is.
    """

    entries: t.Sequence[Entry]
    verdicts: t.Mapping[str, Verdict]
    found: Found
    links: t.Mapping[str, str] = field(default_factory=dict)
    through: t.Collection[str] = ()
    by_place: t.Mapping[str, t.Sequence[Reference]] = field(default_factory=dict)
    recoded: t.Collection[str] = ()
    dirty: t.Collection[str] = ()
    read: t.Callable[[str], bytes | None] = field(default=lambda path: None)


@dataclass(frozen=True)
class Plan:
    """The moves in order, then the edits in order; O(kept) is path to reason for what a rule would have moved; O(faults)
    forbid the whole, each with its mend. O(remaining) are the files that the root would still hold."""

    moves: tuple[Move, ...]
    kept: t.Mapping[str, str]
    root_before: int
    remaining: tuple[str, ...]
    faults: tuple[str, ...]
    edits: tuple[Edit, ...] = ()

    @property
    def root_after(self) -> int:
        return len(self.remaining)

    @property
    def is_empty(self) -> bool:
        return not self.moves and not self.edits
