"""Pods reach each other through WireGuard and strangers reach nothing of K3s; the Swarm and the other cluster's context stay."""

from __future__ import annotations

import json
import socket
import stat

import pytest
import yaml

FLANNEL = "flannel.alpha.coreos.com"
SESSION = 180  # seconds after which WireGuard refuses a session that has not been renewed
KEY = "/var/lib/rancher/k3s/agent/flannel-wg.key"


def address(node):
    return next(item["address"] for item in node["status"]["addresses"] if item["type"] == "InternalIP")


def ports(fleet, name):
    return [10250, 6443] if name in fleet.servers else [10250]


def test_every_node_is_ready(fleet):
    assert fleet.condition("Ready") == dict.fromkeys(fleet.hosts, "True")
    assert fleet.condition("EtcdIsVoter") == dict.fromkeys(fleet.servers, "True")
    assert not any(node["spec"].get("unschedulable") for node in fleet.nodes().values())


def test_the_units_are_the_scripts(fleet):
    for name in fleet.hosts:
        unit = "k3s" if name in fleet.servers else "k3s-agent"
        assert fleet.on(name).file(f"/usr/local/bin/{unit}-uninstall.sh").exists


def test_every_pod_answers_every_other_node_through_the_tunnel(fleet):
    pods = {pod["spec"]["nodeName"]: pod for pod in fleet.kubectl("get", "pods", "--selector", "app=web")["items"]}
    assert set(pods) == set(fleet.hosts)
    server = fleet.on(fleet.servers[0])
    for here, pod in pods.items():
        for there in pods.keys() - {here}:
            target = pods[there]["status"]["podIP"]
            assert " dev flannel-wg " in fleet.on(here).check_output("ip route get %s", target)
            # wget's own timeout crashes Debian's static busybox.
            answer = server.check_output(
                "k3s kubectl exec %s -- busybox timeout 10 busybox wget -q -O - %s",
                pod["metadata"]["name"],
                f"http://{target}:8001/whoami",
            )
            assert json.loads(answer)["node"] == there


def test_every_node_has_a_session_with_every_other(fleet):
    keys = {name: fleet.on(name).check_output("wg show flannel-wg public-key") for name in fleet.hosts}
    for name in fleet.hosts:
        host = fleet.on(name)
        shaken = dict(line.split() for line in host.check_output("wg show flannel-wg latest-handshakes").splitlines())
        assert set(shaken) == set(keys.values()) - {keys[name]}
        now = int(host.check_output("date +%s"))
        assert all(now - int(moment) <= SESSION for moment in shaken.values())


def test_nodes_announce_their_external_address_and_public_key(fleet):
    for name, node in fleet.nodes().items():
        notes = node["metadata"]["annotations"]
        assert notes[f"{FLANNEL}/public-ip"] == address(node)
        public = json.loads(notes[f"{FLANNEL}/backend-data"])["PublicKey"]
        assert public == fleet.on(name).check_output("wg show flannel-wg public-key")


def test_the_private_keys_stay_private(fleet):
    for name in fleet.hosts:
        host = fleet.on(name)
        file = host.file(KEY)
        assert (file.user, file.mode) == ("root", 0o600)
        assert file.content_string not in host.check_output("journalctl --no-pager --output cat; ps -eo args")


def test_who_is_no_node_is_not_answered(fleet):
    for name, node in fleet.nodes().items():
        socket.create_connection((address(node), 22), timeout=5).close()
        for port in ports(fleet, name):
            with pytest.raises(TimeoutError):
                socket.create_connection((address(node), port), timeout=2)


def test_nodes_are_answered(fleet):
    nodes = fleet.nodes()
    for name, node in nodes.items():
        other = fleet.on(next(host for host in fleet.hosts if host != name))
        for port in ports(fleet, name):
            other.check_output(f"timeout 10 bash -c '</dev/tcp/{address(node)}/{port}'")


def test_the_table_is_loaded_and_dockers_chains_are_there(fleet):
    for name in fleet.hosts:
        host = fleet.on(name)
        assert "udp dport { 51820, 51821 } drop" in host.check_output("nft list table inet replatform_k3s")
        for table in ("filter", "nat"):
            assert "-N DOCKER\n" in host.check_output(f"iptables -t {table} -S") + "\n"


def test_the_kubeconfig_holds_both_clusters_and_keeps_its_choice(fleet):
    file = fleet.artifacts / "kubeconfig-public"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    config = yaml.safe_load(file.read_text())
    assert [context["name"] for context in config["contexts"]] == ["elsewhere", "lab-public"]
    assert config["current-context"] == "elsewhere"
    urls = {cluster["name"]: cluster["cluster"]["server"] for cluster in config["clusters"]}
    assert urls == {"elsewhere": "https://192.0.2.9:6443", "lab-public": "https://172.31.77.11:6443"}


def test_the_swarm_still_serves(fleet):
    replicas = fleet.swarm_replicas()
    assert len(replicas) == fleet.swarm_services
    assert all(have == want for have, want in (pair.split("/") for pair in replicas))
