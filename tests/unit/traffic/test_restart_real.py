"""A real Traefik that is restarted in mid-step, as systemd does it: no verdict on the canary for what the edge did, weights as in the file."""

from __future__ import annotations

import json
import signal
import threading
import time

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError

from .conftest import until
from .test_breach_real import in_background, records
from .test_edge_real import HOST, shift


def in_watch(edge, sides):
    """Until a watch has counted requests."""
    until(lambda: "step_left_s" in (edge.state_dir / "app.progress.json").read_text())
    until(lambda: sides[1].served > 20)


def weights(edge):
    file = json.loads("\n".join((edge.dynamic_dir / "app.yml").read_text().splitlines()[1:]))
    return [child["weight"] for child in file["http"]["services"]["app"]["weighted"]["services"]]


def said(file, failed):
    """What the prober writes of a second."""
    with file.open("a") as stream:
        stream.write(json.dumps({"t": int(time.time()), "service": "app", "total": 20, "failed": failed}) + "\n")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_watch_begins_anew_and_passes(edge, sides, traffic, tmp_path, how):
    prober = tmp_path / "prober"
    prober.mkdir()
    shift(edge, sides, state="present")
    with traffic(edge.web, HOST):
        shifting, raised = in_background(lambda: shift(edge, sides, interval=4, prober_dir=str(prober)))
        in_watch(edge, sides)
        edge.stop(how)
        # What clients of an edge that is down get, and what the prober writes of it.
        file = prober / "requests-20261128T10.jsonl"
        said(file, failed=20)
        threading.Event().wait(1)  # as RestartSec of the unit
        edge.start()
        assert weights(edge) == [50, 50]
        while shifting.is_alive():
            said(file, failed=0)
            shifting.join(1)  # the prober writes each second
    assert raised == [] and weights(edge) == [0, 100]
    half, whole = (record["data"] for record in records(edge, "weight"))
    assert half["edge_away"] == 1 and half["passed"] and half["prober_failed"] == 0
    assert half["ratio"] == pytest.approx(0.5, abs=0.15) and half["watched_s"] >= 4
    assert whole["passed"] and "edge_away" not in whole


def test_a_canary_that_fails_after_the_restart_is_still_found(edge, sides, traffic):
    shift(edge, sides, state="present")
    with traffic(edge.web, HOST):
        shifting, raised = in_background(lambda: shift(edge, sides, interval=60))
        in_watch(edge, sides)
        edge.stop(signal.SIGKILL)
        sides[1].fail_every = 2
        edge.start()
        shifting.join()
    assert "request-success-rate" in str(raised[0]) and weights(edge) == [100, 0]
    assert records(edge, "weight")[0]["data"]["edge_away"] == 1


def test_an_edge_that_does_not_come_up_for_long_is_no_reason_to_wait_for_ever(edge, sides, monkeypatch):
    shift(edge, sides, state="present")
    shifting, raised = in_background(lambda: shift(edge, sides, interval=600, in_effect_timeout=2))
    until(lambda: "step_left_s" in (edge.state_dir / "app.progress.json").read_text())
    for _restart in range(4):
        said = (edge.state_dir / "app.progress.json").read_text()
        edge.stop(signal.SIGKILL)
        edge.start()
        until(lambda said=said: raised or (edge.state_dir / "app.progress.json").read_text() != said)
    shifting.join()
    assert isinstance(raised[0], ReplatformError) and "away 4 times in one watch" in str(raised[0])
    assert weights(edge) == [100, 0]
