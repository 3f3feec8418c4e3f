"""http_probe's counting, and the whole of it against servers on loopback."""

from __future__ import annotations

import ssl

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.measure import (
    Answer,
    Tally,
    Target,
    faults,
    measure,
    quantile,
)
from hypothesis import given
from hypothesis import strategies as st

from .authority import Authority
from .conftest import Backend


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_a_value_that_enough_are_not_above(values, q):
    ordered = sorted(round(value, 1) for value in values)
    found = quantile(ordered, q)
    assert found in ordered and sum(value <= found for value in ordered) >= q * len(ordered) - 1e-6


def test_failures_are_in_the_latency_but_not_in_the_sides():
    tally = Tally([Answer("", "k3s", 1.0), Answer("", "", 2.0), Answer("status 500", "k3s", 900.0)])
    result = tally.result()
    assert (result["total"], result["failed"], result["success_rate"]) == (3, 1, 66.667)
    assert result["sides"] == {"k3s": 1, "unknown": 1} and result["p99_ms"] == 900.0
    assert result["reasons"] == {"status 500": 1}


def test_servers_are_told_apart_and_their_failures_named(sides):
    sides[1].fail_every = 4
    good = measure(Target(f"http://{sides[0].address}/whoami?x=1"), 20, 200)
    bad = measure(Target(f"http://{sides[1].address}/whoami"), 20, 200)
    assert (good["total"], good["failed"], good["sides"]) == (20, 0, {"swarm": 20})
    assert (bad["failed"], bad["reasons"]) == (5, {"status 500": 5})
    assert faults(good, 100, 0) == "" and faults(good, 0, 0.0001)
    assert "5 of 20 requests failed (status 500)" in faults(bad, 99, 0)


def test_nobody_there(sides):
    sides[0].stop()
    result = measure(Target(f"http://{sides[0].address}/"), 2, 100)
    assert result["failed"] == 2 and result["success_rate"] == 0.0


@pytest.mark.parametrize(("url", "requests", "rate"), [("10.0.0.1", 1, 1), ("http://a", 0, 1), ("http://a", 1, 0)])
def test_what_can_not_be_asked_is_refused(url, requests, rate):
    with pytest.raises(ReplatformError):
        measure(Target(url), requests, rate)


def test_over_tls_the_host_is_the_name_and_the_url_the_address(tmp_path):
    authority, backend = Authority(tmp_path), Backend("k3s")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("edge", "app.test"))
    backend._server.socket = context.wrap_socket(backend._server.socket, server_side=True)
    url, ca_file = f"https://{backend.address}/health", str(authority.file)
    try:
        good = measure(Target(url, "app.test", ca_path=ca_file), 3, 100)
        assert (good["failed"], good["sides"]) == (0, {"k3s": 3})
        for target in (Target(url, "other.test", ca_path=ca_file), Target(url, "app.test")):
            (reason,) = measure(target, 1, 100)["reasons"]
            assert "certificate verify failed" in reason
        assert measure(Target(url, "other.test", validate_certs=False), 1, 100)["failed"] == 0
    finally:
        backend.stop()
    with pytest.raises(ReplatformError, match="ca_path '/nowhere' is no file"):
        measure(Target(url, "app.test", ca_path="/nowhere"), 1, 100)
