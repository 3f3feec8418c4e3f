# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Latencies kept as counts a bucket, the key of a bucket being its upper bound in milliseconds, as text."""

from __future__ import annotations

import math
import typing as t

Buckets = t.Dict[float, int]


def add(total: Buckets, counts: t.Mapping[str, t.Any]) -> None:
    """Add the counts of one measurement to O(total); what is no number is left out."""
    for bound, count in counts.items():
        try:
            key, number = float(bound), int(count)
        except (TypeError, ValueError):
            continue
        if number > 0 and not math.isnan(key):
            total[key] = total.get(key, 0) + number


def percentile(buckets: t.Mapping[float, int], percent: float) -> float | None:
    """The upper bound in ms of the bucket that holds the percentile by nearest rank, so never less than the true value.

    None where nothing was measured, or where the value lies beyond the last finite bound.
    """
    count = sum(buckets.values())
    if not count:
        return None
    rank = max(1, math.ceil(count * percent / 100))
    seen = 0
    for bound in sorted(buckets):
        seen += buckets[bound]
        if seen >= rank:
            return bound if math.isfinite(bound) else None
    return None
