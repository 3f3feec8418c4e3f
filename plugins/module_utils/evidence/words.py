# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Figures in words, for people. What was not measured is a dash."""

from __future__ import annotations

import datetime

NONE = "–"


def number(value: float | None, unit: str = "") -> str:
    """C(61214) as C(61,214); digits after the point only where they tell something."""
    if value is None:
        return NONE
    text = f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.3g}"
    return f"{text} {unit}" if unit else text


def milliseconds(value: float | None) -> str:
    """C(850) as C(850 ms), C(1250) as C(1.25 s)."""
    if value is None:
        return NONE
    return number(value, "ms") if value < 1000 else number(round(value / 1000, 2), "s")


def duration(seconds: float | None) -> str:
    """C(161.2) as C(2 min 41 s), C(9.11) as C(9.1 s)."""
    if seconds is None:
        return NONE
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def percent(share: float | None) -> str:
    """C(0.253) as C(25 %)."""
    if share is None:
        return NONE
    # Only all is 100 and only nothing is 0.
    whole = round(share * 100)
    return f"{min(whole, 99) if share < 1 else 100} %" if whole or not share else "<1 %"


def clock(time: float | None) -> str:
    """Seconds since the epoch as the time of day in UTC."""
    return NONE if time is None else _utc(time).strftime("%H:%M:%S")


def iso(time: float) -> str:
    """Seconds since the epoch as C(2026-11-23T10:31:07Z), the fraction cut off."""
    return f"{_utc(time):%Y-%m-%dT%H:%M:%SZ}"


def moment(time: str | None) -> str:
    """A time as in RV(iso) for people, C(23 November 2026, 10:31 UTC); what is no such time as it is."""
    if not time:
        return NONE
    try:
        read = datetime.datetime.strptime(time, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return time
    return f"{read.day} {read:%B %Y, %H:%M} UTC"


def span(start: float, end: float) -> str:
    """From when to when, in UTC."""
    one, other = _utc(start), _utc(end)
    last = f"{other:%H:%M}" if one.date() == other.date() else f"{other.day} {other:%B %Y, %H:%M}"
    return f"{one.day} {one:%B %Y, %H:%M} to {last} UTC"


def _utc(time: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(time, tz=datetime.timezone.utc)
