"""K3s has left every host with its tunnel and its table; the Swarm has not noticed."""

from __future__ import annotations

TRACES = [
    "/etc/rancher",
    "/var/lib/rancher/k3s",
    "/usr/local/bin/k3s",
    "/usr/local/bin/k3s-killall.sh",
    "/run/k3s",
    "/run/wireguard/flannel-wg.sock",
    "/etc/systemd/system/replatform-k3s-firewall.service",
]


def test_nothing_of_k3s_is_left(fleet):
    for name in fleet.hosts:
        host = fleet.on(name)
        assert [path for path in TRACES if host.file(path).exists] == []
        assert host.run("systemctl list-unit-files 'k3s*' --no-legend").stdout == ""
        seen = host.check_output(
            "mount; ps -eo args | grep -v '^ps '; ip link; ip route; iptables-save; nft list tables"
        )
        assert not [word for word in ("k3s", "flannel", "wireguard", "KUBE-") if word in seen]


def test_dockers_chains_are_there(fleet):
    for name in fleet.hosts:
        assert "-N DOCKER\n" in fleet.on(name).check_output("iptables -S") + "\n"


def test_the_swarm_still_serves(fleet):
    replicas = fleet.swarm_replicas()
    assert len(replicas) == fleet.swarm_services
    assert all(have == want for have, want in (pair.split("/") for pair in replicas))
