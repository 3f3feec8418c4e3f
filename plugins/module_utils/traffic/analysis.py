# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judging one watch: is the canary good enough, and does traffic really follow the weight. Names are Flagger's."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.traffic.metrics import Counts

MIN_RATIO_SAMPLES = 30
# Four standard deviations: a right weight is called wrong once in 16,000 watches.
_SIGMA = 4.0


@dataclass(frozen=True)
class Thresholds:
    """The lowest success rate of the canary in percent and its highest 99th percentile in milliseconds."""

    success_rate_min: float = 99.0
    duration_max_ms: float = 500.0
    min_samples: int = 20


@dataclass(frozen=True)
class Verdict:
    """O(reason) is empty when the watch passed. O(ratio) is the canary's measured share, None when too few requests came."""

    reason: str = ""
    ratio: float | None = None

    @property
    def passed(self) -> bool:
        return not self.reason


def judge_canary(counts: Counts, thresholds: Thresholds, *, final: bool) -> str:
    """Why the canary is not good enough, or an empty string.

    Before the watch is over (O(final) false) only a sample of O(thresholds.min_samples) requests may condemn it; at its end
    whatever was measured counts.
    """
    if counts.total <= 0 or (not final and counts.total < thresholds.min_samples):
        return ""
    rate = 100.0 * (counts.total - counts.failed) / counts.total
    if rate < thresholds.success_rate_min:
        return f"request-success-rate {rate:.2f} % of {counts.total:.0f} requests is below {thresholds.success_rate_min:g} %"
    p99 = counts.quantile_ms(0.99)
    if p99 is not None and counts.total >= thresholds.min_samples and p99 > thresholds.duration_max_ms:
        return f"request-duration p99 {p99:.0f} ms is above {thresholds.duration_max_ms:g} ms"
    return ""


def judge_ratio(canary: float, total: float, weight: int) -> Verdict:
    """Whether O(canary) of O(total) requests fits a share of O(weight) percent.

    The bound is binomial, with two requests and one percent of slack for those that were on their way when the weight
    changed. Fewer than C(MIN_RATIO_SAMPLES) requests prove nothing.
    """
    if total < MIN_RATIO_SAMPLES:
        return Verdict()
    share = weight / 100.0
    slack = _SIGMA * math.sqrt(total * share * (1.0 - share)) + 2.0 + 0.01 * total
    ratio = canary / total
    if abs(canary - total * share) > slack:
        return Verdict(
            f"weight {weight} is not honoured: {canary:.0f} of {total:.0f} requests reached the canary", round(ratio, 4)
        )
    return Verdict("", round(ratio, 4))
