# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the prober measured: one line a second and service, summed up by second and by service."""

from __future__ import annotations

import json
import math
import typing as t
from dataclasses import dataclass, field

from ansible_collections.sophia.replatform.plugins.module_utils.evidence.latency import Buckets, add

UNKNOWN = "unknown"  # what the prober writes for an answer that does not say where it comes from


@dataclass
class Sum:
    """Requests of some stretch of time."""

    total: int = 0
    failed: int = 0
    sides: dict[str, int] = field(default_factory=dict)
    latency: Buckets = field(default_factory=dict)

    def take(self, sample: t.Mapping[str, t.Any]) -> None:
        """Add one sample, see RV(parse)."""
        self.total += sample["total"]
        self.failed += sample["failed"]
        for side, count in sample["sides"].items():
            self.sides[side] = self.sides.get(side, 0) + count
        add(self.latency, sample["latency_ms"])

    def add(self, other: Sum) -> None:
        """Add the requests of another stretch of time."""
        self.total += other.total
        self.failed += other.failed
        for side, count in other.sides.items():
            self.sides[side] = self.sides.get(side, 0) + count
        for bound, count in other.latency.items():
            self.latency[bound] = self.latency.get(bound, 0) + count

    def share(self, side: str) -> float | None:
        """The part, 0 to 1, of the answers whose side is known that came from O(side)."""
        known = sum(count for name, count in self.sides.items() if name != UNKNOWN)
        return self.sides.get(side, 0) / known if known else None


def parse(line: str) -> dict[str, t.Any] | None:
    """A sample from a line, with counts checked; None for a torn line and for lines of another kind."""
    try:
        found = json.loads(line)
        sample: dict[str, t.Any] = {
            "t": float(found["t"]),
            "service": str(found["service"]),
            "total": _count(found["total"]),
            "failed": _count(found["failed"]),
            "sides": {str(side): _count(count) for side, count in (found.get("sides") or {}).items()},
            "latency_ms": dict(found.get("latency_ms") or {}),
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return sample if math.isfinite(sample["t"]) else None


def _count(value: t.Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value


@dataclass
class Traffic:
    """The requests of each service by slots of time, a second long at first.

    A migration may last for days: a service with more than O(most) slots makes all slots sixty times as long (so that the
    bins of charts are made of whole slots), and memory stays bounded. No sum changes by it.
    """

    services: dict[str, dict[int, Sum]] = field(default_factory=dict)
    slot_s: int = 1
    most: int = 10_000

    def take(self, sample: t.Mapping[str, t.Any]) -> None:
        """Add one sample, see RV(parse)."""
        slots = self.services.setdefault(sample["service"], {})
        slots.setdefault(_floor(int(sample["t"]), self.slot_s), Sum()).take(sample)
        while len(self.services[sample["service"]]) > self.most:
            self.slot_s *= 60
            self.services = {service: self.bins(self.slot_s, [service]) for service in self.services}

    def bins(self, seconds: int = 1, services: t.Iterable[str] | None = None) -> dict[int, Sum]:
        """The requests (to O(services), or all) by the start of bins of that many seconds, in the order of time."""
        binned: dict[int, Sum] = {}
        for service in self.services if services is None else services:
            for second, part in self.services.get(service, {}).items():
                binned.setdefault(_floor(second, seconds), Sum()).add(part)
        return dict(sorted(binned.items()))

    def whole(self, services: t.Iterable[str] | None = None) -> Sum:
        """All requests (to O(services), or all) in one."""
        whole = Sum()
        for part in self.bins(1 << 40, services).values():
            whole.add(part)
        return whole


def _floor(second: int, slot_s: int) -> int:
    return second - second % slot_s


def sum_up(lines: t.Iterable[str], since: float | None, until: float | None) -> Traffic:
    """Sum up the lines whose second overlaps the time from O(since) to O(until); None leaves that end open."""
    traffic = Traffic()
    for sample in filter(None, map(parse, lines)):
        if within(sample["t"], since, until):
            traffic.take(sample)
    return traffic


def count_failures(lines: t.Iterable[str], since: float | None, until: float | None) -> dict[tuple[str, str], int]:
    """How many requests failed, by service and reason, from the lines that tell of single failures."""
    counts: dict[tuple[str, str], int] = {}
    for line in lines:
        if '"reason"' not in line:
            continue
        try:
            found = json.loads(line)
            when, key = float(found["t"]), (str(found["service"]), str(found["reason"]))
        except (ValueError, KeyError, TypeError):
            continue
        if within(when, since, until):
            counts[key] = counts.get(key, 0) + 1
    return counts


def within(second: float, since: float | None, until: float | None) -> bool:
    """Whether the second that begins at O(second) overlaps the time from O(since) to O(until)."""
    return (since is None or second + 1 > since) and (until is None or second <= until)
