"""What an agent decides about its own node: routes, volumes, cgroups."""

from __future__ import annotations

from pathlib import Path

import pytest
from k3s_standin import cgroups, network, node, storage

ROOT = Path("/var/lib/rancher/k3s/storage")


def member(name, subnet="", address=""):
    addresses = [{"type": "Hostname", "address": name}] + (
        [{"type": "InternalIP", "address": address}] if address else []
    )
    spec = {"podCIDR": subnet} if subnet else {}
    return {"metadata": {"name": name}, "spec": spec, "status": {"addresses": addresses}}


def test_routes_lead_to_every_other_node_that_is_complete():
    nodes = [
        member("one", "10.42.0.0/24", "172.31.77.11"),
        member("two", "10.42.1.0/24", "172.31.77.12"),
        member("no-subnet-yet", "", "172.31.77.13"),
        member("no-address-yet", "10.42.3.0/24"),
    ]
    assert network.wanted_routes(nodes, "one") == {"10.42.1.0/24": "172.31.77.12"}
    assert network.own_subnet(nodes, "one") == "10.42.0.0/24"
    assert network.own_subnet(nodes, "absent") == ""


def test_only_differences_touch_the_routing_table(monkeypatch):
    calls = []

    class Fine:
        returncode = 0

    monkeypatch.setattr(network, "_run", lambda *words: calls.append(words) or Fine())
    present = {"10.42.1.0/24": "a", "10.42.2.0/24": "b", "10.42.3.0/24": "c"}
    wanted = {"10.42.1.0/24": "a", "10.42.2.0/24": "z"}
    assert network.set_routes(wanted, present) == wanted
    assert calls == [
        ("ip", "route", "del", "10.42.3.0/24"),
        ("ip", "route", "replace", "10.42.2.0/24", "via", "z"),
    ]


def claim(**notes):
    keys = {
        "provisioner": "volume.beta.kubernetes.io/storage-provisioner",
        "selected": "volume.kubernetes.io/selected-node",
    }
    return {
        "metadata": {
            "name": "data",
            "namespace": "sophia",
            "uid": "u1",
            "annotations": {keys[key]: value for key, value in notes.items()},
        },
        "spec": {"resources": {"requests": {"storage": "1Gi"}}, "accessModes": ["ReadWriteOnce"]},
    }


def test_a_claim_is_served_on_the_node_its_pod_went_to():
    mine = claim(provisioner="rancher.io/local-path", selected="one")
    assert storage.claimed_here(mine, "one")
    assert not storage.claimed_here(mine, "two")
    assert not storage.claimed_here(claim(provisioner="rancher.io/local-path"), "one")
    assert not storage.claimed_here(claim(provisioner="other", selected="one"), "one")
    assert not storage.claimed_here({**mine, "spec": {**mine["spec"], "volumeName": "pvc-u1"}}, "one")


@pytest.mark.parametrize(
    "change, wanted",
    [
        ({}, ROOT / "pvc-u1_sophia_data"),
        ({"phase": "Bound"}, None),
        ({"policy": "Retain"}, None),
        ({"node": "two"}, None),
        ({"path": "/etc"}, None),
        ({"path": "/var/lib/rancher/k3s/storage/.."}, None),
        ({"path": "/var/lib/rancher/k3s/storage/../../x"}, None),
        ({"by": "someone.else"}, None),
    ],
)
def test_only_its_own_released_folders_are_removed(change, wanted):
    volume = storage.volume_for(claim(), change.get("node", "one"), ROOT)
    volume["status"] = {"phase": change.get("phase", "Released")}
    volume["spec"]["persistentVolumeReclaimPolicy"] = change.get("policy", "Delete")
    volume["spec"]["hostPath"]["path"] = change.get("path", volume["spec"]["hostPath"]["path"])
    volume["metadata"]["annotations"]["pv.kubernetes.io/provisioned-by"] = change.get("by", storage.PROVISIONER)
    assert storage.released_here(volume, "one", ROOT) == wanted


def test_tokens_are_covered_in_the_shown_command_line():
    words = ["agent", "--token", "secret", "--server", "https://a:6443", "--agent-token=secret"]
    shown = node.shown_arguments(words)
    assert shown == ["agent", "--token", "********", "--server", "https://a:6443", "--agent-token=********"]


@pytest.mark.parametrize(
    "text, root",
    [
        ("9:name=systemd:/docker/abc/init.scope\n8:pids:/docker/abc\n0::/docker/abc/init.scope\n", "/docker/abc"),
        ("0::/docker/abc/init.scope\n", "/docker/abc"),
        ("12:pids:/init.scope\n1:name=systemd:/init.scope\n", "/"),
        ("0::/init.scope\n", "/"),
    ],
)
def test_pods_live_beside_the_nodes_own_systemd(text, root):
    assert cgroups.root_of(text) == root
