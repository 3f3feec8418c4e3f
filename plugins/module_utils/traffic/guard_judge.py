# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judging what has moved for as long as it is guarded, as a watch of a shift judges an interval. Pure: no clock, no file, no network."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.sophia.replatform.plugins.module_utils.traffic.analysis import Checks, judge_canary
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.metrics import Counts
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.watch import Plan


@dataclass(frozen=True)
class Seen:
    """One look: what has been counted of the canary and by the prober so far, what its probe said last, and Prometheus how often in a row."""

    canary: Counts = field(default_factory=Counts)
    clients: Counts = field(default_factory=Counts)
    probe: str = ""
    query: str = ""
    query_row: int = 0


class Judge:
    """Begins with O(start), of which nothing counts.

    What is too little to be plain at once is judged at the end of each interval by all of it, and counts as one failed check then. Where
    nothing was asked there is nothing to judge. That the prober is silent, or the shares of the sides, say nothing against the canary.
    """

    def __init__(self, plan: Plan, now_s: float, start: Seen) -> None:
        self._plan = plan
        self._client_metrics = [metric for metric in plan.metrics if metric.min is not None]
        self._checks = Checks(plan.metrics, plan.threshold)
        self._client_checks = Checks(self._client_metrics, plan.threshold)
        self._checks.look(now_s, start.canary)
        self._client_checks.look(now_s, start.clients)
        self._interval = (now_s, start)
        self._row = 0

    def look(self, now_s: float, seen: Seen) -> str:
        """Why the canary is in breach, an empty string while it is not."""
        if self._checks.look(now_s, seen.canary, seen.probe):
            return self._checks.reason
        if self._client_checks.look(now_s, seen.clients):
            return f"by the prober, {self._client_checks.reason}"
        if seen.query_row >= self._plan.threshold:
            return seen.query
        begin_s, before = self._interval
        if now_s - begin_s < self._plan.interval:
            return ""
        self._interval = (now_s, seen)
        reason = self._whole(before, seen)
        self._row = self._row + 1 if reason else 0
        return reason if self._row >= self._plan.threshold else ""

    def _whole(self, before: Seen, seen: Seen) -> str:
        reason = judge_canary(seen.canary.since(before.canary), self._plan.metrics, final=True)
        if reason:
            return reason
        reason = judge_canary(seen.clients.since(before.clients), self._client_metrics, final=True)
        return f"by the prober, {reason}" if reason else ""
