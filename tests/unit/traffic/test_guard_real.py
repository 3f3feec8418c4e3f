"""What has moved is guarded on a real Traefik: brought back when it breaks, and by whichever guard is there."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic import guard_run

from .conftest import until
from .test_breach_real import in_background, records
from .test_edge_real import HOST, metrics, shift

SCRIPT = (
    "import json, sys; from ansible_collections.sophia.replatform.plugins.module_utils.traffic.guard_run import run; "
    "run(json.loads(sys.argv[1]))"
)


def options(edge, guard, **changes):
    values = {
        "state": "guarding",
        "id": guard,
        "services": [{"name": "app", "interval": 60, "threshold": 3, "metrics": metrics(), "prometheus_url": None}],
        "side": "k3s",
        "stores": [],
        "returns": [],
        "hold": 0,
        "fresh": False,
        "patience": 60,
    }
    paths = {"dynamic_dir": str(edge.dynamic_dir), "state_dir": str(edge.state_dir), "prober_dir": None}
    evidence = {"journal": str(edge.state_dir / "journal.jsonl"), "phase": "cutover", "deadline": 600}
    return {**values, **paths, **evidence, "api_url": edge.api_url, "in_effect_timeout": 20, **changes}


def ask(edge, state="asked", guard=""):
    return guard_run.run(options(edge, guard, state=state))


@contextlib.contextmanager
def guarded(edge, guard="one", **changes):
    """A guard until the end; what it returned is in the list."""
    returned = []
    thread = threading.Thread(target=lambda: returned.append(guard_run.run(options(edge, guard, **changes))))
    thread.start()
    ask(edge, guard=guard)
    try:
        yield returned
    finally:
        ask(edge, "ended")
        thread.join()


def start_guard(edge, guard):
    """A guard in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": "collections"}
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, json.dumps(options(edge, guard))], env=environment)
    ask(edge, guard=guard)
    return process


def weight(edge):
    return shift_weight(json.loads((edge.dynamic_dir / "app.yml").read_text().partition("\n")[2]))


def shift_weight(file):
    return file["http"]["services"]["app"]["weighted"]["services"][1]["weight"]


@pytest.fixture()
def moved(edge, sides):
    shift(edge, sides, skip_analysis=True)
    return edge


def test_what_breaks_when_nobody_shifts_it_comes_back(moved, sides, traffic):
    with traffic(moved.web, HOST) as requests, guarded(moved) as returned:
        until(lambda: sides[1].served > 50)
        sides[1].fail_every = 2
        until(lambda: ask(moved)["verdicts"])
        until(lambda: records(moved, "weight")[-1]["data"]["weight"] == 0)
        served = sides[0].served
        until(lambda: sides[0].served > served + 20)
    assert weight(moved) == 0 and requests.answers[-1] == (200, "swarm")
    back = records(moved, "weight")[-1]
    assert (back["operation"], back["event"]) == ("traffic_shift", "ok")
    # Three seconds are promised on a host that has nothing else to do; the rest is for one that has.
    assert 0 < back["data"]["back_ms"] < 15_000
    assert "request-success-rate" in back["data"]["reason"] and "(under guard)" in back["data"]["reason"]
    (verdict,) = ask(moved)["verdicts"]
    assert verdict["service"] == "app" and "request-success-rate" in verdict["reason"] and verdict["stays"] == ""
    assert returned[0]["changed"] and list(returned[0]["breached"]) == ["app"]
    # The next run's guard begins with none, and does not bring back what is well.
    sides[1].fail_every = 0
    with guarded(moved, "two", fresh=True):
        assert ask(moved)["verdicts"] == []
        assert shift(moved, sides, skip_analysis=True)["weight"] == 100


def test_a_guard_that_is_killed_leaves_its_place_to_the_next_which_takes_it_from_one_that_lives(moved, sides, traffic):
    first = start_guard(moved, "first")
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert ask(moved)["guarded_by"] == ""
    second = start_guard(moved, "second")
    with traffic(moved.web, HOST), guarded(moved, "third"):
        assert second.wait(60) == 0 and ask(moved)["guarded_by"] == "third"
        sides[1].fail_every = 2
        until(lambda: weight(moved) == 0)
    assert ask(moved)["guarded_by"] == ""


def test_a_shift_that_is_under_way_is_let_alone(edge, sides, traffic):
    shift(edge, sides, max_weight=50, skip_analysis=True)
    with traffic(edge.web, HOST), guarded(edge):
        run, raised = in_background(lambda: shift(edge, sides, interval=60, threshold=8))
        until(lambda: "step_left_s" in (edge.state_dir / "app.progress.json").read_text())
        sides[1].fail_every = 2
        run.join()
        assert isinstance(raised[0], RefusedError) and weight(edge) == 0
    assert ask(edge)["verdicts"] == []
    assert not any("(under guard)" in str(record["data"]) for record in records(edge, "weight"))


def test_with_the_swarm_dead_it_stays_and_goes_back_when_the_swarm_lives(moved, sides, traffic):
    sides[0].stop()
    with traffic(moved.web, HOST), guarded(moved):
        until(lambda: "does not answer" in ask(moved)["no_way_back"].get("app", ""))
        sides[1].fail_every = 2
        until(lambda: [verdict for verdict in ask(moved)["verdicts"] if not verdict["returning"]])
        (verdict,) = ask(moved)["verdicts"]
        assert "stays at weight 100: no server of its primary side 'swarm' answers" in verdict["stays"]
        assert weight(moved) == 100 and len([r for r in records(moved, "weight") if r["event"] == "failed"]) == 1
        sides[0].start()
        until(lambda: weight(moved) == 0)


def test_an_edge_that_is_restarted_and_nobody_who_asks_are_no_breach(moved, sides):
    with guarded(moved) as returned:
        moved.stop()
        until(lambda: "does not answer" in ask(moved)["edge"])
        moved.start()
        until(lambda: ask(moved)["edge"] == "")
    assert returned[0]["breached"] == {} and not returned[0]["changed"] and weight(moved) == 100
