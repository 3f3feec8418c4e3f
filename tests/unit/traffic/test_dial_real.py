"""A server that answers nothing, as a host does that is off: a real Traefik with the static configuration of role edge asks another one in time."""

from __future__ import annotations

import http.client
import socket

import pytest

from .test_edge_real import HOST, shift
from .test_tls_real import OwnEdge

pytestmark = pytest.mark.slow

# Traefik's own 30 seconds until it asks another server are more than such a client waits.
PATIENCE_S = 20
# By turns one server and the other.
REQUESTS = 4


@pytest.fixture
def edge(tmp_path):
    started = OwnEdge(tmp_path)
    yield started
    started.stop()


@pytest.fixture
def silent():
    """A port whose queue is full: the kernel drops whoever wants to connect."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        waiting = [socket.socket() for _each in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(server.getsockname())
        yield f"127.0.0.1:{server.getsockname()[1]}"
        for each in waiting:
            each.close()


def ask(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request("GET", "/whoami", headers={"Host": HOST})
    return connection.getresponse().status


def test_a_request_is_sent_to_another_server_before_its_client_gives_up(edge, sides, silent):
    good = sides[0].address
    # The health check would find it, but not before the first requests.
    patient = {"path": "/health", "interval": 600, "timeout": 500, "host": ""}
    shift(edge, sides, state="present", primary={"name": "swarm", "servers": [silent, good]}, health_check=patient)
    assert [ask(edge.web) for _each in range(REQUESTS)] == [200] * REQUESTS
