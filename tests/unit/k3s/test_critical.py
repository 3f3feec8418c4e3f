from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.critical import (
    CRITICAL,
    critical_faults,
    external_faults,
)


def host(name, server=None, node=None, **more):
    return {"inventory_hostname": name, "k3s_server_config": server or {}, "k3s_node_config": node or {}, **more}


def test_equal_servers():
    assert critical_faults([host("a"), host("b"), host("c")]) == []
    assert critical_faults([]) == []


@pytest.mark.parametrize("key", sorted(CRITICAL))
def test_every_critical_value_is_compared(key):
    (line,) = critical_faults([host("a", {key: "other"}), host("b")])
    assert line.startswith(f"{key} must be the same on all servers: other on a; ")
    assert line.endswith(" on b")


@pytest.mark.parametrize(
    "left, right",
    [
        ({"flannel-backend": "vxlan"}, {}),
        ({"secrets-encryption": False}, {"secrets-encryption": "false"}),
        ({"cluster-cidr": ["10.42.0.0/16", "fd00::/56"]}, {"cluster-cidr": "10.42.0.0/16,fd00::/56"}),
        ({"disable": ["traefik"]}, {"disable": ["metrics-server"]}),
        ({"disable": ["traefik", "servicelb"]}, {"disable": "servicelb"}),
        ({"tls-san": ["a"]}, {}),
    ],
)
def test_ways_to_say_the_same_and_keys_that_may_differ(left, right):
    assert critical_faults([host("a", left), host("b", right)]) == []


def test_of_disable_the_load_balancer_counts_alone():
    (line,) = critical_faults([host("a", {"disable": ["servicelb"]}), host("b")])
    assert line == "disable: servicelb must be the same on all servers: true on a; false on b"


def test_the_more_particular_wins():
    assert (
        critical_faults(
            [
                host("a", k3s_config={"cluster-domain": "x"}, node={"cluster-domain": "y"}),
                host("b", {"cluster-domain": "y"}),
            ]
        )
        == []
    )


def test_agents_have_one_token():
    (line,) = critical_faults([host("a", k3s_agent_token_file="/t"), host("b")])
    assert line == "k3s_agent_token_file must be the same on all servers: /t on a; unset on b"


def test_external_addresses_are_needed_of_every_node():
    server = host("a", {"flannel-external-ip": True}, {"node-external-ip": "192.0.2.1"})
    (line,) = external_faults([server], [server, host("b")])
    assert line.startswith("b: flannel-external-ip needs a node-external-ip")
    assert external_faults([host("a")], [host("b")]) == []
