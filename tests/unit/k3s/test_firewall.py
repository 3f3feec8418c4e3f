from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.firewall import firewall


def host(name, address, **node):
    return {"inventory_hostname": name, "ansible_host": address, "k3s_node_config": node}


FLEET = (host("a", "192.0.2.1"), host("b", "192.0.2.2"), host("c", "2001:db8::3"))


def rules(name="a", servers=("a", "b"), clients=(), nodes=FLEET, **config):
    found = firewall(nodes, servers, clients, name, config)["rules"]
    return {(rule["protocol"], tuple(rule["ports"])): rule for rule in found}


def test_every_node_lets_its_peers_to_kubelet_and_flannel_alone():
    found = rules(name="c")
    assert set(found) == {("tcp", (10250,)), ("udp", (8472,))}
    assert found["udp", (8472,)]["ipv4"] == ["192.0.2.1", "192.0.2.2"]
    assert found["udp", (8472,)]["ipv6"] == ["2001:db8::3"]


def test_etcd_is_among_servers():
    found = rules()
    assert found["tcp", (2379, 2380)]["ipv4"] == ["192.0.2.1", "192.0.2.2"]
    assert found["tcp", (2379, 2380)]["ipv6"] == []


def test_clients_reach_the_api_and_nothing_else():
    found = rules(clients=["198.51.100.0/24", "198.51.100.7/32"])
    assert found["tcp", (6443,)]["ipv4"] == ["192.0.2.1", "192.0.2.2", "198.51.100.0/24"]
    assert all("198.51.100.0/24" not in rule["ipv4"] for ports, rule in found.items() if ports != ("tcp", (6443,)))


@pytest.mark.parametrize(
    "config, key",
    [
        ({"flannel-backend": "wireguard-native"}, ("udp", (51820, 51821))),
        ({"embedded-registry": True}, ("tcp", (5001,))),
        ({"https-listen-port": 7443}, ("tcp", (7443,))),
    ],
)
def test_the_ports_follow_the_configuration(config, key):
    assert key in rules(**config)
    assert key not in rules()


def test_a_backend_without_a_port():
    assert not [key for key in rules(**{"flannel-backend": "host-gw"}) if key[0] == "udp"]


def test_every_address_of_a_node_is_a_peers():
    nodes = [host("a", "192.0.2.1", **{"node-external-ip": "203.0.113.9", "node-ip": "10.0.0.1,fd00::1"})]
    found = rules(nodes=nodes, servers=["a"])
    assert found["tcp", (10250,)]["ipv4"] == ["10.0.0.1", "192.0.2.1", "203.0.113.9"]
    assert found["tcp", (10250,)]["ipv6"] == ["fd00::1"]


def test_no_set_overlaps_itself():
    assert rules(clients=["192.0.2.0/24"])["tcp", (6443,)]["ipv4"] == ["192.0.2.0/24"]
    assert rules(clients=["0.0.0.0/0", "::/0"])["tcp", (6443,)]["ipv6"] == ["::/0"]


def test_a_name_is_refused():
    with pytest.raises(RefusedError, match="b: ansible_host.*'b.example.org' is not an address"):
        rules(nodes=[host("a", "192.0.2.1"), host("b", "b.example.org")])
    with pytest.raises(RefusedError, match="k3s_firewall_clients: 'office' is not an address"):
        rules(clients=["office"])


def test_the_ports_of_etcd_are_left_alone_where_the_datastore_is_elsewhere():
    found = rules(**{"datastore-endpoint": "postgres://"})
    assert ("tcp", (2379, 2380)) not in found and ("tcp", (6443,)) in found


PUBLIC = (
    host("a", "10.0.0.1", **{"node-external-ip": "203.0.113.1"}),
    host("b", "10.0.0.2", **{"node-external-ip": "203.0.113.2,2001:db8::2"}),
    host("c", "10.0.0.3", **{"node-external-ip": ["203.0.113.3"]}),
)


@pytest.mark.parametrize("name", ["a", "b", "c"])
@pytest.mark.parametrize("external", [True, False])
def test_wireguard_is_open_between_external_addresses_and_vxlan_to_nobody(name, external):
    config = {"flannel-backend": "wireguard-native", "flannel-external-ip": external}
    found = rules(name=name, nodes=PUBLIC, clients=["198.51.100.0/24"], **config)
    tunnel = found["udp", (51820, 51821)]
    assert {"203.0.113.1", "203.0.113.2", "203.0.113.3"} <= set(tunnel["ipv4"])
    assert tunnel["ipv6"] == ["2001:db8::2"]
    assert "198.51.100.0/24" not in tunnel["ipv4"]
    assert [ports for protocol, ports in found if protocol == "udp"] == [(51820, 51821)]
    assert all(8472 not in rule["ports"] for rule in found.values())
