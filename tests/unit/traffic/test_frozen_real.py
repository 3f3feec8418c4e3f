"""A node that freezes in mid-step: the canary is a process that stops itself, in front of it is a real Traefik."""

from __future__ import annotations

import pathlib
import signal
import subprocess
import sys
import time

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ports import free_port

from .conftest import Backend, Traffic, until
from .test_breach_real import in_background, records
from .test_edge_real import HOST, shift

CANARY = pathlib.Path(__file__).parents[3] / "molecule/traffic_faults/files/canary.py"
CLIENTS = 12
CHECK = {"path": "/health", "interval": 1, "timeout": 3, "host": ""}


class Freezing:
    """A canary that freezes at the request number O(after)."""

    def __init__(self, after):
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        arguments = [sys.executable, str(CANARY), str(port), "--after", str(after), "--freeze"]
        self.process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)

    def frozen(self):
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    def stop(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture()
def freezing():
    both = Backend("swarm"), Freezing(60)
    yield both
    for side in both:
        side.stop()


@pytest.fixture()
def clients(edge):
    """Each sends its next request when it has its answer."""
    all_of_them = [Traffic(edge.web, HOST, rate=20) for _client in range(CLIENTS)]
    yield all_of_them
    for client in all_of_them:
        if client.running:
            client.stop()


# What is done with the node in the end, and how those end that were on their way to it then.
# One that was still connecting is sent to the primary; one that was sent is not sent again.
ENDS = [(signal.SIGCONT, {(200, "k3s")}), (signal.SIGKILL, {(502, ""), (200, "swarm")})]


@pytest.mark.parametrize(("end", "answers"), ENDS, ids=["it goes on", "it is ended"])
def test_all_goes_back_and_requests_in_flight_end_with_the_node(edge, freezing, clients, end, answers):
    _swarm, k3s = freezing
    until(lambda: subprocess.run(["curl", "-sf", f"http://{k3s.address}/health"], check=False).returncode == 0)
    shift(edge, freezing, state="present", health_check=CHECK)
    *clients, late = clients
    for client in clients:
        client.start()
    run, raised = in_background(lambda: shift(edge, freezing, interval=60, threshold=3, health_check=CHECK))
    until(k3s.frozen)
    at = time.monotonic()
    until(lambda: records(edge, "weight"))
    found_s = time.monotonic() - at
    late.start()
    run.join()
    assert isinstance(raised[0], RefusedError) and "does not answer (timed out)" in str(raised[0])
    watched, back = (record["data"] for record in records(edge, "weight"))
    assert (watched["weight"], watched["passed"], back["weight"], back["passed"]) == (50, False, 0, True)
    # Three seconds are promised on a host that has nothing else to do; the rest is for one that has.
    assert back["back_ms"] < 15_000
    # Who was led there waits; who asks now is answered by the primary.
    waiting = [
        client for client in clients if client.asked and client.asked < at + CHECK["interval"] + CHECK["timeout"]
    ]
    assert waiting and {status for client in clients for status, _side in client.answers} == {200}
    until(lambda: len(late.answers) > 20)
    assert set(late.answers) == {(200, "swarm")}
    had = [len(client.answers) for client in waiting]
    k3s.process.send_signal(end)
    until(lambda: all(len(client.answers) > count for client, count in zip(waiting, had)))
    ended = [client.answers[count] for client, count in zip(waiting, had)]
    print(
        f"back {back['back_ms']} ms after the breach, {found_s:.1f} s after the freeze; {len(ended)} in flight: {set(ended)}"
    )
    assert set(ended) <= answers
