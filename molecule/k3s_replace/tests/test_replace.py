"""The wiped server is back in the cluster that was there, and votes; no second cluster has begun."""

from __future__ import annotations


def test_every_node_is_ready(fleet):
    assert fleet.condition("Ready") == dict.fromkeys(fleet.hosts, "True")


def test_every_server_votes(fleet):
    assert fleet.condition("EtcdIsVoter") == dict.fromkeys(fleet.servers, "True")


def test_it_is_the_same_cluster(fleet):
    before = fleet.on(fleet.servers[1]).file("/run/molecule-identity").content_string
    seen = {
        name: fleet.kubectl("get", "namespace", "kube-system", through=name)["metadata"]["uid"]
        for name in fleet.servers
    }
    assert seen == dict.fromkeys(fleet.servers, before)


def test_it_has_joined(fleet):
    config = fleet.on(fleet.servers[0]).file("/etc/rancher/k3s/config.yaml").content_string
    assert "server: https://" in config
    assert "cluster-init" not in config
