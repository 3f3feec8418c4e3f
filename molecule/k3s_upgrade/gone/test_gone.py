"""K3s has left every host; the Swarm has not noticed."""

from __future__ import annotations

TRACES = ["/etc/rancher", "/var/lib/rancher/k3s", "/usr/local/bin/k3s", "/usr/local/bin/kubectl", "/run/k3s"]


def test_nothing_of_k3s_is_left(fleet):
    for name in fleet.hosts:
        host = fleet.on(name)
        assert [path for path in TRACES if host.file(path).exists] == []
        assert host.run("systemctl list-unit-files 'k3s*' --no-legend").stdout == ""
        assert "k3s" not in host.check_output("mount; ps -eo args | grep -v '^ps '; ip link; iptables-save")


def test_the_swarm_still_serves(fleet):
    replicas = fleet.swarm_replicas()
    assert len(replicas) == fleet.swarm_services
    assert all(have == want for have, want in (pair.split("/") for pair in replicas))
