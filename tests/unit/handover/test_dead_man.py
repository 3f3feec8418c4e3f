"""The process that stands by: when it acts, when it does not, and what it does not keep from others."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import switchover_release
from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_run import Switchover
from ansible_collections.sophia.replatform.plugins.module_utils.journal import read_journal

from .stores import until

RUN = """
import os, pathlib, signal, sys
from ansible_collections.sophia.replatform.plugins.module_utils.handover.dead_man import DeadMan
folder = pathlib.Path(sys.argv[1])
kept = open(folder / "kept", "w")
def act(reason):
    open_files = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")]
    text = "\\n".join([reason, str(os.getsid(0)), *open_files])
    (folder / "new").write_text(text)
    (folder / "new").rename(folder / "acted")
man = DeadMan(act, float(sys.argv[3]))
man.arm()
man.arm()
(folder / "session").write_text(str(os.getsid(0)))
exec(sys.argv[2])
"""


def run(folder, last, patience_s=100.0):
    """The status of a run whose dead-man is armed and that then does O(last), and what that one said and had open."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(folder), last, str(patience_s)],
        env={**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[3] / "collections")},
        check=False,
        capture_output=True,  # waits for all that have its output open
    )
    return done.returncode


@pytest.mark.parametrize("last", ["os.kill(os.getpid(), signal.SIGKILL)", "raise SystemExit(1)", "os._exit(0)", ""])
def test_it_acts_when_the_run_has_ended_however_it_did(tmp_path, last):
    run(tmp_path, last)
    until((tmp_path / "acted").exists, "it acts")
    reason, session, *files = (tmp_path / "acted").read_text().splitlines()
    assert reason == "the run has ended"
    assert session != (tmp_path / "session").read_text()
    assert not [name for name in files if name.startswith(str(tmp_path))]


def test_what_is_frozen_is_killed_first(tmp_path):
    assert run(tmp_path, "os.kill(os.getpid(), signal.SIGSTOP)", patience_s=0.5) == -9
    until((tmp_path / "acted").exists, "it acts")
    assert "was killed" in (tmp_path / "acted").read_text()


def test_it_does_not_act_once_all_is_well(tmp_path):
    """Armed anew it acts, so it would have by then."""
    run(tmp_path, "man.disarm(); man.disarm()")
    assert not (tmp_path / "acted").exists()
    run(tmp_path, "man.disarm(); man.arm()")
    until((tmp_path / "acted").exists, "it acts")


def test_a_run_hears_that_its_time_is_over_before_the_dead_man_kills_it(tmp_path):
    assert run(tmp_path, "os._exit(int(man.overdue()))") == 0
    assert run(tmp_path, "man._armed_at -= 95; os._exit(int(man.overdue()))") == 1


class Faulty:
    """A place where every script fails, in turn in two ways."""

    def __init__(self):
        self.said = iter(["no", "no", "never"])

    def run(self, *_script):
        raise ReplatformError(next(self.said))


def test_each_fault_is_said_once_until_the_deadline(tmp_path, monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(switchover_release.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(switchover_release.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(switchover_release, "alone", lambda *_all: open(os.devnull))  # noqa: SIM115 - a context
    place = Faulty()
    params = {
        "journal": str(tmp_path / "journal"),
        "phase": "cutover",
        "name": "db",
        "deadline": 4,
        "pooler_file": "f",
        "target": "a:1",
        "other": "b:1",
        "overwrite": False,
        "max_lag": 0,
        "grace": 1,
        "target_name": None,
        "other_name": None,
        "user": "u",
        "database": "d",
        "password_file": "p",
        "pooler": "c:1",
    }
    switchover_release.let_go(Switchover, lambda _params: (place, "lock"), params, "the run has ended")
    said = [(one["step"], one["event"], one["data"]["reason"]) for one in read_journal(str(tmp_path / "journal"))]
    assert said == [
        ("dead_man", "failed", f"the run has ended, and clients may be held: {fault}") for fault in ("no", "never")
    ]
