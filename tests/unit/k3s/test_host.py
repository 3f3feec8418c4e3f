from __future__ import annotations

import json

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.host import (
    host_faults,
    overlaps,
    taken_ports,
    units,
)

# Lines as ss of iproute2 6.1 prints them on a Swarm manager.
SS = """\
udp   UNCONN 0      0            0.0.0.0:4789       0.0.0.0:*
tcp   LISTEN 0      4096               *:2377             *:*    users:(("dockerd",pid=211,fd=23))
tcp   LISTEN 0      128          0.0.0.0:22         0.0.0.0:*    users:(("sshd",pid=95,fd=3))
tcp   LISTEN 0      4096               *:7946             *:*    users:(("dockerd",pid=211,fd=27))
"""
NETWORKS = json.dumps(
    [
        {"Name": "ingress", "IPAM": {"Config": [{"Subnet": "10.0.0.0/24", "Gateway": "10.0.0.1"}]}},
        {"Name": "host", "IPAM": {"Config": []}},
        {"Name": "none", "IPAM": {"Config": None}},
    ]
)


def observed(**more):
    return {"running": False, "other_unit": False, "listeners": SS, "networks": NETWORKS, **more}


@pytest.mark.parametrize("node_role", ["server", "agent"])
def test_a_swarm_node_is_free_for_k3s(node_role):
    assert host_faults(observed(), node_role, {"cluster-init": True}) == []


def test_a_taken_port_is_named_with_its_holder():
    line = 'tcp LISTEN 0 511 0.0.0.0:6443 0.0.0.0:* users:(("nginx",pid=77,fd=6),("nginx",pid=78,fd=6))\n'
    (fault,) = host_faults(observed(listeners=SS + line), "server", {})
    assert "6443/tcp (API server) is held by nginx (pid 77)" in fault
    assert host_faults(observed(listeners=SS + line), "agent", {}) == []


def test_the_api_servers_own_port_setting_counts():
    line = 'tcp LISTEN 0 511 [::]:7443 [::]:* users:(("java",pid=5,fd=6))\n'
    assert len(host_faults(observed(listeners=line), "server", {"https-listen-port": 7443})) == 1
    assert host_faults(observed(listeners=line), "server", {}) == []


def test_a_kernel_socket_has_no_process():
    line = "udp UNCONN 0 0 0.0.0.0:8472 0.0.0.0:*\n"
    (fault,) = host_faults(observed(listeners=line), "agent", {})
    assert "8472/udp (flannel VXLAN)" in fault and "does not name" in fault
    assert host_faults(observed(listeners=line), "agent", {"flannel-backend": "wireguard-native"}) == []


def test_a_kernel_socket_is_what_a_stopped_k3s_has_left():
    line = "udp UNCONN 0 0 0.0.0.0:8472 0.0.0.0:*\n"
    assert host_faults(observed(listeners=line, installed=True), "agent", {}) == []


def test_what_listens_is_ours_while_we_run():
    line = 'tcp LISTEN 0 511 *:6443 *:* users:(("k3s-server",pid=77,fd=6))\n'
    assert host_faults(observed(listeners=line, running=True), "server", {}) == []


def test_tcp_and_udp_are_apart():
    assert taken_ports('udp UNCONN 0 0 *:10250 *:* users:(("x",pid=1,fd=1))', [("tcp", 10250, "kubelet")]) == []


def test_an_overlap_names_both_sides():
    networks = json.dumps([{"Name": "sophia_net", "IPAM": {"Config": [{"Subnet": "10.42.8.0/24"}]}}])
    (fault,) = overlaps(networks, {"cluster-cidr": "10.42.0.0/16", "service-cidr": "10.43.0.0/16"})
    assert "cluster-cidr 10.42.0.0/16 overlaps Docker's network 'sophia_net' (10.42.8.0/24)" in fault


def test_dual_stack_ranges_are_compared_within_their_family():
    networks = json.dumps([{"Name": "six", "IPAM": {"Config": [{"Subnet": "fd00:42::/64"}]}}])
    assert overlaps(networks, {"cluster-cidr": "10.42.0.0/16,fd00:42::/56"})
    assert overlaps(networks, {"cluster-cidr": "10.42.0.0/16"}) == []


def test_no_docker_no_networks():
    assert overlaps("", {"cluster-cidr": "10.42.0.0/16"}) == []


def test_the_other_roles_unit_is_refused():
    (fault,) = host_faults(observed(other_unit=True), "agent", {})
    assert "already a K3s server" in fault


def test_units_are_told_apart():
    text = (
        "Id=k3s.service\nLoadState=loaded\nActiveState=active\nExecMainStartTimestamp=Mon 2026-11-23 10:17:39 UTC\n\n"
        "Id=k3s-agent.service\nLoadState=not-found\nActiveState=inactive\nExecMainStartTimestamp=\n"
    )
    found = units(text)
    assert found["k3s.service"]["ExecMainStartTimestamp"] == "Mon 2026-11-23 10:17:39 UTC"
    assert found["k3s-agent.service"]["LoadState"] == "not-found"
    assert units("") == {}
