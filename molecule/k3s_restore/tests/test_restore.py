"""The cluster is the one of the snapshot, whole again with all its servers and agents."""

from __future__ import annotations


def test_what_was_there_is_back_and_what_came_later_is_gone(fleet):
    names = {item["metadata"]["name"] for item in fleet.kubectl("get", "configmaps", "--namespace", "default")["items"]}
    assert "kept" in names
    assert "lost" not in names


def test_every_node_is_ready(fleet):
    assert fleet.condition("Ready") == dict.fromkeys(fleet.hosts, "True")


def test_every_server_votes_in_the_same_etcd(fleet):
    assert fleet.condition("EtcdIsVoter") == dict.fromkeys(fleet.servers, "True")
    seen = [
        {item["metadata"]["uid"] for item in fleet.kubectl("get", "nodes", through=name)["items"]}
        for name in fleet.servers
    ]
    assert len(seen[0]) == len(fleet.hosts)
    assert seen == [seen[0]] * len(fleet.servers)
