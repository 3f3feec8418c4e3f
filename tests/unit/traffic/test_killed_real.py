"""A shift that is killed at each of its records, or in the midst of a step, and is run again: on a real Traefik, under requests."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from .test_edge_real import HOST, params, shift

SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
# Of a whole shift from nothing: precheck, create, and precheck and weight of 50 and of 100 %, each with a start and an end.
RECORDS = 12
# Of all ways to die: before the file is there, before the first weight, within its watch, between two weights, and before the last record.
SAMPLE = [(3, None), (6, None), (6, 250), (8, None), (11, None)]
ALL = [(at, after) for at in range(RECORDS) for after in (None, 20, 150, 400)]
WAYS_BACK = [(0, None), (0, 30), (1, None), *((at, after) for at in (0, 1) for after in (10, 100, 300))]
SCRIPT = """
import json, os, signal, sys, threading
from ansible_collections.sophia.replatform.plugins.module_utils.journal import Journal
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.run import run

params, at, after_ms = json.loads(sys.argv[1])
write = Journal.write

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def dies(self, *record):
    if len(self.records) == at:
        threading.Timer(after_ms / 1000, die).start() if after_ms else die()
    return write(self, *record)

Journal.write = dies
run(params, False, {"changed": False, "steps": []})
"""


def dying(edge, sides, at, after_ms, **changes):
    arguments = json.dumps([params(edge, sides, **changes), at, after_ms])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, arguments], env={**os.environ, "PYTHONPATH": "collections"}, check=False
    )
    return done.returncode == -signal.SIGKILL


def journal(edge):
    path = pathlib.Path(edge.state_dir, "journal.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def weights(edge):
    return [r["data"]["weight"] for r in journal(edge) if r["step"] == "weight" and r["event"] == "ok"]


@pytest.mark.parametrize(("at", "after_ms"), ALL if SOAK else SAMPLE)
def test_killed_and_run_again(edge, sides, traffic, at, after_ms):
    served = at > 3
    if served:
        # All that a client may ask for is there from the first file on.
        shift(edge, sides, state="present", journal=None)
        at -= 4
    with traffic(edge.web, HOST) as requests:
        killed = dying(edge, sides, at, after_ms)
        again = shift(edge, sides)
        third = shift(edge, sides)
    assert killed and again["weight"] == 100
    assert (third["changed"], third["steps"]) == (False, [])
    # Nobody went down or left a weight out; what was passed is noted, though the record of it may be the one that was not written.
    raised = [r["data"]["weight"] for r in journal(edge) if r["step"] == "weight" and r["event"] == "start"]
    assert sorted(set(raised)) == [50, 100] and raised == sorted(raised)
    assert json.loads((edge.state_dir / "app.json").read_text())["weight"] == 100
    assert not list(edge.dynamic_dir.glob("*.new")) and not list(edge.state_dir.glob(".*.new"))
    if served:
        assert requests.failed == 0


def test_the_records_of_a_whole_shift_are_as_many_as_there_are_ways_to_die(edge, sides):
    shift(edge, sides)
    assert len(journal(edge)) == RECORDS and weights(edge) == [50, 100]


def test_killed_on_the_way_back_and_run_again(edge, sides, traffic):
    for at, after_ms in WAYS_BACK if SOAK else WAYS_BACK[:3]:
        shift(edge, sides, skip_analysis=True)
        with traffic(edge.web, HOST) as requests:
            assert dying(edge, sides, at, after_ms, state="rolled_back") or after_ms
            shift(edge, sides, state="rolled_back")
            assert shift(edge, sides, state="rolled_back")["steps"] == []
        assert requests.failed == 0 and '"weight": 0' in (edge.dynamic_dir / "app.yml").read_text()
