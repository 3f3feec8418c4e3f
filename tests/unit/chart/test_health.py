from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.chart.errors import ChartError
from ansible_collections.sophia.replatform.plugins.module_utils.chart.health import checks


def service(probe=None, *ports):
    found = {"ports": [{"name": f"tcp-{port}", "port": port, "protocol": "TCP"} for port in ports]}
    return {**found, "probes": {"readiness": probe}} if probe else found


def asked(services, listed=()):
    return [(item["service"], item["port"], item["path"]) for item in checks({"services": services}, listed)]


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
    "probe,ports",
    [
        ({"httpGet": {"path": "/health", "port": 80, "scheme": "HTTPS"}}, [80]),
        ({"httpGet": {"path": "/health", "port": "web"}}, [80]),
        ({"httpGet": {"path": "/health", "port": 8080}}, [80]),
        ({"exec": {"command": ["pg_isready"]}}, [80]),
        (None, [80]),
    ],
)
def test_no_page_no_question(probe, ports):
    assert asked({"web": service(probe, *ports)}) == []


def test_the_inventory_counts_before_the_check():
    probe = {"httpGet": {"path": "/live", "port": 80}}
    services = {"web": service(probe, 80, 81), "store": service(probe, 80), "plain": service(None, 82)}
    listed = [
        {"name": "web", "kind": "http", "port": 81, "path": "/health"},
        {"name": "store", "kind": "postgres", "port": 80},
        {"name": "plain", "port": 82},
        {"name": "gone", "kind": "http", "port": 1},
    ]
    assert asked(services, listed) == [("plain", 82, "/"), ("web", 81, "/health")]


def test_a_port_that_the_stack_does_not_know():
    with pytest.raises(ChartError, match="services: web has port 8080, and its stack file 80, 81; make the two agree"):
        asked({"web": service(None, 80, 81)}, [{"name": "web", "port": 8080}])
