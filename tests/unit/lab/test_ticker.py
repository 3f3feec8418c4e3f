"""The lab's service of lines, and the program of scenario migration that writes them."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest
from ports import free_port

ROOT = pathlib.Path(__file__).parents[3]
RUN = "import sys; from sample_platform import ticker; ticker.PATIENCE_S = float(sys.argv[2]); ticker.run(int(sys.argv[1]))"


@pytest.fixture
def started():
    """Starts programs, and ends what is left of them."""
    running = []

    def start(*command):
        env = {**os.environ, "PYTHONPATH": str(ROOT / "lab/services/app"), "NODE_NAME": "here"}
        running.append(subprocess.Popen([sys.executable, *map(str, command)], env=env))
        return running[-1]

    yield start
    for one in running:
        one.kill()
        one.wait()


def connected(port):
    for _each in range(200):
        try:
            return socket.create_connection(("127.0.0.1", port), 10)
        except ConnectionRefusedError:
            time.sleep(0.05)  # a port tells nobody that it listens
    raise AssertionError("nobody serves")


def ask(stream, line):
    stream.write(f"{line}\n")
    stream.flush()
    return json.loads(stream.readline())


def refused(port):
    for _each in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 10).close()
        except ConnectionRefusedError:
            return True
        time.sleep(0.05)  # a socket tells nobody that it is closed to new clients
    return False


def test_a_session_is_answered_on_after_the_end_has_begun(started):
    port = free_port()
    server = started("-c", RUN, port, 10)
    with connected(port) as connection, connection.makefile("rw") as stream:
        assert ask(stream, "one") == {"line": "one", "orchestrator": "swarm", "node": "here"}
        server.send_signal(signal.SIGTERM)
        assert refused(port)
        assert ask(stream, "two")["line"] == "two"
        assert server.poll() is None
    assert server.wait(10) == 0


def test_a_session_without_an_end_is_ended(started):
    port = free_port()
    server = started("-c", RUN, port, 0.2)
    with connected(port) as connection, connection.makefile("rw") as stream:
        assert ask(stream, "one")["line"] == "one"
        server.send_signal(signal.SIGTERM)
        assert stream.readline() == ""
    assert server.wait(10) == 0


def test_the_writer_begins_with_the_first_answer_and_says_what_got_none(started, tmp_path):
    port, result = free_port(), tmp_path / "lines.json"
    writer = started(ROOT / "molecule/migration/line_writer.py", "127.0.0.1", port, result)
    with socket.create_server(("127.0.0.1", port)) as server:
        server.accept()[0].close()  # nobody has been answered yet
        with server.accept()[0] as session, session.makefile("rw") as stream:
            for _each in range(2):
                stream.write(json.dumps({"line": stream.readline().strip(), "orchestrator": "k3s"}) + "\n")
                stream.flush()
            assert stream.readline() == "line 3\n"
        with server.accept()[0] as session, session.makefile("rw") as stream:
            writer.send_signal(signal.SIGTERM)
            stream.write(json.dumps({"line": stream.readline().strip(), "orchestrator": "swarm"}) + "\n")
            stream.flush()
            assert writer.wait(10) == 0
    told = json.loads(result.read_text())
    assert (told["sent"], told["answered"]) == (4, {"k3s": 2, "swarm": 1})
    assert [one["line"] for one in told["unanswered"]] == ["line 3"]
