from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Options

HOST = {"ports": [{"target": 80, "published": 8080, "mode": "host"}]}
WITH = Options(workload_keys=True)
NODES = tuple({"hostname": name, "role": "worker", "id": name, "address": ""} for name in ("a", "b"))


def test_a_host_port_is_a_host_port(converted):
    app = converted(HOST, options=WITH)
    assert app.values["ports"] == [
        {"name": "tcp-80", "port": 80, "protocol": "TCP", "published": 8080, "hostPort": 8080}
    ]
    assert app.verdicts["ports[80/tcp]"] == "mapped"


def test_beside_a_swarm_it_is_not(converted):
    app = converted(HOST, options=Options(workload_keys=True, host_ports=False))
    assert "hostPort" not in app.values["ports"][0]
    assert app.values["ports"][0]["published"] == 8080
    assert app.verdicts["ports[80/tcp]"] == "approximated"
    assert converted(HOST).values["ports"] == [{"name": "tcp-80", "port": 80, "protocol": "TCP"}]


def test_an_ingress_port_is_published(converted):
    app = converted({"ports": ["8080:80", "8081:80"]}, options=WITH)
    assert app.values["ports"] == [{"name": "tcp-80", "port": 80, "protocol": "TCP", "published": 8080}]
    assert [row.verdict for row in app.rows if row.key == "ports[80/tcp]"] == ["approximated"] * 2


@pytest.mark.parametrize(
    ("order", "replicas", "surge"),
    [(None, 1, 0), ("stop-first", 1, 0), ("start-first", 1, 1), ("start-first", 2, 0)],
)
def test_two_pods_can_not_hold_one_port_of_a_node(converted, order, replicas, surge):
    update = {"order": order} if order else {}
    keys = {**HOST, "deploy": {"replicas": replicas, "update_config": update}}
    app = converted(keys, options=Options(workload_keys=True, nodes=NODES))
    assert app.values["strategy"]["maxSurge"] == surge
