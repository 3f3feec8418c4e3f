"""Whether a connection is taken and kept: straight to a server, and through a real Traefik, which takes every one."""

from __future__ import annotations

import json
import socket
import threading

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.probe import connect
from ansible_collections.sophia.replatform.plugins.modules import tcp_probe
from ports import free_port

from .conftest import until

HELD = 2.0
ROUTE = """
tcp:
  routers: {feed: {rule: "HostSNI(`*`)", entryPoints: [tcp-1], service: feed}}
  services: {feed: {loadBalancer: {servers: [{address: "%s"}]}}}
"""


class Server:
    """Takes connections and does with each what it is told."""

    def __init__(self, serve):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._serve, self._kept = serve, []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        try:
            while True:
                connection, _address = self._socket.accept()
                self._kept.append(connection)
                self._serve(connection)
        except OSError:
            return

    def stop(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        for each in (self._socket, *self._kept):
            each.close()


@pytest.fixture
def server():
    started = []

    def start(serve):
        started.append(Server(serve))
        return started[-1].address

    yield start
    for each in started:
        each.stop()


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


@pytest.mark.parametrize("serve", [lambda _connection: None, lambda connection: connection.sendall(b"hello")])
def test_a_server_that_keeps_the_connection_is_there(server, serve):
    assert connect(server(serve), 5, 0.2) == ""


def test_a_server_that_speaks_and_hangs_up_is_there(server):
    def say(connection):
        connection.sendall(b"12:00")
        connection.close()

    assert connect(server(say), 5, HELD) == ""


def test_one_that_hangs_up_without_a_word_is_not(server):
    address = server(socket.socket.close)
    assert connect(address, 5, 60) == f"{address} closes a connection at once"
    assert connect(address, 5) == ""


def test_one_that_resets_the_connection_is_not(server):
    """The reset may be there before the connection has been taken note of."""
    assert connect(server(reset), 5, 60) != ""


def test_nobody_takes_a_connection():
    assert "does not take a connection" in connect(f"127.0.0.1:{free_port()}", 5, HELD)


def test_traefik_takes_a_connection_and_closes_what_leads_nowhere(edge, server):
    def lead(address):
        (edge.dynamic_dir / "feed.yml").write_text(ROUTE % address)

    lead(f"127.0.0.1:{free_port()}")
    until(lambda: edge.get("/api/tcp/services/feed@file") == 200)
    entry = f"127.0.0.1:{edge.tcp}"
    assert connect(entry, 30, 60) == f"{entry} closes a connection at once"
    assert connect(entry, 30) == ""
    lead(server(lambda _connection: None))
    until(lambda: connect(entry, 30, HELD) == "")


def run(capsys, address):
    port = int(address.rpartition(":")[2])
    with patch_module_args({"port": port, "held": 0.2}), pytest.raises(SystemExit):
        tcp_probe.main()
    return json.loads(capsys.readouterr().out)


def test_the_module_fails_where_it_is_not_open(capsys, server):
    said = run(capsys, server(lambda _connection: None))
    assert (said["open"], said["changed"], said.get("failed")) == (True, False, None)
    said = run(capsys, server(socket.socket.close))
    assert (said["open"], said["changed"], said["failed"]) == (False, False, True)
    assert said["msg"].endswith("closes a connection at once")
