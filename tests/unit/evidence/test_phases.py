"""The phases as the journal tells them: ended, stopped, killed, run again."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.phases import PHASES, epoch, read_phases

Rows = t.Sequence[t.Tuple[int, str, str]]


def cluster(rows: Rows) -> t.Any:
    records = [
        {"time": f"2026-11-23T10:00:{second:02d}.000Z", "phase": "cluster", "operation": operation, "event": event}
        for second, operation, event in rows
    ]
    return read_phases(records)["cluster"]


START, OK, FAILED = ("phase", "start"), ("phase", "ok"), ("phase", "failed")


@pytest.mark.parametrize(
    ("rows", "status", "seconds", "attempts"),
    [
        pytest.param([], None, None, 0, id="never started"),
        pytest.param([(5, "join", "ok")], None, None, 0, id="steps without a phase"),
        pytest.param([(1, *START)], "running", None, 1, id="begun"),
        pytest.param([(1, *START), (4, "join", "start")], "running", None, 1, id="in a step, or killed in it"),
        pytest.param([(1, *START), (9, *OK)], "ok", 8, 1, id="ended"),
        pytest.param([(1, *START), (3, "join", "failed"), (4, "join", "ok"), (9, *OK)], "ok", 8, 1, id="a retry"),
        pytest.param([(1, *START), (3, "join", "failed")], "failed", None, 1, id="a step failed"),
        pytest.param([(1, *START), (3, "join", "refused")], "failed", None, 1, id="refused"),
        pytest.param([(1, *START), (3, *FAILED)], "failed", None, 1, id="said to have failed"),
        pytest.param([(1, *START), (5, *START), (9, *OK)], "ok", 8, 2, id="killed and run again: all the time counts"),
        pytest.param(
            [(1, *START), (3, "join", "failed"), (5, *START)], "running", None, 2, id="run again after failing"
        ),
        pytest.param([(1, *START), (9, *OK), (20, *START), (30, *OK)], "ok", 8, 2, id="a second run has no say"),
        pytest.param(
            [(1, *START), (9, *OK), (20, *START), (22, "join", "failed")], "failed", 8, 2, id="a bad second run"
        ),
        pytest.param([(1, *START), (3, *FAILED), (9, *OK)], "ok", 8, 1, id="the last word of an attempt counts"),
        pytest.param([(1, *OK), (5, *START)], "running", None, 1, id="an end before any start"),
        pytest.param([(1, *OK), (5, *START), (7, *OK)], "ok", 2, 1, id="an end before the start has no say"),
        pytest.param([(1, *START), (9, *OK), (9, "join", "ok")], "ok", 8, 1, id="a host whose clock is ahead"),
    ],
)
def test_status_seconds_and_attempts(rows: Rows, status: str | None, seconds: float | None, attempts: int) -> None:
    phase = cluster(rows)
    assert (phase.status, phase.seconds, phase.attempts) == (status, seconds, attempts)


def test_all_four_phases_stand_in_their_order_even_in_an_empty_journal() -> None:
    assert tuple(read_phases([])) == PHASES == ("repository", "cluster", "platform", "cutover")


def test_records_of_no_phase_and_of_no_time_are_passed_over() -> None:
    records = [
        {"phase": "else", "operation": "phase", "event": "start", "time": "2026-11-23T10:00:00.000Z"},
        {"phase": "cluster", "operation": "phase", "event": "start", "time": "noon"},
        {"phase": "cluster", "operation": "phase", "event": "start"},
        {"phase": ["cluster"], "operation": "phase", "event": "start", "time": "2026-11-23T10:00:00.000Z"},
        {},
    ]
    assert all(phase.status is None for phase in read_phases(records).values())


def test_times_are_seconds_since_the_epoch() -> None:
    assert epoch({"time": "2026-11-23T10:00:00.250Z"}) == 1795428000.25
    assert epoch({"time": None}) is None


def test_what_a_phase_left_is_from_its_last_good_end() -> None:
    frames = [("start", 0), ("ok", 1), ("start", 2), ("ok", 3)]
    phase = read_phases(
        {"phase": "cluster", "operation": "phase", "event": event, "time": f"2026-11-23T10:00:0{second}.000Z"}
        for event, second in frames
    )["cluster"]
    assert (phase.seconds, phase.recorded) == (1, (phase.started or 0) + 3)
