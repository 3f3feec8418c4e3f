"""Clients that a run holds go on when it is killed or frozen, on real servers; what comes late then is void."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.handover import switchover_scripts

from . import stores
from .test_switchover_real import SOAK, judge, names, new_fleet
from .watch import watched

pytestmark = pytest.mark.slow

# Records of a handover whose standby is ready, after those of try_repoint: pause, fence, what proves it, promote, repoint, resume.
HOLDING = range(3, 13)


@pytest.fixture(scope="module")
def fleet():
    made = new_fleet()
    made.run("standby", made.k3s)
    yield made
    made.end()


def sides(fleet):
    target = fleet.k3s if fleet.primary() is fleet.swarm else fleet.swarm
    return target, fleet.swarm if target is fleet.k3s else fleet.k3s


def records(fleet, since=0):
    path = fleet.folder / "journal.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()][since:] if path.exists() else []


def said_by_dead_man(fleet, since):
    return [one for one in records(fleet, since) if one["step"] == "dead_man"]


def gone_on(writers):
    """Each has written after this was called."""
    before = [len(writer.acknowledged) for writer in writers]
    stores.until(
        lambda: all(writer.failed or len(writer.acknowledged) > old for writer, old in zip(writers, before)),
        "clients go on",
    )


@pytest.mark.parametrize(
    ("at", "frozen"), itertools.product(HOLDING, (False, True)) if SOAK else [(3, False), (5, True), (8, False)]
)
def test_clients_go_on_though_nobody_runs_it_again(fleet, at, frozen):
    target, _other = sides(fleet)
    assert "failed" not in fleet.run("standby", target)
    known = len(records(fleet))
    with fleet.load() as load, watched(fleet):
        assert fleet.run("primary", target, die=(at,), dead_man=3 if frozen else 60, frozen=frozen) == {}
        gone_on(load[0])
        stores.until(lambda: len(said_by_dead_man(fleet, known)) == 2, "it has ended")
        said = said_by_dead_man(fleet, known)
        assert [one["event"] for one in said] == ["start", "ok"]
        assert ("was killed" in said[0]["data"]["reason"]) == frozen
        assert "failed" not in fleet.run("primary", target)
    judge(fleet, load, 1)


def test_where_nothing_is_safe_clients_stay_held_and_it_is_said(fleet):
    """The one was fenced, and the other, which may have been promoted, does not answer."""
    target, _other = sides(fleet)
    fleet.run("standby", target)
    known = len(records(fleet))
    with fleet.load() as load, watched(fleet):
        fleet.run("primary", target, die=(6,))
        os.kill(target.postmaster(), signal.SIGSTOP)
        try:
            fleet.run("primary", target, dead_man=60)
            stores.until(lambda: said_by_dead_man(fleet, known), "it is said")
            (said,) = said_by_dead_man(fleet, known)
            assert said["event"] == "failed" and "clients may be held: no primary is seen" in said["data"]["reason"]
        finally:
            os.kill(target.postmaster(), signal.SIGCONT)
        gone_on(load[0])
    assert "failed" not in fleet.run("primary", target)
    judge(fleet, load, 1)


def test_another_run_may_begin_at_the_same_moment(fleet):
    target, other = sides(fleet)
    fleet.run("standby", target)
    with fleet.load() as load, watched(fleet):
        for one in (target, other):
            fleet.run("primary", target, die=(5,), dead_man=60)
            assert "failed" not in fleet.run("primary", one, dead_man=60)
    assert fleet.primary() is other
    # At the second time there may have been nothing left to do.
    count = "SELECT count(DISTINCT port) FROM rows"
    judge(fleet, load, 2 if fleet.swarm.sql(count) == "2" else 0)


def freezing(fleet):
    """A PATH with a timeout that freezes before it starts what it was told to."""
    folder = fleet.folder / "freezing"
    folder.mkdir(exist_ok=True)
    (folder / "timeout").write_text('#!/bin/sh\nkill -STOP $$\nshift\nexec "$@"\n')
    (folder / "timeout").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def script(fleet, text, at, *arguments, lock, path):
    fixed = [stores.USER, stores.DATABASE, str(fleet.password_file), str(lock), "127.0.0.1", str(fleet.pooler.port)]
    return subprocess.Popen(
        ["/bin/sh", "-c", text, "sh", *fixed, "127.0.0.1", str(at.port), *arguments],
        env={**os.environ, "PATH": path},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def frozen_of(group):
    found = subprocess.run(["pgrep", "-g", str(group), "-r", "T"], capture_output=True, text=True, check=False)
    return found.stdout.split()


def late_promotion(fleet, target):
    """One that is frozen as it begins; it even has a lock of its own."""
    decided = target.sql("SELECT pg_last_wal_replay_lsn()")
    path = freezing(fleet)
    late = script(fleet, switchover_scripts.PROMOTE, target, decided, lock=fleet.folder / "late.lock", path=path)
    stores.until(lambda: frozen_of(late.pid), "it is frozen")
    return late


@pytest.mark.parametrize(("again", "said"), [(False, "was made void by another run"), (True, "has gone on since")])
def test_a_promotion_that_comes_late_is_not_made(fleet, again, said):
    """It was frozen, and another run has promoted the other one since; with O(again) this one is to take its place after all."""
    target, other = sides(fleet)
    fleet.run("standby", target)
    with fleet.load() as load, watched(fleet):
        fleet.run("primary", target, die=(6,))
        late = late_promotion(fleet, target)
        assert "promote" in names(fleet.run("primary", other))
        if again:
            assert "release" in names(fleet.run("standby", target))
        os.killpg(late.pid, signal.SIGCONT)
        assert said in late.communicate(timeout=stores.PATIENCE_S)[1]
        assert late.returncode == 1
        assert target.sql("SELECT pg_is_in_recovery()") == "t"
    judge(fleet, load, 0)
