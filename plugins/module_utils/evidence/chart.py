# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shapes of charts, for an SVG with C(viewBox="0 0 1000 100") that is stretched to its place.

Only shapes lie in the SVG. Words are placed by percent in HTML, so that they keep their size on any screen.
"""

from __future__ import annotations

import datetime
import math
import typing as t

WIDTH, HEIGHT = 1000, 100
BIN_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400)
Point = t.Tuple[float, float]


class TimeAxis:
    """Places times between O(start) and O(end) (seconds since the epoch)."""

    def __init__(self, start: float, end: float) -> None:
        self.start = start
        self.end = max(end, start + 1)

    def percent(self, time: float) -> float:
        """Where O(time) lies, in percent of the width, within the chart."""
        return round(min(100.0, max(0.0, (time - self.start) * 100 / (self.end - self.start))), 3)

    def x(self, time: float) -> float:
        """The same in units of the SVG."""
        return round(self.percent(time) * WIDTH / 100, 2)

    def bin_seconds(self, most: int = 240) -> int:
        """The shortest handy bin of which there are at most O(most)."""
        size = next((size for size in BIN_SECONDS if (self.end - self.start) / size <= most), BIN_SECONDS[-1])
        while (self.end - self.start) / size > most:
            size *= 2
        return size

    def ticks(self, most: int = 8) -> list[dict[str, t.Any]]:
        """At most O(most) round times as C({percent, label}), in UTC; every other one is C(minor)."""
        size = self.bin_seconds(most)
        form = "%H:%M:%S" if size < 60 else "%H:%M" if size < 86400 else "%d %b"
        first = math.ceil(self.start / size)
        return [
            {
                "percent": self.percent(number * size),
                "label": datetime.datetime.fromtimestamp(number * size, tz=datetime.timezone.utc).strftime(form),
                "minor": number % 2 == 1,
            }
            for number in range(first, math.floor(self.end / size) + 1)
        ]


def runs(times: t.Iterable[int], bin_s: int) -> list[list[int]]:
    """Starts of bins, parted where bins are missing."""
    parted: list[list[int]] = []
    for time in sorted(times):
        if parted and time - parted[-1][-1] <= bin_s:
            parted[-1].append(time)
        else:
            parted.append([time])
    return parted


def band(axis: TimeAxis, bin_s: int, values: t.Mapping[int, tuple[float, float]]) -> str:
    """A path that fills between two heights (0 to 1, from below) in each bin; gaps stay open."""
    path = []
    for run in runs(values, bin_s):
        upper = [point for time in run for point in _stair(axis, time, bin_s, values[time][1])]
        lower = [point for time in run for point in _stair(axis, time, bin_s, values[time][0])]
        path.append("M" + " L".join(f"{x:g} {y:g}" for x, y in upper + lower[::-1]) + "Z")
    return "".join(path)


def line(axis: TimeAxis, bin_s: int, values: t.Mapping[int, float]) -> str:
    """A path through the middles of the bins at heights from 0 to 1; gaps stay open, a lone bin is a short stroke."""
    path = []
    for run in runs(values, bin_s):
        points = [(axis.x(time + bin_s / 2), _y(values[time])) for time in run]
        if len(points) == 1:
            points.append((points[0][0] + 1, points[0][1]))
        path.append("M" + " L".join(f"{x:g} {y:g}" for x, y in points))
    return "".join(path)


def nice_ceiling(value: float) -> float:
    """The least of 1, 2, 2.5, 5 times a power of ten that is not below O(value)."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= value * (1 - 1e-9))


class LogScale:
    """Heights of values on decades that hold them all."""

    def __init__(self, values: t.Sequence[float]) -> None:
        held = [value for value in values if value > 0] or [1.0]
        self.low = math.floor(math.log10(min(held)))
        self.high = max(math.ceil(math.log10(max(held))), self.low + 1)

    def height(self, value: float) -> float:
        """From 0 to 1; what is not positive lies at the bottom."""
        if value <= 0:
            return 0.0
        return min(1.0, max(0.0, (math.log10(value) - self.low) / (self.high - self.low)))

    def decades(self) -> list[float]:
        """The values that have a line."""
        return [10.0**power for power in range(self.low, self.high + 1)]


def _stair(axis: TimeAxis, time: int, bin_s: int, height: float) -> list[Point]:
    return [(axis.x(time), _y(height)), (axis.x(time + bin_s), _y(height))]


def _y(height: float) -> float:
    return round(HEIGHT * (1 - height), 2)
