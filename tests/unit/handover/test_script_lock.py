"""The lock of the scripts: the next one waits for the one before it, and ends it where it is frozen."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.handover.script_lock import ALONE

from .stores import until

# Five seconds in place of a minute.
SCRIPT = "set -eu\nlock=$1\nshift\n" + ALONE.replace("-w 60", "-w 5") + 'alone\n"$@"\n'


def start(lock, *command):
    return subprocess.Popen(["/bin/sh", "-c", SCRIPT, "sh", str(lock), *command], start_new_session=True)


@pytest.fixture(name="frozen")
def frozen_fixture(tmp_path):
    """A script that has the lock, with a child that has it too, both frozen."""
    freeze = f"sleep 1000 & touch {tmp_path}/begun; kill -STOP $! $$; wait"
    script = start(tmp_path / "lock", "sh", "-c", freeze)
    until((tmp_path / "begun").exists, "it has the lock")
    yield script
    subprocess.run(["pkill", "-KILL", "-s", str(script.pid)], check=False)
    script.wait()


def test_one_that_is_frozen_is_ended_with_all_that_it_started(frozen, tmp_path):
    waiting = start(tmp_path / "lock", "touch", str(tmp_path / "done"))
    assert waiting.wait() == 0
    assert (tmp_path / "done").exists()
    assert frozen.wait() == -9
    of_it = ["pgrep", "-s", str(frozen.pid), "-r", "D,R,S,T"]
    until(lambda: subprocess.run(of_it, capture_output=True, check=False).stdout == b"", "none is left")


def test_one_that_waits_is_left_alone(frozen, tmp_path):
    both = [start(tmp_path / "lock", "true") for _each in range(2)]
    assert [one.wait() for one in both] == [0, 0]


def test_one_that_only_looks_waits_for_nobody(frozen):
    assert start("", "true").wait() == 0
