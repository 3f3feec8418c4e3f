"""Node, password secret, etcd member and every trace on the host are gone; the others serve, and so does the Swarm."""

from __future__ import annotations

GONE = ["sophia-development", "sophia-mcp-orchestrator"]
TRACES = ["/etc/rancher", "/var/lib/rancher/k3s", "/usr/local/bin/k3s", "/etc/systemd/system/k3s.service", "/run/k3s"]


def test_the_nodes_that_stay_are_ready(fleet):
    assert fleet.condition("Ready") == {name: "True" for name in fleet.hosts if name not in GONE}
    assert fleet.condition("EtcdIsVoter") == {name: "True" for name in fleet.servers if name not in GONE}


def test_their_passwords_are_gone(fleet):
    secrets = {
        item["metadata"]["name"] for item in fleet.kubectl("get", "secrets", "--namespace", "kube-system")["items"]
    }
    assert not secrets & {f"{name}.node-password.k3s" for name in GONE}
    assert secrets >= {f"{name}.node-password.k3s" for name in fleet.hosts if name not in GONE}


def test_nothing_of_k3s_is_on_their_hosts(fleet):
    for name in GONE:
        host = fleet.on(name)
        assert [path for path in TRACES if host.file(path).exists] == []
        assert "k3s" not in host.check_output("mount; ps -eo args | grep -v '^ps '; ip link; iptables-save")


def test_the_swarm_still_serves_from_them(fleet):
    for name in GONE:
        assert fleet.on(name).check_output("docker ps --quiet --filter status=running")
