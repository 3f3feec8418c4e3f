# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the journal says about the four phases."""

from __future__ import annotations

import datetime
import typing as t

PHASES = ("repository", "cluster", "platform", "cutover")
Record = t.Mapping[str, t.Any]


class Phase(t.NamedTuple):
    """One phase: times are seconds since the epoch, None where the journal has none."""

    name: str
    status: str | None  # ok, failed, running, or None where it never started
    started: float | None  # its first start
    ended: float | None  # its first end that was ok
    attempts: int
    recorded: float | None = None  # its last end that was ok: what the phase left is from then

    @property
    def seconds(self) -> float | None:
        """From the first start to the first ok end; the time of runs that were killed in between counts."""
        if self.started is None or self.ended is None:
            return None
        return round(self.ended - self.started, 3)


def read_phases(records: t.Iterable[Record]) -> dict[str, Phase]:
    """The phases by name, in their order. O(records) are a journal's, by time."""
    by_phase: dict[str, list[Record]] = {name: [] for name in PHASES}
    for record in records:
        of_phase = by_phase.get(str(record.get("phase")))
        if of_phase is not None and epoch(record) is not None:
            of_phase.append(record)
    return {name: _phase(name, found) for name, found in by_phase.items()}


def epoch(record: Record) -> float | None:
    """A record's time as seconds since the epoch, None where it has no readable one."""
    try:
        return datetime.datetime.fromisoformat(str(record.get("time", "")).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None


def _phase(name: str, records: t.Sequence[Record]) -> Phase:
    frames = [record for record in records if record.get("operation") == "phase"]
    starts = [index for index, record in enumerate(records) if _is_frame(record, "start")]
    if not starts:
        return Phase(name, None, None, None, 0)
    ends = [record for record in frames if record.get("event") == "ok" and record["time"] >= records[starts[0]]["time"]]
    return Phase(
        name,
        _status(records[starts[-1] :]),
        epoch(records[starts[0]]),
        epoch(ends[0]) if ends else None,
        len(starts),
        epoch(ends[-1]) if ends else None,
    )


def _is_frame(record: Record, event: str) -> bool:
    return record.get("operation") == "phase" and record.get("event") == event


def _status(attempt: t.Sequence[Record]) -> str:
    """Of the last attempt: how it ended, or, without an end, whether the last thing that was heard of it was bad."""
    for record in reversed(attempt):
        if _is_frame(record, "ok") or _is_frame(record, "failed"):
            return str(record["event"])
    return "failed" if attempt[-1].get("event") in ("failed", "refused") else "running"
