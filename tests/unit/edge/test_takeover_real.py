"""nft_redirect with the kernel's nftables, in network namespaces, under clients that open connections without a pause."""

from __future__ import annotations

import socket

import pytest

from . import netns

pytestmark = pytest.mark.slow

BURST = 300


@pytest.fixture
def host(tmp_path):
    netns.require()
    made = netns.Host(tmp_path)
    yield made
    made.end()


@pytest.fixture
def both(host):
    host.serve("swarm", 80)
    host.serve("edge", 8081)
    return host


def long_connection(namespace, address):
    connection = namespace.within(lambda: socket.create_connection((address, 80), 10))
    return connection, connection.recv(100).decode()


def still_there(connection):
    connection.sendall(b"hello")
    return connection.recv(100) == b"hello"


@pytest.mark.parametrize(
    "outside, address",
    [(True, netns.HOST), (True, netns.HOST6), (False, "127.0.0.1"), (False, "::1"), (False, netns.HOST)],
)
def test_no_connection_is_lost_on_the_way_there_and_back(both, outside, address):
    source = both.outside if outside else both.namespace
    before, whose = long_connection(source, address)
    assert whose == "swarm"
    client = netns.Client(source, address)
    client.more(BURST)
    assert both.take()["changed"]
    client.more(BURST)
    assert still_there(before), "what was open before the takeover is not touched"
    meanwhile, whose = long_connection(source, address)
    assert whose == "edge"
    assert both.give_back()["changed"]
    client.more(BURST)
    assert both.take()["changed"]
    client.more(BURST)
    assert both.give_back()["changed"]
    client.more(BURST)
    answers = client.end()
    assert set(answers) == {"swarm", "edge"}, "a connection was refused or cut"
    assert len(answers) >= 5 * BURST
    assert still_there(before)
    assert still_there(meanwhile), "what came to the edge ends there"


def test_a_second_run_changes_nothing_and_check_mode_tells_the_truth(both):
    foreseen = both.take(check=True)
    assert "replatform_edge" not in both.tables()
    assert not both.path.exists()
    done = both.take()
    assert foreseen["diff"] == done["diff"]
    assert done["diff"]["after"] == "redirect ports={'80': 8081}\nkeep_for_boot\n"
    tables = both.tables()
    again = both.take()
    assert not again["changed"]
    assert both.tables() == tables
    assert not both.take(check=True)["changed"]
    foreseen = both.give_back(check=True)
    assert both.tables() == tables
    assert both.give_back()["diff"] == foreseen["diff"]
    assert not both.path.exists()
    assert not both.give_back()["changed"]
    assert both.tables() == ""


@pytest.fixture
def ingress(host):
    made = netns.Ingress(host)
    host.serve("edge", 8081)
    yield made
    made.end()


@pytest.mark.parametrize("outside, address", [(True, netns.HOST), (False, netns.HOST), (False, "127.0.0.1")])
def test_it_comes_before_a_swarms_ingress_and_leaves_its_rules(host, ingress, outside, address):
    source = host.outside if outside else host.namespace
    rules = host.namespace.run("iptables-nft", "-t", "nat", "-S")
    before, whose = long_connection(source, address)
    assert whose == "swarm"
    client = netns.Client(source, address)
    client.more(BURST)
    host.take()
    client.more(BURST)
    host.give_back(force=False)
    client.more(BURST)
    answers = client.end()
    assert set(answers) == {"swarm", "edge"}
    assert answers[0] == answers[-1] == "swarm"
    assert still_there(before)
    assert host.namespace.run("iptables-nft", "-t", "nat", "-S") == rules


def test_containers_still_reach_other_hosts_on_the_port(host, ingress):
    """What is only forwarded, to a port 80 elsewhere, is none of the host's."""
    host.outside.run("ip", "route", "add", f"{netns.SANDBOX}/32", "via", netns.HOST)
    elsewhere = netns.Server(host.outside, "elsewhere", 80)
    host.take()
    assert ingress.sandbox.within(lambda: netns.ask(netns.CLIENT, 80)) == "elsewhere"
    assert ingress.sandbox.within(lambda: netns.ask(netns.GATEWAY, 80)) == "edge"
    elsewhere.end()


def test_the_edge_itself_and_exempt_sources_still_reach_the_holder(both):
    """Or the edge would ask itself, where the Swarm's side of a route is the port that was taken over."""
    both.take(user="root", exempt_sources=[netns.CLIENT])
    assert both.namespace.within(lambda: netns.ask(netns.HOST, 80)) == "swarm"
    assert both.outside.within(lambda: netns.ask(netns.HOST, 80)) == "swarm"
    assert both.outside.within(lambda: netns.ask(netns.HOST6, 80)) == "edge"
    assert not both.take(user="root", exempt_sources=[netns.CLIENT])["changed"]
    assert both.take(exempt_sources=["10.77.0.0/24", "fd77::/64"])["changed"]
    assert both.outside.within(lambda: netns.ask(netns.HOST6, 80)) == "swarm"
    assert not both.take(exempt_sources=["10.77.0.0/24", "fd77::/64"])["changed"]


def test_the_kept_file_takes_the_port_over_after_a_reboot(both):
    both.take()
    both.namespace.run("nft", "flush", "ruleset")
    both.namespace.run("nft", "-f", str(both.path))
    assert not both.take()["changed"]
    assert both.outside.within(lambda: netns.ask(netns.HOST, 80)) == "edge"


def test_what_was_redirected_keeps_the_table_until_it_ends(both):
    both.take()
    connection, whose = long_connection(both.outside, netns.HOST)
    assert whose == "edge"
    assert [step["name"] for step in both.give_back()["steps"]] == ["forget_at_boot", "release"]
    again = both.give_back()
    assert not again["changed"]
    assert "1 open connections" in again["reason"]
    assert still_there(connection)
    connection.close()
    until(lambda: [step["name"] for step in both.give_back()["steps"]] == ["remove_table"])
    assert both.tables() == ""


def until(holds):
    for _try in range(1000):
        if holds():
            return
    raise AssertionError("never")


def test_rules_changed_by_hand_are_put_right_and_other_tables_are_left(both):
    both.namespace.run(
        "nft", "table ip mine { chain c { type nat hook prerouting priority -150; tcp dport 81 redirect to :82; }; }"
    )
    mine = both.namespace.run("nft", "list", "table", "ip", "mine")
    both.take()
    both.namespace.run("nft", "insert rule inet replatform_edge redirects tcp dport 80 return")
    assert both.outside.within(lambda: netns.ask(netns.HOST, 80)) == "swarm"
    assert [step["name"] for step in both.take()["steps"]] == ["redirect"]
    assert both.outside.within(lambda: netns.ask(netns.HOST, 80)) == "edge"
    both.give_back()
    assert both.tables() == mine


def test_refused_while_the_edge_does_not_answer(host):
    host.serve("swarm", 80)
    said = host.take()
    assert said["failed"]
    assert said["msg"] == (
        "nobody answers on port 8081 of every IPv4 address; nobody answers on port 8081 of every IPv6 address; "
        "a port is only redirected to one that answers"
    )
    host.serve("edge", 8081, family=socket.AF_INET)
    assert host.take()["msg"].startswith("nobody answers on port 8081 of every IPv6 address;")
    assert host.tables() == ""


@pytest.mark.parametrize(
    "rule",
    [
        "tcp dport 80 redirect to :9",
        "tcp dport { 79, 80 } redirect to :9",
        "tcp dport 1-100 dnat to 10.0.0.1",
        "dnat to tcp dport map { 80 : 10.0.0.1 }",
    ],
)
def test_refused_while_another_table_redirects_the_port(both, rule):
    both.namespace.run("nft", f"table ip proxy {{ chain pre {{ type nat hook prerouting priority -100; {rule}; }}; }}")
    before = both.tables()
    said = both.take()["msg"]
    assert said.startswith("port 80 is already redirected by table ip proxy, chain pre: end that first")
    assert both.tables() == before


def test_refused_while_a_container_of_k3s_has_the_port(both):
    rules = "*nat\n:CNI-DN-1a2b - [0:0]\n-A CNI-DN-1a2b -p tcp -m multiport --dports 79,80 -j DNAT --to-destination 10.42.0.5\nCOMMIT\n"
    both.namespace.run("iptables-nft-restore", given=rules)
    assert both.take()["msg"].startswith("port 80 is already redirected by iptables chain CNI-DN-1a2b: end that first")


def test_a_port_that_nobody_else_serves_is_not_given_back_unless_forced(both):
    both.take()
    both.servers[0].end()
    said = both.give_back()
    assert (
        said["msg"]
        == "nobody but the redirection serves port 80: connections would be refused; let it stay, or force it"
    )
    assert both.outside.within(lambda: netns.ask(netns.HOST, 80)) == "edge"
    assert both.give_back(force=True)["changed"]


def test_without_nftables(both, monkeypatch, tmp_path):
    real = netns.environment()
    monkeypatch.setattr(netns, "environment", lambda: {**real, "PATH": str(tmp_path)})
    monkeypatch.setattr(netns, "IP", "/usr/sbin/ip")
    assert both.take()["msg"].startswith("nft is not there; install the package nftables on this host")
    assert not both.give_back()["changed"]


def test_a_kernel_without_nftables_has_nothing_to_give_back(both, monkeypatch, tmp_path):
    (tmp_path / "nft").write_text("#!/bin/sh\necho 'netlink: Error: cache initialization failed' >&2; exit 1\n")
    (tmp_path / "nft").chmod(0o755)
    real = netns.environment()
    monkeypatch.setattr(netns, "environment", lambda: {**real, "PATH": f"{tmp_path}:{real['PATH']}"})
    assert not both.give_back()["changed"]
    assert both.take()["msg"].startswith("nft -j failed, nothing of it is in effect: netlink: Error: cache")
    both.path.write_text("")
    assert both.give_back()["failed"]
