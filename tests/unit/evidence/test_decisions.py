"""Who decided what: from the journal, each once."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.decisions import decisions

APPROVAL = {"service": "backend", "weight": 50, "gate": "on-call", "passed": True, "reason": "", "by": "ada"}
APPROVAL["at"] = "2026-11-23T10:00:00Z"


def record(step: str, event: str = "ok", operation: str = "traffic_shift", **data: t.Any) -> dict[str, t.Any]:
    time = "2026-11-23T10:00:07.000Z"
    return {"time": time, "operation": operation, "subject": "host", "step": step, "event": event, "data": data}


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (
            record("gate", **APPROVAL),
            ("backend", "approved 50 % on K3s (gate on-call) at 2026-11-23T10:00:00Z", "ada"),
        ),
        (
            record("gate", service="backend", weight=50, gate="smoke", passed=False, reason="it ended with 1"),
            ("backend", "held 50 % on K3s up: it ended with 1", "gate smoke"),
        ),
        (
            record("weight", service="backend", weight=0, from_weight=25, reason="5xx"),
            ("backend", "went back to the Swarm from 25 %: 5xx", "the watch"),
        ),
        (
            record("weight", service="backend", weight=0, from_weight=25),
            ("backend", "went back to the Swarm from 25 %", "a person"),
        ),
        (
            record("dead_man", service="backend"),
            ("backend", "went back to the last safe weight, since the run had fallen silent", "the dead-man"),
        ),
        (
            record("refuse", "refused", "k3s_drain", reason="no budget"),
            ("host", "refused: no budget", "k3s_drain"),
        ),
    ],
)
def test_a_decision_says_what_and_who(one: dict[str, t.Any], told: tuple[str, str, str]) -> None:
    [found] = decisions([one])
    assert found[1:] == told
    assert found.time == 1795428007


@pytest.mark.parametrize(
    "one",
    [
        record("gate", service="backend", weight=50, gate="smoke", passed=True),
        record("gate", "start", **APPROVAL),
        record("weight", service="backend", weight=0, from_weight=0),
        record("weight", service="backend", weight=50, from_weight=0),
        record("weight", "failed", service="backend", weight=0, from_weight=5),
        record("gate", "ok", "k3s_drain", **APPROVAL),
        {"operation": "traffic_shift", "step": "gate", "event": "ok", "data": None},
        {},
    ],
)
def test_what_is_no_decision_is_left_out(one: dict[str, t.Any]) -> None:
    assert decisions([one]) == []


def test_a_resumed_run_does_not_decide_twice() -> None:
    again = {**record("gate", **APPROVAL), "time": "2026-11-23T11:00:00.000Z"}
    other = record("gate", **{**APPROVAL, "weight": 100})
    assert [one.what[:12] for one in decisions([record("gate", **APPROVAL), again, other])] == [
        "approved 50 ",
        "approved 100",
    ]
