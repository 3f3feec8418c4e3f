"""Who asks a published port past the edge, told from tables as a kernel has printed them (a host, Docker's rules for an ingress port, a client)."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic import conntrack
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.past_edge import PastEdge, Port

TCP = (
    "ipv4     2 tcp      6 {left} {state} src={source} dst={to} sport=59426 dport=80 "
    "src={server} dst={source} sport={by} dport=59426 [ASSURED] mark=0 zone=0 use=2\n"
)
OTHERS = (
    "ipv4     2 tcp      6 59 SYN_SENT src=172.31.7.2 dst=10.77.0.1 sport=59504 dport=80 "
    "[UNREPLIED] src=172.31.7.2 dst=172.31.7.2 sport=80 dport=59504 mark=0 zone=0 use=2\n"
    "ipv4     2 tcp      6 9 CLOSE src=127.0.0.1 dst=127.0.0.1 sport=45122 dport=8081 "
    "src=127.0.0.1 dst=127.0.0.1 sport=8081 dport=45122 [ASSURED] mark=0 zone=0 use=2\n"
    "ipv6     10 tcp      6 9 CLOSE src=0000:0000:0000:0000:0000:0000:0000:0001 dst=0000:0000:0000:0000:0000:0000:0000:0001 "
    "sport=37978 dport=80 "
    "src=0000:0000:0000:0000:0000:0000:0000:0001 dst=0000:0000:0000:0000:0000:0000:0000:0001 sport=80 dport=37978 [ASSURED] mark=0 zone=0 use=2\n"
    "ipv4     2 udp      17 29 src=10.77.0.2 dst=10.77.0.1 sport=46732 dport=53 "
    "[UNREPLIED] src=10.77.0.1 dst=10.77.0.2 sport=53 dport=46732 mark=0 zone=0 use=2\n"
)
UDP = "ipv4     2 udp      17 {left} src=10.77.0.2 dst=10.77.0.1 sport=46732 dport=53 src=172.31.7.2 dst=10.77.0.2 sport=53 dport=46732 mark=0 zone=0 use=2\n"
TRIE = """\
Local:
  +-- 10.77.0.0/24 2 0 2
     |-- 10.77.0.0
        /24 link UNICAST
     |-- 10.77.0.1
        /32 host LOCAL
  +-- 127.0.0.0/8 2 0 2
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 172.31.7.1
        /32 host LOCAL
     |-- 172.31.7.255
        /32 link BROADCAST
"""
INTERFACES6 = """\
fd770000000000000000000000000001 02 40 00 82       h0
00000000000000000000000000000001 01 80 10 80       lo
"""
ROUTES = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
h0	00004D0A	00000000	0001	0	0	0	00FFFFFF	0	0	0
docker_gwbridge	00071FAC	00000000	0001	0	0	0	00FFFFFF	0	0	0
"""
OWN = conntrack.addresses(TRIE, INTERFACES6)
INSIDE = conntrack.container_networks(ROUTES)
HELD = {"left": 431878, "state": "ESTABLISHED"}


def tcp(source="10.77.0.2", to="10.77.0.1", server="172.31.7.2", by=80, left=119, state="TIME_WAIT"):
    return TCP.format(source=source, to=to, server=server, by=by, left=left, state=state)


def seen(*tables, exempt=()):
    """What was told of tables that were read ten seconds apart."""
    ports = [Port("web", 80), Port("names", 53, "udp")]
    past = PastEdge(ports, OWN, [ipaddress.ip_network(each) for each in exempt], INSIDE)
    for number, table in enumerate(tables):
        past.look(table, 1000.0 + 10 * number)
    return past


def told(found):
    return [(each["service"], each["source"], each["connections"]) for each in found]


def test_the_host_tells_its_addresses_and_its_containers_networks():
    assert {str(address) for address in OWN} == {"10.77.0.1", "127.0.0.1", "172.31.7.1", "fd77::1", "::1"}
    assert [str(network) for network in INSIDE] == ["172.31.7.0/24"]


def test_a_connection_that_was_made_within_the_window_is_counted_once():
    past = seen(OTHERS, OTHERS + tcp(**HELD), OTHERS + tcp(), OTHERS)
    assert past.asked == [{"service": "web", "port": 80, "protocol": "tcp", "source": "10.77.0.2", "connections": 1}]
    assert (past.inside, past.idle) == ([], [])


@pytest.mark.parametrize(
    "entry",
    [
        tcp(source="10.77.0.1"),  # this host
        tcp(source="127.0.0.1", to="127.0.0.1"),
        tcp(source="10.77.0.9"),  # exempt
        tcp(to="93.184.215.14", server="93.184.215.14"),  # passes through
        tcp(server="10.77.0.1", by=8081),  # the edge has taken the port over
        tcp().replace("dport=80 ", "dport=81 ", 1),
        OTHERS,
    ],
)
def test_what_is_nobodys_asking_the_swarm_is_left_out(entry):
    past = seen("", entry, exempt=["10.77.0.8/29"])
    assert (past.asked, past.inside, past.idle) == ([], [], [])


def test_containers_of_the_host_are_told_apart():
    past = seen("", tcp(source="172.31.7.5"))
    assert past.asked == [] and told(past.inside) == [("web", "172.31.7.5", 1)]


def test_a_connection_from_before_counts_when_something_went_over_it():
    idle = [tcp(left=431878 - 10 * look, state="ESTABLISHED") for look in range(3)]
    assert seen(*idle).asked == [] and told(seen(*idle).idle) == [("web", "10.77.0.2", 1)]
    assert told(seen(*idle[:2], tcp(left=432000, state="ESTABLISHED")).asked) == [("web", "10.77.0.2", 1)]
    assert told(seen(idle[0], tcp()).asked) == [("web", "10.77.0.2", 1)]  # it has ended meanwhile
    assert told(seen(tcp(left=119), tcp(left=109), tcp()).asked) == [("web", "10.77.0.2", 1)]  # the same ports again
    assert told(
        seen(tcp(left=119), tcp(left="", state="").replace("6  ", "6 ").replace("[ASSURED]", "[OFFLOAD]")).asked
    )
    assert seen(tcp(left=119), tcp(left=109), tcp(left=99)).asked == []
    assert told(seen(UDP.format(left=29), UDP.format(left=20), UDP.format(left=29)).asked) == [
        ("names", "10.77.0.2", 1)
    ]
    assert seen(UDP.format(left=29), UDP.format(left=19)).asked == []


def test_a_table_that_says_nothing_is_no_proof(tmp_path, monkeypatch):
    table = tmp_path / "nf_conntrack"
    monkeypatch.setattr(conntrack, "_TABLE", str(table))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ReplatformError, match="No such file"):
        conntrack.read_table()
    table.write_text("")
    with pytest.raises(ReplatformError, match="is empty, so the kernel does not follow connections here"):
        conntrack.read_table()
    table.write_text(OTHERS)
    assert conntrack.read_table() == OTHERS


def test_without_the_file_the_program_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(conntrack, "_TABLE", str(tmp_path / "none"))
    program = tmp_path / "conntrack"
    program.write_text('#!/bin/sh\n[ "$1 $2 $4 $5" = "-L -f -o extended" ] && echo "$3 listed"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert conntrack.read_table() == "ipv4 listed\nipv6 listed\n"
    program.write_text("#!/bin/sh\necho half a table\nexit 1\n")
    with pytest.raises(ReplatformError):
        conntrack.read_table()
