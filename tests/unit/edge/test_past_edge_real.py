"""Who asks a published port past the edge, told by a real kernel with Docker's rules for the port."""

from __future__ import annotations

import json
import socket
import sys

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.traffic import conntrack
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.past_edge import PastEdge, Port

from . import netns

MODULE = netns.ROOT / "plugins/modules/swarm_quiet_info.py"


@pytest.fixture(name="host")
def host_fixture(tmp_path):
    netns.require()
    host = netns.Host(tmp_path)
    ingress = netns.Ingress(host)
    host.serve("edge", 8081)
    yield host
    ingress.end()
    host.end()


def module(namespace, **options):
    given = {"ANSIBLE_MODULE_ARGS": {"ports": [{"service": "web", "port": 80}], **options}}
    return json.loads(namespace.run(sys.executable, str(MODULE), given=json.dumps(given)))


def read(host, name):
    return host.namespace.run("cat", f"/proc/net/{name}")


def past_edge(host):
    """Has had its first look."""
    own = conntrack.addresses(read(host, "fib_trie"), read(host, "if_inet6"))
    past = PastEdge([Port("web", 80)], own, [], conntrack.container_networks(read(host, "route")))
    past.look(read(host, "nf_conntrack"))
    return past


def told(past):
    return [(each["source"], each["connections"]) for each in past.asked]


def test_clients_of_the_port_are_seen_however_short_they_are_there(host):
    held = host.outside.within(lambda: socket.create_connection((netns.HOST, 80), 60))
    assert held.recv(100) == b"swarm"
    past = past_edge(host)
    past.look(read(host, "nf_conntrack"))
    assert told(past) == [] and [each["connections"] for each in past.idle] == [1]

    for _time in range(3):
        assert host.outside.within(lambda: netns.ask(netns.HOST, 80)) == "swarm"
    assert host.namespace.within(lambda: netns.ask(netns.HOST, 80)) == "swarm"
    past.look(read(host, "nf_conntrack"))
    assert told(past) == [(netns.CLIENT, 3)]
    held.close()
    past.look(read(host, "nf_conntrack"))
    assert told(past) == [(netns.CLIENT, 4)]


def test_a_port_that_the_edge_has_taken_over_is_the_edges(host):
    host.take()
    past = past_edge(host)
    assert host.outside.within(lambda: netns.ask(netns.HOST, 80)) == "edge"
    past.look(read(host, "nf_conntrack"))
    assert told(past) == []


def test_the_module_tells_it(host):
    host.outside.within(lambda: netns.ask(netns.HOST, 80))
    seen = module(host.namespace, _ansible_check_mode=True)
    assert (seen["looked"], seen["asked"], seen["watched_s"], seen["changed"]) == (True, [], 0, False)


def test_a_kernel_that_follows_no_connections_proves_nothing():
    netns.require()
    alone = netns.Namespace("alone")
    seen = module(alone, window=0)
    alone.end()
    assert (seen["looked"], seen["asked"]) == (False, [])
    assert "is empty, so the kernel does not follow connections here" in json.dumps(seen["warnings"])
