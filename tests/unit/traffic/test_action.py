"""What the controller reads of a shift that goes on on the edge host."""

from __future__ import annotations

import json

from ansible_collections.sophia.replatform.plugins.action.traffic_shift import progress_line, read

RUNNING = json.dumps({"started": 1, "finished": 0, "ansible_job_id": "j1"})
PROGRESS = {
    "service": "app",
    "step": "weight",
    "weight": 50,
    "share": 0.5024,
    "canary": {"requests": 103, "success_rate": 99.03, "p99_ms": 9.9},
    "step_left_s": 1.4,
    "shift_left_s": 11.4,
    "reason": "",
}


def test_a_shift_has_ended_when_its_log_is_its_result():
    assert read(f"{RUNNING}\n\n") == (False, "")
    assert read(f'{{"started": 1,\n\n{json.dumps(PROGRESS)}\n') == (False, progress_line(PROGRESS))
    assert read('{"changed": true, "weight": 100}\n\n')[0] is True
    assert read("7\nnonsense\n") == (False, "")


def test_progress_is_a_line():
    assert progress_line(PROGRESS) == (
        "app: weight at 50 %, share 50%, 99.03 % of 103 requests well, p99 9.9 ms, 1 s left, 11 s in all"
    )
    assert progress_line({"service": "app", "step": "failed", "weight": 0, "reason": "x"}) == "app: failed at 0 %, x"
