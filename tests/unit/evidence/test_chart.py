"""The shapes of charts: within their frame, in order, and with gaps where nothing was measured."""

from __future__ import annotations

import re

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.chart import (
    LogScale,
    TimeAxis,
    band,
    line,
    nice_ceiling,
    runs,
)
from hypothesis import given
from hypothesis import strategies as st

NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
BINS = st.dictionaries(st.integers(0, 200), st.floats(0, 1), min_size=1, max_size=40)


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(rf"({NUMBER}) ({NUMBER})", path)]


@given(BINS)
def test_shapes_stay_in_their_frame(heights: dict[int, float]) -> None:
    axis = TimeAxis(0, 201)
    paths = [line(axis, 1, heights), band(axis, 1, {start: (0.0, height) for start, height in heights.items()})]
    for path in paths:
        assert all(0 <= x <= 1001 and 0 <= y <= 100 for x, y in points(path))


@given(BINS)
def test_a_shape_has_as_many_parts_as_there_are_stretches(heights: dict[int, float]) -> None:
    axis = TimeAxis(0, 201)
    parts = len(runs(heights, 1))
    assert line(axis, 1, heights).count("M") == parts
    assert band(axis, 1, {start: (0.0, height) for start, height in heights.items()}).count("Z") == parts


@given(st.sets(st.integers(0, 100)), st.sampled_from([1, 5, 60]))
def test_runs_part_where_a_bin_is_missing(numbers: set[int], bin_s: int) -> None:
    parted = runs([number * bin_s for number in numbers], bin_s)
    assert [start for run in parted for start in run] == sorted(number * bin_s for number in numbers)
    assert all(later - earlier == bin_s for run in parted for earlier, later in zip(run, run[1:]))
    assert all(later[0] - earlier[-1] > bin_s for earlier, later in zip(parted, parted[1:]))


@given(st.floats(1.7e9, 1.9e9), st.floats(0, 3e7))
def test_ticks_are_few_in_order_and_within(start: float, length: float) -> None:
    axis = TimeAxis(start, start + length)
    ticks = axis.ticks()
    places = [tick["percent"] for tick in ticks]
    assert len(ticks) <= 9
    assert places == sorted(places)
    assert all(0 <= place <= 100 for place in places)
    assert (axis.end - axis.start) / axis.bin_seconds() <= 240


@pytest.mark.parametrize(
    ("length", "labels"),
    [
        (3, ["10:00:00", "10:00:01", "10:00:02", "10:00:03"]),
        (600, ["10:00", "10:02", "10:04", "10:06", "10:08", "10:10"]),
    ],
)
def test_ticks_are_labelled_in_utc(length: int, labels: list[str]) -> None:
    assert [tick["label"] for tick in TimeAxis(1795428000, 1795428000 + length).ticks()] == labels


def test_an_axis_of_no_length_still_has_room() -> None:
    assert TimeAxis(5, 5).percent(5) == 0


@given(st.floats(1e-6, 1e9))
def test_a_nice_ceiling_is_the_next_round_figure(value: float) -> None:
    top = nice_ceiling(value)
    assert value <= top * (1 + 1e-9)
    assert top <= value * 2.5 * (1 + 1e-9)


@given(st.lists(st.floats(1e-3, 1e6), min_size=1))
def test_decades_hold_all_values(values: list[float]) -> None:
    scale = LogScale(values)
    assert len(scale.decades()) >= 2
    assert scale.decades()[0] <= min(values) * (1 + 1e-9)
    assert scale.decades()[-1] >= max(values) * (1 - 1e-9)
    heights = [scale.height(value) for value in sorted(values)]
    assert heights == sorted(heights)
    assert all(0 <= height <= 1 for height in heights)


def test_a_scale_of_nothing_and_of_zeros_can_be_drawn() -> None:
    assert LogScale([]).height(0) == 0
    assert LogScale([0.0]).decades()
