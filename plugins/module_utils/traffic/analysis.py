# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judging one watch: is the canary good enough, and does traffic really follow the weight. Names are Flagger's."""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.traffic.metrics import Counts

SUCCESS_RATE, DURATION = "request-success-rate", "request-duration"
MIN_RATIO_SAMPLES = 30
# Fewer requests have no 99th percentile worth the name.
_MIN_QUANTILE_SAMPLES = 20
# Four standard deviations: a right weight is called wrong once in 16,000 watches.
_SIGMA = 4.0
# A canary just at its limit fails a check by chance less often than this, and a row of three less than once in 10 ** 9.
_CHANCE = 1e-3


@dataclass(frozen=True)
class Metric:
    """One measure and the range that it must keep to, bounds included; None leaves a side open.

    C(request-success-rate) is in percent, C(request-duration) is the 99th percentile in milliseconds. Any other has a
    O(query) for a Prometheus, in whatever unit that answers.
    """

    name: str
    min: float | None = None
    max: float | None = None
    query: str = ""

    def judge(self, value: float) -> str:
        """Why O(value) is out of range, or an empty string."""
        if self.min is not None and not value >= self.min:
            return f"{self.name} {value:g} is below {self.min:g}"
        if self.max is not None and not value <= self.max:
            return f"{self.name} {value:g} is above {self.max:g}"
        return ""


DEFAULT_METRICS = (Metric(SUCCESS_RATE, min=99.0), Metric(DURATION, max=500.0))


@dataclass(frozen=True)
class Verdict:
    """O(reason) is empty when the watch passed. O(ratio) is the canary's measured share, None when too few requests came."""

    reason: str = ""
    ratio: float | None = None

    @property
    def passed(self) -> bool:
        return not self.reason


def too_few(canary: Counts, wanted: int = 0) -> str:
    """That the canary got fewer requests than O(wanted), or than say anything; an empty string where it got enough."""
    lowest = wanted or MIN_RATIO_SAMPLES
    return (
        f"too few requests to judge: {canary.total:.0f} of {lowest} reached the canary" if canary.total < lowest else ""
    )


def judge_canary(counts: Counts, metrics: t.Sequence[Metric], *, final: bool) -> str:
    """Why the canary is not good enough, or an empty string.

    Before the watch is over (O(final) false) only what can't be chance condemns it; at its end what was measured counts as it
    is.
    """
    for metric in metrics:
        reason = ""
        if metric.name == SUCCESS_RATE and metric.min is not None:
            reason = _judge_success(counts, metric.min, final)
        elif metric.name == DURATION and metric.max is not None:
            reason = _judge_duration(counts, metric.max, final)
        if reason:
            return reason
    return ""


def _judge_success(counts: Counts, lowest: float, final: bool) -> str:
    rate = counts.success_rate
    if rate is None or rate >= lowest or not (final or _no_chance(counts.failed, counts.total, 1 - lowest / 100)):
        return ""
    return f"{SUCCESS_RATE} {rate:.2f} % of {counts.total:.0f} requests is below {lowest:g} %"


def _judge_duration(counts: Counts, highest: float, final: bool) -> str:
    p99 = counts.quantile_ms(0.99)
    if p99 is None or counts.total < (_MIN_QUANTILE_SAMPLES if final else 1):
        return ""
    # Above the last bound nothing is told apart: at that bound it is one too many that was slower.
    if p99 < highest or (p99 == highest and counts.slower_than(highest) <= 0.01 * counts.total):
        return ""
    if not final and not _no_chance(counts.slower_than(highest), counts.total, 0.01):
        return ""
    return f"{DURATION} p99 {'' if p99 > highest else 'of more than '}{p99:.0f} ms is above {highest:g} ms"


def _no_chance(bad: float, total: float, allowed: float) -> bool:
    """Whether so many of O(total) would be bad less than once in 1,000 times if a share of O(allowed) were (Chernoff's bound)."""
    share = bad / total if total > 0 else 0.0
    if share <= allowed:
        return False
    if allowed <= 0:
        return True
    divergence = share * math.log(share / allowed)
    if share < 1:
        divergence += (1 - share) * math.log((1 - share) / (1 - allowed))
    return math.exp(-total * divergence) < _CHANCE


class Checks:
    """Counts the failed checks in a row within one watch; O(threshold) of them are a breach.

    Each check looks at what was counted since the last one that failed, or since at most O(longest_s), so that no failure counts
    twice and good times before do not hide bad ones now.
    """

    def __init__(self, metrics: t.Sequence[Metric], threshold: int, longest_s: float = 3.0) -> None:
        self.failed = 0
        self.reason = ""
        self._metrics = metrics
        self._threshold = threshold
        self._longest_s = longest_s
        self._since: tuple[float, Counts] | None = None

    def look(self, now_s: float, counts: Counts, fault: str = "") -> bool:
        """One look at the counters, O(fault) being what a probe has found since the last. True from the breach on."""
        if self._since is None:
            self._since = (now_s, counts)
        begin_s, before = self._since
        reason = fault or judge_canary(counts.since(before), self._metrics, final=False)
        if reason:
            self.failed, self.reason, self._since = self.failed + 1, reason, (now_s, counts)
        elif now_s - begin_s >= self._longest_s:
            self.failed, self.reason, self._since = 0, "", (now_s, counts)
        return self.failed >= self._threshold


def judge_ratio(canary: float, total: float, share: float, checks: float = 0.0) -> Verdict:
    """Whether O(canary) of O(total) requests fits O(share), from 0 to 1.

    The bound is binomial, with two requests and one percent of slack for those that were on their way when the weight
    changed. Up to O(checks) of them may have been health checks, of either side. Fewer than C(MIN_RATIO_SAMPLES) other
    requests prove nothing.
    """
    if total - checks < MIN_RATIO_SAMPLES:
        return Verdict()
    slack = _SIGMA * math.sqrt(total * share * (1.0 - share)) + 2.0 + 0.01 * total + checks
    ratio = canary / total
    if abs(canary - total * share) > slack:
        return Verdict(
            f"weight {100 * share:g} % is not honoured: {canary:.0f} of {total:.0f} requests reached the canary",
            round(ratio, 4),
        )
    return Verdict("", round(ratio, 4))
