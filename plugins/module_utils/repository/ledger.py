# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ledger: what a run intends, written and flushed before it acts, beside what it changes.

One JSON object a line: C(opened), one C(intent) a move, and later C(rollback) and C(closed). The first part is written
whole or not at all, so a ledger that can be read always holds every intent.
"""

from __future__ import annotations

import json
import os
import typing as t
from dataclasses import asdict, dataclass, field

from ansible_collections.sophia.replatform.plugins.module_utils.repository.files import append_line, write_whole
from ansible_collections.sophia.replatform.plugins.module_utils.repository.plan import Move


@dataclass(frozen=True)
class Ledger:
    """O(opened) holds the run's C(id), C(base) commit, C(branch), C(came_from) branch, C(created_branch), C(backup) and
    root figures. O(rollback) is the reason for going back; O(closed) what was reached, empty while the run is open."""

    opened: t.Mapping[str, t.Any]
    moves: tuple[Move, ...]
    rollback: str = ""
    closed: t.Mapping[str, t.Any] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        return not self.closed


def ledger_path(state: str) -> str:
    """Where the ledger is in the folder of git's that holds this collection's state."""
    return os.path.join(state, "ledger.jsonl")


def write_ledger(path: str, opened: t.Mapping[str, t.Any], moves: t.Sequence[Move]) -> None:
    """Begin a ledger; one of an earlier run is kept under its run's name."""
    earlier = read_ledger(path)
    if earlier:
        os.replace(path, os.path.join(os.path.dirname(path), f"ledger-{earlier.opened['id']}.jsonl"))
    lines = [{"event": "opened", **opened}, *({"event": "intent", **asdict(move)} for move in moves)]
    write_whole(path, (json.dumps(line, sort_keys=True) for line in lines))


def last_archived(path: str, phase: str) -> Ledger | None:
    """The newest ledger that a run of O(phase) closed with its moves made, this one or an earlier one."""
    folder, name = os.path.split(path)
    stem = name.rsplit(".", 1)[0]
    names = os.listdir(folder) if os.path.isdir(folder) else []
    earlier = [one for one in names if one.startswith(f"{stem}-") and one.endswith(".jsonl")]
    # A run's id begins with the name of the repository and then its time: names sort as runs did.
    for one in [name, *sorted(earlier, reverse=True)]:
        book = read_ledger(os.path.join(folder, one))
        if book and book.closed.get("outcome") == "archived" and book.opened.get("phase") == phase:
            return book
    return None


def append_event(path: str, event: str, **data: t.Any) -> None:
    """Record how far an open run has come."""
    append_line(path, json.dumps({"event": event, **data}, sort_keys=True))


def read_ledger(path: str) -> Ledger | None:
    """The ledger at O(path), or None where there is none."""
    opened: dict[str, t.Any] = {}
    moves = []
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
                elif event == "rollback":
                    rollback = record["reason"]
                elif event == "closed":
                    closed = record
    except FileNotFoundError:
        return None
    return Ledger(opened, tuple(moves), rollback, closed)
