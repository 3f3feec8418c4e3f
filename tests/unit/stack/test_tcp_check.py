from __future__ import annotations

import pathlib

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.stack.convert import convert
from ansible_collections.sophia.replatform.plugins.module_utils.stack.load import load_stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Options
from ansible_collections.sophia.replatform.plugins.module_utils.stack.tcp_check import tcp_port

LAB = pathlib.Path(__file__).parents[3] / "lab/services/docker-stack.yml"


@pytest.mark.parametrize(
    "test",
    [
        ["CMD", "nc", "-z", "localhost", "9000"],
        ["CMD", "/usr/bin/nc", "-zv", "-w", "3", "127.0.0.1", "9000"],
        ["CMD", "busybox", "nc", "-z", "-w3", "::1", "9000"],
        ["CMD-SHELL", "nc -z localhost 9000 || exit 1"],
        ["CMD", "bash", "-c", ": </dev/tcp/127.0.0.1/9000"],
        ["CMD", "/bin/bash", "-c", "</dev/tcp/localhost/9000"],
        ["CMD-SHELL", "bash -c 'exec 3<>/dev/tcp/localhost/9000' || exit 1"],
    ],
)
def test_opens_a_connection(test):
    assert tcp_port(test) == 9000


@pytest.mark.parametrize(
    "test",
    [
        ["CMD", "nc", "localhost", "9000"],
        ["CMD", "nc", "-w", "3", "localhost", "9000"],
        ["CMD", "nc", "-z", "db", "9000"],
        ["CMD", "nc", "-zu", "localhost", "9000"],
        ["CMD", "nc", "-z", "localhost", "9000", "9001"],
        ["CMD", "bash", "-c", "</dev/udp/localhost/9000"],
        ["CMD", "bash", "-c", "</dev/tcp/localhost/$PORT"],
        ["CMD", "bash", "-c", "test -f x && </dev/tcp/localhost/9000"],
        ["CMD-SHELL", "nc -z localhost 9000 | grep ok"],
        ["CMD-SHELL", "nc -z localhost 9000 && nc -z localhost 9001"],
        ["CMD-SHELL", "echo 'half"],
        ["CMD-SHELL", "</dev/tcp/localhost/9000"],
        ["CMD", "pg_isready"],
    ],
)
def test_does_more_than_that(test):
    assert tcp_port(test) is None


def test_only_where_the_operator_wants_it(converted):
    keys = {"healthcheck": {"test": ["CMD", "nc", "-z", "localhost", "9000"], "interval": "20s"}}
    assert "exec" in converted(keys).values["probes"]["liveness"]
    app = converted(keys, options=Options(http_probes=True))
    probes = app.values["probes"]
    assert probes["liveness"]["tcpSocket"] == {"port": 9000} and "exec" not in probes["liveness"]
    assert probes["readiness"]["periodSeconds"] == 5
    assert app.verdicts["healthcheck"] == "approximated"


def test_the_labs_ticker_is_a_deployment_behind_a_port_that_is_asked_for_a_connection():
    options = Options(http_probes=True, workload_keys=True, host_ports=False)
    ticker = convert(load_stack({"stack.yml": LAB.read_text()}, {}, "sophia", lambda _name: ""), options).values[
        "services"
    ]["ticker"]
    assert ticker["kind"] == "Deployment"
    assert [(port["port"], port["protocol"]) for port in ticker["ports"]] == [(9010, "TCP")]
    assert sorted(ticker["probes"]) == ["liveness", "readiness", "startup"]
    assert all(probe["tcpSocket"] == {"port": 9010} for probe in ticker["probes"].values())
