# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is remembered of a record while it moves: a TXT record beside it, written in the same transaction as the change itself.

So any controller can go on from where another one was killed, and the way back is known to the zone.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import asdict, dataclass

LABEL = "_replatform"
TTL = 60
STAGES = ("lowered", "shifted", "returned")


@dataclass(frozen=True)
class Note:
    """One record's way.

    O(stage) is C(lowered) (only its TTL has changed), C(shifted) (it leads to O(to)) or C(returned) (it leads to O(was) again). O(ttl) and
    O(was) are what it was at first. O(until) is the time, in seconds since the epoch, at which no resolver knows what was there before this
    stage; null while not every server has been seen to show it.
    """

    type: str
    stage: str
    ttl: int
    was: tuple[str, ...]
    to: tuple[str, ...]
    until: int | None = None

    @property
    def values(self) -> tuple[str, ...]:
        """What the record must hold at this stage."""
        return self.to if self.stage == "shifted" else self.was


def name_of(record: str) -> str:
    """Name of the notes for the record of this absolute name; a C(*) is no label of a name below it."""
    return f"{LABEL}.{record.replace('*', '_wildcard')}"


def nobodys(record: str) -> str:
    """A name beside the notes that nobody has, where a wildcard alone answers."""
    return f"{LABEL}-nobody.{record.replace('*', '_wildcard')}"


def written(note: Note) -> str:
    return json.dumps(asdict(note), sort_keys=True, separators=(",", ":"))


def read(text: str) -> Note | None:
    """Nothing for a text that is no note."""
    try:
        given = json.loads(text)
        return Note(**{**given, "was": tuple(given["was"]), "to": tuple(given["to"])}) if _whole(given) else None
    except (ValueError, TypeError, KeyError):
        return None


def _whole(given: t.Any) -> bool:
    return given["stage"] in STAGES and isinstance(given["ttl"], int) and isinstance(given["until"], (int, type(None)))
