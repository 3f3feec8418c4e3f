"""traffic_shift against a real Traefik on loopback, under requests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.run import run

from .conftest import until

pytestmark = pytest.mark.slow

HOST = "app.lab"


def metrics(success=99, duration=5000):
    return [
        {"name": "request-success-rate", "threshold_range": {"min": success}},
        {"name": "request-duration", "threshold_range": {"max": duration}},
    ]


def params(edge, sides, **changes):
    swarm, k3s = sides
    values = {
        "name": "app",
        "state": "shifted",
        "rule": f"Host(`{HOST}`)",
        "entry_points": ["web"],
        "primary": {"name": "swarm", "servers": [swarm.address]},
        "canary": {"name": "k3s", "servers": [k3s.address]},
        "health_check": {"path": "/health", "interval": 0.2, "timeout": 20, "host": ""},
        "retry_attempts": 2,
        "interval": 0.5,
        "threshold": 2,
        "step_weights": [50],
        "max_weight": 100,
        "metrics": metrics(),
        "prometheus_url": None,
        "prober_dir": None,
        "min_requests": 0,
        "gates": [],
        "until_weight": 100,
        "min_weight": 0,
        "reason": "",
        "mirror_weight": 0,
        "skip_analysis": False,
        "session_affinity": None,
        "tls": None,
        "protocol": "http",
        "dead_man": None,
        "dead_man_patience": 3,
        "controller_timeout": 0,
        "controller_sign": None,
        "drain_timeout": 10,
        "dynamic_dir": str(edge.dynamic_dir),
        "state_dir": str(edge.state_dir),
        "api_url": edge.api_url,
        "in_effect_timeout": 20,
        "lock_timeout": 0.3,
        "journal": str(edge.state_dir / "journal.jsonl"),
        "phase": "cutover",
        "deadline": 600,
    }
    return {**values, **changes}


def shift(edge, sides, check_mode=False, **changes):
    result = {"changed": False, "steps": []}
    run(params(edge, sides, **changes), check_mode, result)
    return result


def test_all_traffic_moves_in_steps_and_no_request_fails(edge, sides, traffic):
    assert shift(edge, sides, state="present")["weight"] == 0
    with traffic(edge.web, HOST) as requests:
        result = shift(edge, sides, interval=5)
        again = shift(edge, sides)
        back = shift(edge, sides, state="rolled_back")
        # A stale note of 100 would let a run that is killed right after the next 100 pass for a watched one.
        noted = json.loads((edge.state_dir / "app.json").read_text())["weight"]
        shift(edge, sides, step_weights=[])
        promoted = shift(edge, sides, state="promoted")
    weights = [step for step in result["steps"] if step["name"] == "weight"]
    assert [step["weight"] for step in weights] == [50, 100]
    assert [step["failed"] for step in weights] == [0, 0]
    assert weights[0]["ratio"] == pytest.approx(0.5, abs=0.1)
    assert weights[1]["ratio"] == 1.0
    assert requests.failed == 0 and len(requests.answers) > 100
    assert (again["changed"], again["steps"]) == (False, [])
    assert back["changed"] and [step["weight"] for step in back["steps"]] == [0]
    assert back["steps"][0]["ratio"] == 0.0 and noted == 0
    assert promoted["changed"] and sides[0].address not in (edge.dynamic_dir / "app.yml").read_text()


def test_a_canary_that_fails_two_percent_brings_all_traffic_back(edge, sides, traffic):
    sides[1].fail_every = 50
    shift(edge, sides, state="present")
    with traffic(edge.web, HOST) as requests:
        with pytest.raises(RefusedError, match="request-success-rate"):
            shift(edge, sides, interval=8, metrics=metrics(success=99.9))
        served, answered = sides[1].served, len(requests.answers)
        until(lambda: len(requests.answers) > answered + 20)
        assert sides[1].served == served
    records = map(json.loads, (edge.state_dir / "journal.jsonl").read_text().splitlines())
    assert [r["data"]["weight"] for r in records if "back_ms" in r["data"]] == [0]
    assert shift(edge, sides, state="present")["weight"] == 0


def test_a_canary_without_answer_never_gets_a_request(edge, sides):
    sides[1].stop()
    shift(edge, sides, state="present")
    with pytest.raises(RefusedError, match="does not answer"):
        shift(edge, sides, interval=0.1)
    assert shift(edge, sides, state="present")["weight"] == 0


def test_a_slow_canary_is_sent_back(edge, sides, traffic):
    sides[1].delay = 0.05
    shift(edge, sides, state="present")
    with traffic(edge.web, HOST), pytest.raises(RefusedError, match="request-duration p99"):
        shift(edge, sides, metrics=metrics(duration=20), interval=6)


@pytest.mark.parametrize("content", ["http: [", "http:\n  routers: {x: {rule: 7, nonsense: true}}\n"])
def test_a_strangers_broken_file_is_named_and_our_file_stays_as_it_was(edge, sides, content):
    shift(edge, sides, state="present")
    before = (edge.dynamic_dir / "app.yml").read_text()
    foreign = edge.dynamic_dir / "other.yaml"
    foreign.write_text(content)
    with pytest.raises(ReplatformError, match=str(foreign)):
        shift(edge, sides, in_effect_timeout=1)
    assert (edge.dynamic_dir / "app.yml").read_text() == before
    foreign.unlink()
    assert shift(edge, sides)["weight"] == 100


def test_killed_in_a_step_and_started_again(edge, sides, traffic):
    shift(edge, sides, state="present")
    script = (
        "import json, sys; from ansible_collections.sophia.replatform.plugins.module_utils.traffic.run import run; "
        "run(json.loads(sys.argv[1]), False, {'changed': False, 'steps': []})"
    )
    environment = {**os.environ, "PYTHONPATH": "collections"}
    slow = json.dumps(params(edge, sides, interval=30))
    with traffic(edge.web, HOST) as requests:
        first = subprocess.Popen([sys.executable, "-c", script, slow], env=environment)
        until(lambda: sides[1].served >= 5)
        with pytest.raises(RefusedError, match=f"process {first.pid} is still shifting"):
            shift(edge, sides)
        first.send_signal(signal.SIGKILL)
        first.wait()
        result = shift(edge, sides)
    assert [step["name"] for step in result["steps"]] == ["watch", "precheck", "weight"]
    assert result["weight"] == 100
    assert requests.failed == 0


def test_check_mode_shows_the_schedule_and_writes_nothing(edge, sides):
    result = shift(edge, sides, check_mode=True)
    assert result["changed"] and result["weight"] == 100
    assert [(s["name"], s["weight"]) for s in result["steps"] if s["name"] != "precheck"] == [
        ("create", 0),
        ("weight", 50),
        ("weight", 100),
    ]
    assert '"weight": 100' in result["diff"]["after"] and result["diff"]["before"] == ""
    assert list(edge.dynamic_dir.iterdir()) == [] and not edge.state_dir.exists()


def test_an_edge_that_is_not_there_is_named(edge, sides):
    with pytest.raises(ReplatformError, match="api_url"):
        shift(edge, sides, api_url="http://127.0.0.1:9")
    assert list(edge.dynamic_dir.iterdir()) == []
