"""How long clients were held while PostgreSQL was handed over."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.held import longest_hold_ms


def record(at: str, step: str, event: str, **more: str) -> dict[str, t.Any]:
    time = f"2026-11-23T10:20:{at}Z"
    return {"time": time, "operation": "postgres_switchover", "subject": "db", "step": step, "event": event, **more}


PAUSED, LED_ON = record("01.000", "pause", "start"), record("03.250", "resume", "ok")


@pytest.mark.parametrize(
    ("records", "held_ms"),
    [
        ([], None),
        ([PAUSED, record("01.100", "pause", "ok"), record("03.100", "resume", "start"), LED_ON], 2250),
        ([PAUSED, record("11.000", "pause", "failed")], 10000),
        ([PAUSED, record("02.000", "pause", "start"), LED_ON], 2250),
        ([PAUSED, LED_ON, record("10.000", "pause", "start"), record("10.500", "resume", "ok")], 2250),
        ([PAUSED, record("02.000", "resume", "ok", subject="other"), LED_ON], 2250),
        ([PAUSED], None),
        ([LED_ON], None),
        ([{**PAUSED, "operation": "other"}, {**LED_ON, "operation": "other"}], None),
        ([{**PAUSED, "time": None}, LED_ON], None),
    ],
)
def test_from_the_pause_until_clients_went_on(records: list[dict[str, t.Any]], held_ms: float | None) -> None:
    assert longest_hold_ms(records) == held_ms
