# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ledger: what a run intends, written and flushed before it acts, beside what it changes.

One JSON object a line: C(opened), one C(intent) a move, one C(edit) a file whose content changes, with both contents, and
later C(rollback) and C(closed). The first part is written whole or not at all, so a ledger that can be read always holds
every intent, and a run that goes on has nothing to compute again.
"""

from __future__ import annotations

import base64
import json
import os
import typing as t
from dataclasses import asdict, dataclass, field

from ansible_collections.sophia.replatform.plugins.module_utils.repository.files import append_line, write_whole
from ansible_collections.sophia.replatform.plugins.module_utils.repository.model import Edit, Move

RESTORED = "restored"
# What a closed run reached, when it was one that moved files out of the way.
FORWARD = ("archived", "organised")


@dataclass(frozen=True)
class Ledger:
    """O(opened) holds the run's C(id), C(number), C(phase), C(state), C(base) commit, C(branch), C(came_from) branch,
    C(created_branch), C(backup), C(root_files_before) and, when it undoes a run, C(undoes) (its id) and C(conflicts).
    O(rollback) is the reason for going back; O(closed) what was reached, empty while the run is open."""

    opened: t.Mapping[str, t.Any]
    moves: tuple[Move, ...]
    rollback: str = ""
    closed: t.Mapping[str, t.Any] = field(default_factory=dict)
    edits: tuple[Edit, ...] = ()

    @property
    def is_open(self) -> bool:
        return not self.closed

    @property
    def is_forward(self) -> bool:
        return self.closed.get("outcome") in FORWARD

    @property
    def is_restore(self) -> bool:
        return bool(self.opened.get("state") == RESTORED)

    def index_after(self) -> dict[str, tuple[str, str] | None]:
        """The index entries, mode and object id, that the run leads to; None for what is gone. What goes comes first."""
        entries: dict[str, tuple[str, str] | None] = {move.source: None for move in self.moves}
        entries.update({move.destination: (move.mode, move.oid) for move in self.moves})
        entries.update({edit.path: (edit.mode, edit.new_oid) if edit.new_oid else None for edit in self.edits})
        return entries

    def index_before(self) -> dict[str, tuple[str, str] | None]:
        """The index entries of the same paths as they were before the run."""
        entries = {edit.path: (edit.mode, edit.oid) if edit.oid else None for edit in self.edits}
        entries.update({move.destination: None for move in self.moves})
        entries.update({move.source: (move.mode, move.oid) for move in self.moves})
        return entries


def ledger_path(state: str) -> str:
    """Where the ledger is in the folder of git's that holds this collection's state."""
    return os.path.join(state, "ledger.jsonl")


def next_number(path: str) -> int:
    """The number of the run that begins a ledger now: runs are counted, as two may begin in one second."""
    return 1 + max((book.opened["number"] for book in all_ledgers(path)), default=0)


def write_ledger(path: str, opened: t.Mapping[str, t.Any], moves: t.Sequence[Move], edits: t.Sequence[Edit]) -> None:
    """Begin a ledger; one of an earlier run is kept under its run's number."""
    earlier = read_ledger(path)
    if earlier:
        os.replace(path, os.path.join(os.path.dirname(path), f"ledger-{earlier.opened['number']:06d}.jsonl"))
    lines = [
        {"event": "opened", **opened},
        *({"event": "intent", **asdict(move)} for move in moves),
        *({"event": "edit", **_packed(edit)} for edit in edits),
    ]
    write_whole(path, (json.dumps(line, sort_keys=True) for line in lines))


def all_ledgers(path: str) -> list[Ledger]:
    """The ledgers of every run, oldest first; O(path) is that of the last."""
    folder, name = os.path.split(path)
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    earlier = [one for one in names if one.startswith("ledger-") and one.endswith(".jsonl")]
    books = (read_ledger(os.path.join(folder, one)) for one in [*earlier, name])
    return [book for book in books if book is not None]


def append_event(path: str, event: str, **data: t.Any) -> None:
    """Record how far an open run has come."""
    append_line(path, json.dumps({"event": event, **data}, sort_keys=True))


def read_ledger(path: str) -> Ledger | None:
    """The ledger at O(path), or None where there is none."""
    opened: dict[str, t.Any] = {}
    moves = []
    edits = []
    rollback = ""
    closed: dict[str, t.Any] = {}
    try:
        with open(path, encoding="utf-8") as handle:
            for line in handle:
                try:
                    record = json.loads(line)
                except ValueError:
                    continue  # A line torn by a crash: what it would have said has not happened yet.
                event = record.pop("event")
                if event == "opened":
                    opened = record
                elif event == "intent":
                    moves.append(Move(**record))
                elif event == "edit":
                    edits.append(_unpacked(record))
                elif event == "rollback":
                    rollback = record["reason"]
                elif event == "closed":
                    closed = record
    except FileNotFoundError:
        return None
    return Ledger(opened, tuple(moves), rollback, closed, tuple(edits))


def _packed(edit: Edit) -> dict[str, t.Any]:
    record = asdict(edit)
    for key in ("before", "after"):
        if record[key] is not None:
            record[key] = base64.b64encode(record[key]).decode()
    return record


def _unpacked(record: dict[str, t.Any]) -> Edit:
    for key in ("before", "after"):
        if record[key] is not None:
            record[key] = base64.b64decode(record[key])
    record["changes"] = tuple((line, old, new) for line, old, new in record["changes"])
    return Edit(**record)
