from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.chart.errors import ChartError
from ansible_collections.sophia.replatform.plugins.module_utils.chart.health import checks


def service(probe=None, *ports):
    found = {"ports": [{"name": f"tcp-{port}", "port": port, "protocol": "TCP"} for port in ports]}
    return {**found, "probes": {"readiness": probe}} if probe else found


def asked(services, listed=()):
    return [(item["service"], item["port"], item.get("path")) for item in checks({"services": services}, listed)]


@pytest.mark.parametrize(
    "probe",
    [
        {"httpGet": {"path": "/health", "port": 80}},
        {"exec": {"command": ["curl", "-f", "http://localhost/health"]}},
        {"exec": {"command": ["/bin/sh", "-c", "wget -q -O /dev/null http://127.0.0.1:80/health || exit 1"]}},
    ],
)
def test_a_check_that_asks_for_a_page_is_asked_from_outside(probe):
    assert asked({"web": service(probe, 80)}) == [("web", 80, "/health")]


@pytest.mark.parametrize(
    "probe",
    [
        {"tcpSocket": {"port": 90}},
        {"exec": {"command": ["nc", "-z", "localhost", "90"]}},
        {"exec": {"command": ["/bin/sh", "-c", "bash -c ': </dev/tcp/127.0.0.1/90' || exit 1"]}},
    ],
)
def test_a_check_that_opens_a_connection_opens_one_from_outside(probe):
    assert checks({"services": {"feed": service(probe, 90)}}, []) == [{"service": "feed", "port": 90}]


@pytest.mark.parametrize(
    "probe,ports",
    [
        ({"httpGet": {"path": "/health", "port": 80, "scheme": "HTTPS"}}, [80]),
        ({"httpGet": {"path": "/health", "port": "web"}}, [80]),
        ({"httpGet": {"path": "/health", "port": 8080}}, [80]),
        ({"exec": {"command": ["pg_isready"]}}, [80]),
        ({"tcpSocket": {"port": "feed"}}, [80]),
        ({"tcpSocket": {"port": 8080}}, [80]),
        (None, [80]),
    ],
)
def test_no_page_no_question(probe, ports):
    assert asked({"web": service(probe, *ports)}) == []


def test_the_inventory_counts_before_the_check():
    probe = {"httpGet": {"path": "/live", "port": 80}}
    services = {"web": service(probe, 80, 81), "store": service(probe, 80), "plain": service(None, 82)}
    services |= {"feed": service(probe, 80, 90), "cache": service({"tcpSocket": {"port": 80}}, 80)}
    listed = [
        {"name": "web", "kind": "http", "port": 81, "path": "/health"},
        {"name": "store", "kind": "postgres", "port": 80},
        {"name": "cache", "kind": "redis", "port": 80},
        {"name": "feed", "kind": "tcp", "port": 90, "path": "/health"},
        {"name": "plain", "port": 82},
        {"name": "gone", "kind": "http", "port": 1},
    ]
    assert asked(services, listed) == [("feed", 90, None), ("plain", 82, "/"), ("web", 81, "/health")]


def test_a_port_that_the_stack_does_not_know():
    with pytest.raises(ChartError, match="services: web has port 8080, and its stack file 80, 81; make the two agree"):
        asked({"web": service(None, 80, 81)}, [{"name": "web", "port": 8080}])
