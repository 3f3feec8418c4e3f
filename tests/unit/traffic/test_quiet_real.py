"""That nobody asks the old sides, told by a real Traefik while it serves."""

from __future__ import annotations

import socket
import threading

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic import quiet
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.edge_api import EdgeApi

from .conftest import until
from .test_edge_real import shift
from .test_ways_real import ask

TCP = {"name": "db", "protocol": "tcp", "rule": "HostSNI(`*`)", "entry_points": ["tcp-1"], "interval": 0.1}
AT_ONCE = {"skip_analysis": True, "step_weights": []}


def watched(edge, between, services=("app",)):
    """What was told after a window in which O(between) was done."""
    seen = quiet.EdgeQuiet(EdgeApi(edge.api_url), services, "k3s")
    # A TCP connection is told from a check of health by two looks in a row.
    steps = iter([lambda: None, between, lambda: None])
    quiet.watch(seen.look, 0.4, sleep=lambda _s: next(steps, lambda: threading.Event().wait(0.2))())
    return seen


def test_requests_to_the_old_side_are_counted_and_those_to_the_new_one_are_not(edge, sides):
    shift(edge, sides, state="present")
    shift(edge, sides, skip_analysis=True, step_weights=[50], max_weight=50)
    asked = []
    seen = watched(edge, lambda: asked.extend(ask(edge)[1] for _time in range(10)))
    assert seen.requests == {"app": asked.count("swarm")} and 0 < asked.count("swarm") < 10
    assert seen.sources() == ["127.0.0.1"]

    shift(edge, sides, **AT_ONCE)
    assert watched(edge, lambda: [ask(edge) for _time in range(10)]).requests == {}
    shift(edge, sides, state="promoted")
    assert watched(edge, lambda: ask(edge)).requests == {}


def test_a_clients_connection_on_the_old_side_is_seen_and_checks_of_health_are_not(edge, tcp_sides):
    check = {"path": "/", "interval": 0.1, "timeout": 3, "host": ""}
    shift(edge, tcp_sides, state="present", health_check=check, **TCP)
    with pytest.raises(ReplatformError, match="TCP route db leads to the old side"):
        watched(edge, lambda: None, services=())
    with socket.create_connection(("127.0.0.1", edge.tcp), timeout=60) as client:
        assert client.recv(100) == b"swarm"
        shift(edge, tcp_sides, health_check=check, **{**TCP, **AT_ONCE})
        assert watched(edge, lambda: None, services=()).connections == {"db": 1}
    until(lambda: not watched(edge, lambda: None, services=()).connections)


def test_nothing_is_concluded_from_an_edge_that_can_not_tell(edge, sides):
    with pytest.raises(ReplatformError, match="has no route of app"):
        watched(edge, lambda: None)
    shift(edge, sides, state="present")

    def restarted():
        edge.stop()
        edge.start()
        until(lambda: edge.get("/api/http/services/app@file") == 200)

    with pytest.raises(ReplatformError, match="was restarted meanwhile"):
        watched(edge, restarted)
    edge.stop()
    with pytest.raises(ReplatformError, match="does not answer"):
        watched(edge, lambda: None)
    edge.start()
