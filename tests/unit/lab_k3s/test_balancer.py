"""The agent's load balancer with real sockets: which server is asked, what happens when it goes, and when all are gone."""

from __future__ import annotations

import contextlib
import json
import socket
import threading

import pytest
from k3s_standin import balancer, logs


class Server:
    """Says its name, then sends back what it gets; ends its side when the client has ended its own."""

    def __init__(self, name):
        self.name = name.encode()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.place = f"127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _peer = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.echo, args=(connection,), daemon=True).start()

    def echo(self, connection):
        with connection:
            connection.sendall(self.name)
            while chunk := connection.recv(65536):
                connection.sendall(chunk)

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture
def servers():
    made = [Server(name) for name in "abc"]
    yield made
    for server in made:
        if server.socket.fileno() >= 0:
            server.close()


@pytest.fixture
def running(servers, tmp_path):
    made = balancer.Balancer(servers[0].place, 0, tmp_path / "lb.json").start()
    yield made
    made.stop()


def connect(running):
    return socket.create_connection(("127.0.0.1", running.port), 5)


def asked(running):
    with connect(running) as client:
        client.settimeout(5)
        return client.recv(1).decode()


def test_the_configured_server_is_asked_first_and_another_one_when_it_is_down(servers, running):
    running.set_servers([s.place for s in servers])
    assert [asked(running) for _turn in range(3)] == ["a", "a", "a"]
    servers[0].close()
    assert [asked(running) for _turn in range(3)] == ["b", "b", "b"]
    servers[1].close()
    assert asked(running) == "c"


def test_all_bytes_pass_both_ways_and_an_end_in_one_direction_is_no_end_in_the_other(running):
    content = bytes(range(256)) * 8192
    with connect(running) as client:
        client.settimeout(10)
        sender = threading.Thread(target=lambda: (client.sendall(content), client.shutdown(socket.SHUT_WR)))
        sender.start()
        received = b""
        while chunk := client.recv(65536):
            received += chunk
        sender.join()
    assert received == b"a" + content


def test_connections_to_a_server_that_left_the_cluster_end_and_come_back_to_another(servers, tmp_path):
    running = balancer.Balancer(servers[0].place, 0, tmp_path / "lb.json").start()
    running.set_servers([s.place for s in servers])
    servers[0].close()
    with connect(running) as client:
        client.settimeout(5)
        assert client.recv(1) == b"b"
        running.set_servers([servers[0].place, servers[2].place])
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""
    assert asked(running) == "c"
    running.stop()


def test_no_server_is_a_closed_connection_and_no_end_of_the_balancer(servers, running):
    servers[0].close()
    with connect(running) as client:
        client.settimeout(5)
        assert client.recv(1) == b""
    running.set_servers([servers[1].place])
    assert asked(running) == "b"


def test_a_taken_port_is_named(servers, tmp_path):
    port = int(servers[0].place.rpartition(":")[2])
    with pytest.raises(logs.Fatal, match=f"listen tcp 127.0.0.1:{port}: bind"):
        balancer.Balancer("10.0.0.1:6443", port, tmp_path / "lb.json").start()


def test_what_the_cluster_said_last_outlives_a_restart_with_the_configured_server_down(servers, tmp_path):
    file = tmp_path / "lb.json"
    first = balancer.Balancer(servers[0].place, 0, file)
    first.loop.call_soon_threadsafe = lambda *words: None
    first.set_servers([s.place for s in servers])
    assert json.loads(file.read_text())["ServerAddresses"] == sorted(s.place for s in servers)
    again = balancer.Balancer(servers[0].place, 0, file)
    assert again.servers[0] == servers[0].place and set(again.servers) == {s.place for s in servers}


@pytest.mark.parametrize("content", ["", "[]", '{"ServerURL": "x"}'])
def test_a_broken_file_is_no_obstacle(tmp_path, content):
    (tmp_path / "lb.json").write_text(content)
    assert balancer.Balancer("10.0.0.1:6443", 0, tmp_path / "lb.json").servers == ["10.0.0.1:6443"]


def test_servers_are_the_nodes_of_the_control_plane_that_have_an_address():
    def node(name, labels, address=""):
        addresses = [{"type": "Hostname", "address": name}] + (
            [{"type": "InternalIP", "address": address}] if address else []
        )
        return {"metadata": {"name": name, "labels": labels}, "status": {"addresses": addresses}}

    plane = {balancer.CONTROL_PLANE: "true"}
    nodes = [node("a", plane, "10.0.0.1"), node("b", {}, "10.0.0.2"), node("c", plane)]
    assert balancer.servers_among(nodes, 6443) == ["10.0.0.1:6443"]


@pytest.mark.parametrize(
    "url, wanted",
    [("https://a", "a:6443"), ("https://10.0.0.1:7443", "10.0.0.1:7443"), ("https://[fd00::1]:6443", "[fd00::1]:6443")],
)
def test_places(url, wanted):
    assert balancer.place(url) == wanted
