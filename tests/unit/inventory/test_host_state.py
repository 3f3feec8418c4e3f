from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.inventory.host_state import host_faults

READY = {
    "distribution": "Ubuntu",
    "version": "22.04",
    "systemd": True,
    "python": [3, 10],
    "architecture": "amd64",
    "expected_architecture": "amd64",
    "free_mb": 90_000,
    "skew_s": 0.2,
    "swarm": "active",
    "k3s": False,
    "edge_holder": "",
}


def faults(manager=True, edge_port=80, **changes):
    return host_faults({**READY, **changes}, manager=manager, edge_port=edge_port, disk_free_mb=5000, skew_s=30)


def test_a_ready_host():
    assert faults() == []


def test_debian_is_known_by_its_major_version():
    assert faults(distribution="Debian", version="12.7") == []


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"distribution": "CentOS", "version": "7.9"}, "runs CentOS 7.9"),
        ({"version": "18.04"}, "runs Ubuntu 18.04"),
        ({"systemd": False}, "is not run by systemd"),
        ({"python": [3, 6]}, "has Python 3.6"),
        ({"architecture": "arm64"}, "is arm64, but replatform_arch says amd64"),
        ({"free_mb": 4999}, "has 4999 MB free"),
        ({"skew_s": -31.0}, "has a clock -31 s off"),
        ({"skew_s": 3600.0}, "has a clock +3600 s off"),
        ({"swarm": "locked"}, "in state 'locked'"),
        ({"swarm": "error", "k3s": True}, "in state 'error'"),
        ({"swarm": "inactive"}, "nothing to move from here"),
        ({"swarm": ""}, "nothing to move from here"),
        ({"edge_holder": "nginx (pid 7)"}, "nginx (pid 7) holds its port 80"),
    ],
)
def test_what_is_wrong_is_said(changes, said):
    (fault,) = faults(**changes)
    assert said in fault


def test_a_fleet_that_has_moved_is_fine():
    assert faults(swarm="inactive", k3s=True) == []


def test_a_worker_need_not_be_in_a_swarm():
    assert faults(manager=False, swarm="") == []


def test_the_edges_port_matters_on_the_edge_alone():
    assert faults(edge_port=None, edge_holder="nginx (pid 7)") == []
