"""Three servers with etcd and two agents stand beside the Swarm, as the configuration says, and keep their tokens to themselves."""

from __future__ import annotations

import pytest
import yaml

VERSION = "v1.35.6+k3s1"
TOKENS = ["/var/lib/rancher/k3s/server/token", "/etc/rancher/k3s/token"]
READABLE = ["/etc/systemd/system", "/etc/rancher/k3s/config.yaml", "/var/lib/replatform", "/var/log"]


def test_every_node_is_ready_and_runs_the_release(fleet):
    assert fleet.condition("Ready") == dict.fromkeys(fleet.hosts, "True")
    assert fleet.versions() == {VERSION}


def test_every_server_votes_in_etcd(fleet):
    assert fleet.condition("EtcdIsVoter") == dict.fromkeys(fleet.servers, "True")


def test_no_node_offers_a_gpu_that_the_swarm_hands_out(fleet):
    assert {
        name: node["status"]["allocatable"].get("nvidia.com/gpu") for name, node in fleet.nodes().items()
    } == dict.fromkeys(fleet.hosts)


def test_the_swarm_still_serves(fleet):
    replicas = fleet.swarm_replicas()
    assert len(replicas) == fleet.swarm_services
    assert all(have == want for have, want in (pair.split("/") for pair in replicas))


def test_only_the_first_server_begins_a_cluster(fleet):
    configs = {
        name: yaml.safe_load(fleet.on(name).file("/etc/rancher/k3s/config.yaml").content_string) for name in fleet.hosts
    }
    assert [name for name in fleet.hosts if "server" not in configs[name]] == fleet.servers[:1]
    assert [name for name in fleet.hosts if "cluster-init" in configs[name]] == fleet.servers[:1]
    assert {name: config["node-name"] for name, config in configs.items()} == {name: name for name in fleet.hosts}


@pytest.mark.parametrize("path", ["/etc/rancher/k3s/config.yaml", "/etc/rancher/k3s/k3s.yaml", *TOKENS])
def test_what_holds_secrets_is_roots_alone(fleet, path):
    for name in fleet.servers:
        file = fleet.on(name).file(path)
        assert not file.exists or (file.user, file.mode) == ("root", 0o600)


def test_no_token_is_where_others_read(fleet):
    for name in fleet.hosts:
        host = fleet.on(name)
        tokens = [host.file(path).content_string.strip() for path in TOKENS if host.file(path).exists]
        assert tokens
        for token in {token.rpartition(":")[2] for token in tokens}:
            found = host.run("grep -rlF -e %s %s", token, " ".join(READABLE)).stdout
            assert found == ""
            assert token not in host.check_output(
                "journalctl --no-pager --output cat --unit k3s --unit k3s-agent; ps -eo args"
            )
