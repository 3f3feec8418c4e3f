"""Percentiles from buckets, against the sorted values that the buckets were made from."""

from __future__ import annotations

import bisect
import math

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.latency import add, percentile
from hypothesis import given
from hypothesis import strategies as st

BOUNDS = [0.5 * 2 ** (i / 4) for i in range(60)]
VALUES = st.lists(st.floats(0, 10_000, allow_nan=False), min_size=1, max_size=200)
PERCENT = st.floats(0.1, 100)


def bucketed(values: list[float]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for value in values:
        bound = str(BOUNDS[bisect.bisect_left(BOUNDS, value)])
        counts[bound] = counts.get(bound, 0) + 1
    return counts


@given(VALUES, PERCENT)
def test_a_percentile_is_the_bucket_of_the_true_value_by_nearest_rank(values: list[float], percent: float) -> None:
    buckets: dict[float, int] = {}
    add(buckets, bucketed(values))
    true = sorted(values)[max(1, math.ceil(len(values) * percent / 100)) - 1]
    found = percentile(buckets, percent)
    assert found == BOUNDS[bisect.bisect_left(BOUNDS, true)]
    assert found >= true
    if true > BOUNDS[0]:
        assert found / true <= 2 ** (1 / 4) + 1e-9


@given(VALUES, VALUES, PERCENT)
def test_buckets_that_are_added_are_those_of_all_values(one: list[float], other: list[float], percent: float) -> None:
    parts: dict[float, int] = {}
    whole: dict[float, int] = {}
    add(parts, bucketed(one))
    add(parts, bucketed(other))
    add(whole, bucketed(one + other))
    assert parts == whole
    assert percentile(parts, percent) == percentile(whole, percent)


def test_nothing_measured_is_none() -> None:
    assert percentile({}, 50) is None


def test_a_value_beyond_the_last_bound_is_not_invented() -> None:
    buckets: dict[float, int] = {}
    add(buckets, {"10": 98, "inf": 2})
    assert percentile(buckets, 98) == 10
    assert percentile(buckets, 99) is None


@pytest.mark.parametrize("counts", [{"x": 3}, {"nan": 3}, {"5": None}, {"5": "many"}, {"5": 0}, {"5": -1}])
def test_what_is_no_count_is_left_out(counts: dict[str, object]) -> None:
    buckets: dict[float, int] = {}
    add(buckets, counts)
    assert buckets == {}
