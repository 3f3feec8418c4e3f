# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Traefik counted, read from its Prometheus text: requests and durations of one service's router and children."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

_LINE = re.compile(r"^(traefik_\w+)\{(.*)\} ([0-9.eE+-]+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Counts:
    """Counters of one service or router; O(buckets) maps an upper bound in seconds to the cumulative count."""

    total: float = 0
    failed: float = 0
    buckets: t.Mapping[float, float] = field(default_factory=dict)

    def since(self, before: Counts) -> Counts:
        """What was counted after O(before); counters that went back (Traefik restarted) are taken as counted anew."""
        if self.total < before.total:
            return self
        return Counts(
            self.total - before.total,
            max(0.0, self.failed - before.failed),
            {bound: count - before.buckets.get(bound, 0) for bound, count in self.buckets.items()},
        )

    @property
    def success_rate(self) -> float | None:
        """Percent of the requests that did not end in a 5xx answer; None without requests."""
        return 100.0 * (self.total - self.failed) / self.total if self.total > 0 else None

    def slower_than(self, milliseconds: float) -> float:
        """How many requests took longer, by linear interpolation inside the bucket; none above the last finite bound."""
        bounds = sorted(self.buckets)
        if not bounds:
            return 0.0
        at, lower, below = milliseconds / 1000, 0.0, 0.0
        for bound in bounds:
            count = self.buckets[bound]
            if bound == float("inf"):
                break
            if at <= bound:
                return self.buckets[bounds[-1]] - below - (count - below) * (at - lower) / (bound - lower)
            lower, below = bound, count
        return 0.0

    def quantile_ms(self, q: float) -> float | None:
        """The q-quantile in milliseconds, by linear interpolation inside its bucket; None without requests.

        Above the last finite bound that bound is returned, as Prometheus does.
        """
        bounds = sorted(self.buckets)
        if not bounds or self.buckets[bounds[-1]] <= 0:
            return None
        rank = q * self.buckets[bounds[-1]]
        lower = below = 0.0
        for bound in bounds:
            count = self.buckets[bound]
            if count >= rank:
                if bound == float("inf"):
                    return lower * 1000
                inside = count - below
                return (lower + (bound - lower) * ((rank - below) / inside if inside else 1.0)) * 1000
            lower, below = bound, count
        return lower * 1000


@dataclass(frozen=True)
class Snapshot:
    """One reading of the metrics: counts by child service and of the router (what clients saw, retries hidden)."""

    services: t.Mapping[str, Counts]
    routers: t.Mapping[str, Counts]
    last_reload_s: float = 0.0  # since the epoch; 0 when Traefik does not say
    started_s: float = 0.0  # when Traefik was started, likewise

    def service(self, name: str) -> Counts:
        return self.services.get(name, Counts())

    def router(self, name: str) -> Counts:
        return self.routers.get(name, Counts())


def parse(text: str, names: t.Collection[str], copies: t.Mapping[str, str] | None = None) -> Snapshot:
    """Reads the counters of the services and routers named (without C(@file)) and passes over all others.

    O(copies) has routers that count as another one, by their own names.
    """
    wanted = {"service": {f"{name}@file": name for name in names}}
    wanted["router"] = {**wanted["service"], **{f"{copy}@file": name for copy, name in (copies or {}).items()}}
    services: dict[str, _Sum] = {}
    routers: dict[str, _Sum] = {}
    last_reload_s = started_s = 0.0
    for line in text.splitlines():
        # The metrics of a whole edge are long, and this is read every second: look before taking a line apart.
        if line.startswith("traefik_service_request"):
            kind, sums = "service", services
        elif line.startswith("traefik_router_requests_total"):
            kind, sums = "router", routers
        elif line.startswith("traefik_config_last_reload_success "):
            last_reload_s = float(line.split()[1])
            continue
        elif line.startswith("process_start_time_seconds "):
            started_s = float(line.split()[1])
            continue
        else:
            continue
        match = _LINE.match(line)
        if not match:
            continue
        labels = dict(_LABEL.findall(match.group(2)))
        name = wanted[kind].get(labels.get(kind, ""))
        if name is not None:
            sums.setdefault(name, _Sum()).add(match.group(1), labels, float(match.group(3)))
    return Snapshot(
        {n: s.counts() for n, s in services.items()},
        {n: s.counts() for n, s in routers.items()},
        last_reload_s,
        started_s,
    )


class _Sum:
    """Adds up the lines of one service over codes, methods and protocols."""

    def __init__(self) -> None:
        self.total = 0.0
        self.failed = 0.0
        self.buckets: dict[float, float] = {}

    def add(self, metric: str, labels: t.Mapping[str, str], value: float) -> None:
        if metric.endswith("_requests_total"):
            self.total += value
            if labels.get("code", "").startswith("5"):
                self.failed += value
        elif metric.endswith("_duration_seconds_bucket"):
            bound = float(labels["le"])
            self.buckets[bound] = self.buckets.get(bound, 0.0) + value

    def counts(self) -> Counts:
        return Counts(self.total, self.failed, self.buckets)
