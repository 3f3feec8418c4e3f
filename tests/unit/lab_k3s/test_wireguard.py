"""What a node makes of the others' annotations, and that its own key stays its own."""

from __future__ import annotations

import base64
import json
import stat
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from k3s_standin import agent, logs, network, wireguard
from k3s_standin.settings import resolve

KEYS = [base64.b64encode(bytes([number]) * 32).decode() for number in range(4)]
PREFIX = "flannel.alpha.coreos.com"


def member(name, subnet, key, address, **notes):
    found = {**wireguard.annotations(key, address, external=False), **notes}
    return {"metadata": {"name": name, "annotations": found}, "spec": {"podCIDR": subnet} if subnet else {}}


@pytest.fixture(name="nodes")
def three_nodes():
    return [
        member("one", "10.42.0.0/24", KEYS[1], "198.51.100.1"),
        member("three", "10.42.2.0/24", KEYS[3], "198.51.100.3"),
        member("two", "10.42.1.0/24", KEYS[2], "198.51.100.2"),
    ]


def test_every_other_node_is_a_peer(nodes):
    assert wireguard.peers(nodes, "one") == [
        wireguard.Peer("10.42.1.0/24", "198.51.100.2", KEYS[2]),
        wireguard.Peer("10.42.2.0/24", "198.51.100.3", KEYS[3]),
    ]


def test_the_configuration_is_what_wg_reads(nodes):
    assert wireguard.configuration(KEYS[1], wireguard.peers(nodes, "one")[:1]).splitlines() == [
        "[Interface]",
        f"PrivateKey = {KEYS[1]}",
        "ListenPort = 51820",
        "[Peer]",
        f"PublicKey = {KEYS[2]}",
        "AllowedIPs = 10.42.1.0/24",
        "Endpoint = 198.51.100.2:51820",
        "PersistentKeepalive = 25",
    ]


@pytest.mark.parametrize(
    "node",
    [
        member("two", "", KEYS[2], "198.51.100.2"),
        member("two", "10.42.1.0/24", KEYS[2], ""),
        member("two", "10.42.1.0/24", KEYS[2], "two.example"),
        member("two", "10.42.1.0/24", KEYS[2][:-5], "198.51.100.2"),
        member("two", "10.42.1.0/24", base64.b64encode(b"short").decode(), "198.51.100.2"),
        member("two", "10.42.1.0/24", None, "198.51.100.2"),
        member("two", "10.42.1.0/24", KEYS[2], "198.51.100.2", **{f"{PREFIX}/backend-data": "null"}),
        member("two", "10.42.1.0/24", KEYS[2], "198.51.100.2", **{f"{PREFIX}/backend-data": "{"}),
        member("two", "10.42.1.0/24", KEYS[2], "198.51.100.2", **{f"{PREFIX}/backend-type": "vxlan"}),
        {"metadata": {"name": "two"}, "spec": {"podCIDR": "10.42.1.0/24"}},
    ],
)
def test_a_node_that_has_not_said_all_is_no_peer_yet(node):
    assert wireguard.peers([node], "one") == []


@given(st.text(), st.text(), st.text())
def test_no_annotation_adds_a_line(subnet, key, address):
    for changed in (
        member("two", subnet, KEYS[2], "198.51.100.2"),
        member("two", "10.42.1.0/24", f"{KEYS[2]}\n{key}", "198.51.100.2"),
        member("two", "10.42.1.0/24", KEYS[2], f"198.51.100.2\n{address}"),
    ):
        text = wireguard.configuration(KEYS[1], wireguard.peers([changed], "one"))
        assert len(text.splitlines()) in (3, 8)


def test_annotations_are_flannels_and_hold_no_private_key():
    public = wireguard.public_key(KEYS[1])
    inside = wireguard.annotations(public, "192.0.2.1", external=False)
    assert json.loads(inside[f"{PREFIX}/backend-data"]) == {"PublicKey": public}
    assert inside[f"{PREFIX}/backend-type"] == "wireguard" and inside[f"{PREFIX}/public-ip"] == "192.0.2.1"
    assert KEYS[1] not in str(inside)
    outside = wireguard.annotations(public, "198.51.100.1", external=True)
    assert outside.keys() - inside.keys() == {f"{PREFIX}/public-ip-overwrite"}


def test_the_public_key_is_the_one_that_wg_makes():
    assert wireguard.public_key(KEYS[1]) == "pOCSkrZRwni5dyxWn1+puxPZBrRqtoyd+dwrRAn4ogk="  # echo KEY | wg pubkey


def test_the_key_is_made_once_and_private(tmp_path):
    file = tmp_path / "agent/flannel-wg.key"
    first = wireguard.private_key(file)
    assert len(base64.b64decode(first)) == 32 and wireguard.private_key(file) == first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert wireguard.private_key(tmp_path / "other/flannel-wg.key") != first


def test_pods_packets_fit_into_the_tunnel():
    assert json.loads(network.cni_config("10.42.1.0/24", wireguard.MTU))["plugins"][0]["mtu"] == 1420


def test_routes_change_only_where_they_differ():
    calls = wireguard.route_changes({"10.42.1.0/24", "10.42.2.0/24"}, {"10.42.2.0/24", "10.42.3.0/24"})
    assert [call[2:4] for call in calls] == [["del", "10.42.3.0/24"], ["replace", "10.42.1.0/24"]]
    assert all(call[4:] == ["dev", "flannel-wg"] for call in calls)
    assert wireguard.own_address("10.42.3.0/24") == "10.42.3.0/32"


class Host:
    """A host's programs: what they were called with, and an interface that is there or not."""

    def __init__(self):
        self.calls, self.there, self.says = [], False, {}

    def run(self, words, input="", **_options):
        self.calls.append((words, input))
        if words[0] == "wireguard-go":
            self.there = True
        status = 0 if words[:2] != ["wg", "show"] or self.there else 1
        return subprocess.CompletedProcess(
            words, *next((self.says[word] for word in words if word in self.says), (status, "", ""))
        )

    def count(self, *words):
        return sum(call[: len(words)] == list(words) for call, _given in self.calls)


@pytest.fixture(name="host")
def stubbed_host(monkeypatch):
    host = Host()
    monkeypatch.setattr(wireguard.subprocess, "run", host.run)
    monkeypatch.setattr(wireguard.os, "mknod", lambda *_: None)
    return host


@pytest.fixture(name="tunnel")
def made_tunnel(tmp_path):
    return wireguard.Tunnel(tmp_path, "one", "198.51.100.1", external=False)


def test_it_is_started_once_and_again_when_it_is_gone(host, tunnel, nodes):
    tunnel.keep()
    assert host.calls == []  # before the nodes are known
    tunnel.follow(nodes)
    tunnel.follow(nodes)
    tunnel.keep()
    assert (host.count("wireguard-go"), host.count("wg", "syncconf")) == (1, 1)
    host.there = False
    tunnel.keep()
    assert (host.count("wireguard-go"), host.count("wg", "syncconf")) == (2, 2)


def test_one_that_an_earlier_run_left_is_taken_over(host, tunnel, nodes):
    host.there = True
    tunnel.follow(nodes)
    assert (host.count("wireguard-go"), host.count("wg", "syncconf")) == (0, 1)


def test_it_has_the_first_address_of_the_nodes_range_and_no_other(host, tunnel, nodes):
    change = ("ip", "address", "flush"), ("ip", "address", "add", "10.42.0.0/32", "dev", "flannel-wg")
    tunnel.follow(nodes)
    assert [host.count(*words) for words in change] == [1, 1]
    present = {"addr_info": [{"local": "10.42.0.0", "prefixlen": 32}]}
    host.says["address"] = (0, json.dumps([present]), "")
    tunnel.keep()
    assert [host.count(*words) for words in change] == [1, 1]


def test_a_node_that_leaves_is_no_peer_any_more(host, tunnel, nodes):
    tunnel.follow(nodes)
    tunnel.follow(nodes[:2])
    given_to_wg = [given for words, given in host.calls if words[:2] == ["wg", "syncconf"]]
    assert [text.count("[Peer]") for text in given_to_wg] == [2, 1]


def test_what_wg_refused_is_tried_again(host, tunnel, nodes):
    host.says["syncconf"] = (1, "", "no")
    tunnel.follow(nodes)
    tunnel.keep()
    assert host.count("wg", "syncconf") == 2


def test_the_key_is_in_no_argument_and_no_line_of_the_log(host, tunnel, nodes, monkeypatch):
    said = []
    monkeypatch.setattr(logs, "error", said.append)
    host.says["syncconf"] = (1, "", f"Key is not the correct length or format: `{tunnel.private}'")
    tunnel.follow(nodes)
    assert said == ["wg syncconf flannel-wg /dev/stdin: Key is not the correct length or format: `********'"]
    assert not any(tunnel.private in " ".join(words) for words, _given in host.calls)


@pytest.mark.parametrize(
    "shared, values, address",
    [
        (True, {"node-external-ip": ["198.51.100.1"]}, "198.51.100.1"),
        (True, {}, "192.0.2.1"),
        (False, {"node-external-ip": ["198.51.100.1"]}, "192.0.2.1"),
    ],
)
def test_others_are_told_the_external_address_where_it_is_wanted(tmp_path, shared, values, address):
    settings = resolve("server", {"node-ip": ["192.0.2.1"], "data-dir": str(tmp_path), **values})
    node = agent.Agent(settings, "https://192.0.2.1:6443")
    node.shared = {"flannel-external-ip": shared}
    told = node.make_tunnel().annotations
    assert told[f"{PREFIX}/public-ip"] == address
    assert (f"{PREFIX}/public-ip-overwrite" in told) == (address == "198.51.100.1")
