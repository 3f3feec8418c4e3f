from __future__ import annotations

import itertools

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.bootstrap import api_url, bootstrap, servers
from hypothesis import given
from hypothesis import strategies as st


def server(name, data=False, answers=False):
    return {"name": name, "url": f"https://{name}:6443", "data": data, "answers": answers}


def test_a_bare_fleet_begins_at_its_first_server():
    assert bootstrap("a", [server("a"), server("b")])["action"] == "init"


def test_the_second_joins_the_first():
    world = [server("a", data=True, answers=True), server("b")]
    assert bootstrap("b", world) == {"action": "join", "server": "https://a:6443"}


def test_a_wiped_first_server_comes_back_instead_of_starting_a_second_cluster():
    world = [server("a"), server("b", data=True, answers=True), server("c", data=True, answers=True)]
    assert bootstrap("a", world) == {"action": "join", "server": "https://b:6443"}


def test_a_wiped_first_server_waits_for_those_who_hold_the_data():
    with pytest.raises(RefusedError, match="b holds the cluster's data but does not answer"):
        bootstrap("a", [server("a"), server("b", data=True)])


def test_a_later_server_never_begins():
    with pytest.raises(RefusedError, match="must not begin"):
        bootstrap("b", [server("a"), server("b")])


def test_in_check_mode_a_later_server_would_join_the_first():
    assert bootstrap("b", [server("a"), server("b")], check_mode=True)["action"] == "join"


def test_a_server_with_data_keeps_what_it_has():
    world = [server("a", data=True), server("b", data=True, answers=True)]
    assert bootstrap("a", world, joined="https://b:6443") == {"action": "keep", "server": "https://b:6443"}
    assert bootstrap("a", world) == {"action": "keep", "server": None}


def test_nobody_begins_while_a_disk_could_not_be_looked_at():
    with pytest.raises(RefusedError, match="b can't be reached, so nobody knows"):
        bootstrap("a", [server("a"), server("b", data=None)])
    joined = bootstrap("a", [server("a"), server("b", data=None), server("c", data=True, answers=True)])
    assert joined == {"action": "join", "server": "https://c:6443"}


flags = st.tuples(st.sampled_from([True, False, None]), st.booleans())


@given(st.lists(flags, min_size=1, max_size=5))
def test_nobody_begins_while_anyone_has_data_or_answers(world):
    fleet = [server(f"s{i}", *pair) for i, pair in enumerate(world)]
    actions = []
    for one in fleet:
        try:
            actions.append(bootstrap(one["name"], fleet)["action"])
        except RefusedError:
            actions.append("refused")
    if any(itertools.chain.from_iterable(world)):
        # A server that answers has no reason to ask for itself, so an answer of its own does not count.
        others = [any(d or a for j, (d, a) in enumerate(world) if j != i) for i in range(len(world))]
        assert all(action != "init" for action, seen in zip(actions, others) if seen)
    assert actions.count("init") <= 1


def test_the_world_from_what_the_modules_return():
    stores = [{"matched": 1}, {"matched": 0}]
    pings = [{"skipped": True}, {"status": -1, "msg": "refused"}]
    assert servers(["a", "b"], ["https://a:6443", "https://b:6443"], stores, pings) == [
        server("a", data=True),
        server("b"),
    ]


def test_a_server_that_can_not_be_reached_has_unknown_data():
    (one,) = servers(["a"], ["https://a:6443"], [{"unreachable": True}], [{"status": -1}])
    assert one["data"] is None


def test_where_a_server_is_reached():
    assert api_url({"inventory_hostname": "a"}, 6443) == "https://a:6443"
    assert api_url({"inventory_hostname": "a", "ansible_host": "10.0.0.1"}, 7443) == "https://10.0.0.1:7443"
    assert api_url({"ansible_host": "10.0.0.1", "k3s_api_address": "fd00::1"}, 6443) == "https://[fd00::1]:6443"
