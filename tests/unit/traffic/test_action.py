"""The controller's half of a shift that goes on beside its session to the edge host."""

from __future__ import annotations

import fcntl
import json
import pathlib
import subprocess
import types

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.sophia.replatform.plugins.action import traffic_shift
from ansible_collections.sophia.replatform.plugins.action.traffic_shift import ActionModule, progress_line, read

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


DONE = {"changed": True, "weight": 100}


class Beside(ActionModule):
    """A controller whose host is this one. O(happens) is called before each look, with its number; it stands for the module."""

    def __init__(self, folder, happens):
        self.folder, self.happens, self.looks = folder, happens, 0
        self._task = types.SimpleNamespace(async_val=0)
        self.log, self.lock, self.sign = folder / "jobs/j1.7", folder / "app.lock", None
        self.log.parent.mkdir()

    def shift(self, **more):
        return self._stand_by(
            {"name": "app", "state_dir": str(self.folder), **more}, 60, {"inventory_hostname": "edge-1"}
        )

    def _execute_module(self, module_name=None, module_args=None, task_vars=None, wrap_async=False):
        if wrap_async:
            self.sign = pathlib.Path(module_args["controller_sign"])
            self.log.write_text(RUNNING)
            self.longest = self._task.async_val
            return {"ansible_job_id": "j1.7", "results_file": str(self.log), "started": 1}
        found = json.loads(self.log.read_text())
        if module_args["mode"] == "cleanup":
            self.log.unlink()
        return {**found, "ansible_job_id": "j1.7", "finished": True}

    def _low_level_execute_command(self, command):
        if "touch -c" in command:
            self.looks += 1
            self.happens(self)
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
        return {"stdout": done.stdout}


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(traffic_shift, "_EVERY_S", 0.0)


def test_a_module_that_is_gone_without_a_result_is_waited_for_no_longer(tmp_path):
    held = []

    def happens(edge):
        if edge.looks == 1:
            held.append(edge.lock.open("a"))
            fcntl.flock(held[0], fcntl.LOCK_EX)
            (tmp_path / "app.progress.json").write_text(json.dumps(PROGRESS))
        elif edge.looks == 40:
            held[0].close()  # as the kernel does for one that was killed

    edge = Beside(tmp_path, happens)
    with pytest.raises(AnsibleActionFail) as failed:
        edge.shift()
    assert edge.looks == 49
    said = str(failed.value)
    assert said.startswith(
        "the shift of service 'app' on edge-1 has ended without a result (killed, its host restarted, or no"
    )
    assert progress_line(PROGRESS) in said and said.endswith(
        "run this again, which goes on from the weight that it left"
    )
    assert not edge.log.exists() and not edge.sign.exists()


def test_one_that_is_slow_to_begin_and_slow_to_say_its_result_is_waited_for(tmp_path):
    held = []

    def happens(edge):
        if edge.looks == 9:
            held.append(edge.lock.open("a"))
            fcntl.flock(held[0], fcntl.LOCK_EX)
        elif edge.looks == 12:
            held[0].close()
        elif edge.looks == 20:
            edge.log.write_text(json.dumps(DONE))

    edge = Beside(tmp_path, happens)
    assert edge.shift() == DONE and edge.looks == 20


def test_one_that_does_not_end_by_its_deadline_is_given_up(tmp_path, monkeypatch):
    clock = iter(range(0, 10_000_000, 3600))
    monkeypatch.setattr(traffic_shift.time, "monotonic", lambda: next(clock))

    def happens(edge):
        if edge.looks == 1:
            edge.held = edge.lock.open("a")
            fcntl.flock(edge.held, fcntl.LOCK_EX)

    edge = Beside(tmp_path, happens)
    with pytest.raises(AnsibleActionFail, match="on edge-1 does not end; its last progress: none"):
        edge.shift(deadline="7200")
    edge.held.close()
    assert edge.longest == 120 + 7200 + 86400
    assert edge.looks == edge.longest // 3600 + 1


def test_a_shift_has_ended_when_its_log_is_its_result():
    assert read(f"{RUNNING}\n\n") == (False, "", True)
    assert read(f'{{"started": 1,\n\n{json.dumps(PROGRESS)}\nno lock\n') == (False, progress_line(PROGRESS), False)
    assert read('{"changed": true, "weight": 100}\n\n').ended is True
    assert read("7\nnonsense\n") == (False, "", True)


def test_progress_is_a_line():
    assert progress_line(PROGRESS) == (
        "app: weight at 50 %, share 50%, 99.03 % of 103 requests well, p99 9.9 ms, 1 s left, 11 s in all"
    )
    assert progress_line({"service": "app", "step": "failed", "weight": 0, "reason": "x"}) == "app: failed at 0 %, x"
