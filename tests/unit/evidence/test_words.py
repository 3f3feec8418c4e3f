"""Figures in words."""

from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.evidence import words


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0"), (61214, "61,214"), (3.3636, "3.36"), (12.0, "12"), (250.4, "250"), (1234.5, "1,234")],
)
def test_number(value: float | None, text: str) -> None:
    assert words.number(value) == text


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (8.7, "8.7 ms"), (850, "850 ms"), (1250, "1.25 s")])
def test_milliseconds(value: float | None, text: str) -> None:
    assert words.milliseconds(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.26, "0.3 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.96, "1 min 00 s"),
        (161.2, "2 min 41 s"),
        (3599.7, "1 h 00 min"),
        (7380, "2 h 03 min"),
    ],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(None, "–"), (0, "0 %"), (0.001, "<1 %"), (0.25, "25 %"), (0.999, "99 %"), (1, "100 %"), (1.0, "100 %")],
)
def test_percent_says_all_and_nothing_of_all_and_nothing_alone(share: float | None, text: str) -> None:
    assert words.percent(share) == text


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (1795428000, 1795428640, "23 November 2026, 10:00 to 10:10 UTC"),
        (1795428000, 1796428000, "23 November 2026, 10:00 to 4 December 2026, 23:46 UTC"),
        (1796428000, 1796428060, "4 December 2026, 23:46 to 23:47 UTC"),
    ],
)
def test_span(start: float, end: float, text: str) -> None:
    assert words.span(start, end) == text
