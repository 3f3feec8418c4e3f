"""What is done next on the way to a takeover and back, and who else redirects a port."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.edge import others, ruleset, takeover
from ansible_collections.sophia.replatform.plugins.module_utils.edge.ruleset import Plan, Redirect
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Done, Refused, Step
from hypothesis import given
from hypothesis import strategies as st

PLAN = Plan("edge", (Redirect(80, 8081), Redirect(443, 8443)), 998, ("10.0.0.0/24", "fd00::1"))
OTHER = Plan("edge", (Redirect(80, 8082),))
RELEASED = dataclasses.replace(ruleset.wanted(PLAN), prerouting=(), output=())

worlds = st.builds(
    takeover.World,
    nft=st.just(True),
    table=st.sampled_from([None, ruleset.wanted(PLAN), ruleset.wanted(OTHER), RELEASED]),
    kept=st.sampled_from([None, ruleset.text(PLAN), ruleset.text(OTHER), "half"]),
)


def way(present, world):
    """The steps from O(world) to the end, and the world there."""
    names = []
    while isinstance(decision := takeover.next_step(PLAN, present, world), Step):
        names.append(decision.name)
        world = takeover.simulate(PLAN, world, decision)
        assert len(names) < 5
    assert isinstance(decision, Done)
    return names, world


@given(worlds, st.booleans())
def test_from_any_world_both_ends_are_reached_and_stay(world, present):
    _names, end = way(present, world)
    assert way(present, end) == ([], end)
    if present:
        assert end.table == ruleset.wanted(PLAN) and end.kept == ruleset.text(PLAN)
    else:
        assert end.table is None and end.kept is None


@given(worlds)
def test_given_back_the_boot_forgets_before_anything_is_released(world):
    names, _end = way(False, world)
    order = ["forget_at_boot", "release", "remove_table"]
    assert names == [name for name in order if name in names]


@pytest.mark.parametrize(
    "fault", [{"nft": False}, {"silent": ("nobody answers",)}, {"others": ("port 80 is already redirected",)}]
)
@given(world=worlds)
def test_a_fault_refuses_the_takeover_whatever_is_there(fault, world):
    assert isinstance(takeover.next_step(PLAN, True, dataclasses.replace(world, **fault)), Refused)


@pytest.mark.parametrize(
    "plan, said",
    [
        (Plan("edge", ()), "redirects: name at least one port"),
        (Plan("edge", (Redirect(0, 8081),)), "redirects: 0 is not a port"),
        (Plan("edge", (Redirect(80, 65536),)), "redirects: 65536 is not a port"),
        (Plan("edge", (Redirect(80, 1), Redirect(80, 2))), "redirects: port 80 is there twice"),
        (Plan("edge", (Redirect(80, 80),)), "redirects: to_port 80 is itself redirected"),
        (Plan("a; flush ruleset", (Redirect(80, 81),)), "table: "),
        (Plan("edge", (Redirect(80, 81),), None, ("host-1",)), "exempt_sources: 'host-1' is no address"),
    ],
)
def test_a_plan_that_can_not_be_meant_is_refused_by_its_option(plan, said):
    with pytest.raises(RefusedError, match=said):
        takeover.check(plan, True)


def listing(*flags):
    """A rule with its flags as one version of nft or the other lists them."""
    expression = [{"match": {"op": "==", "left": {"&": [{"payload": {}}, *flags]}, "right": "syn"}}]
    return {"nftables": [{"rule": {"family": "inet", "chain": "redirects", "handle": 7, "expr": expression}}]}


def test_the_listings_of_all_versions_of_nft_are_the_same_table():
    seen = [
        ruleset.loaded(listing(["fin", "syn", "rst", "ack"])),
        ruleset.loaded(listing({"|": ["fin", "syn", "rst", "ack"]})),
        ruleset.loaded(listing({"|": [{"|": [{"|": ["fin", "syn"]}, "rst"]}, "ack"]})),
    ]
    assert seen[0] == seen[1] == seen[2] != ruleset.loaded(listing(["fin", "syn"]))


def test_a_base_chain_of_another_priority_is_not_the_table_that_is_wanted():
    chain = {"family": "inet", "name": "output", "type": "nat", "hook": "output", "policy": "accept"}
    for prio in (ruleset.PRIORITY, -100):
        chains = [{"chain": {**chain, "name": name, "hook": name, "prio": prio}} for name in ("prerouting", "output")]
        chains.append({"chain": {"family": "inet", "name": "redirects"}})
        assert ruleset.loaded({"nftables": chains}).whole == (prio == ruleset.PRIORITY)


SAVED = """*nat
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80
-A KUBE-SERVICES -d 10.43.0.7/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-X
-A CNI-DN-1 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.42.0.5:80
-A RANGE -p tcp -m tcp --dport 79:90 -j REDIRECT --to-ports 1
-A LIST -p tcp -m multiport --dports 22,80 -j REDIRECT --to-ports 1
-A ELSE -p tcp -m tcp --dport 8080 -j REDIRECT --to-ports 1
"""


def test_the_chains_of_iptables_that_redirect_a_port():
    assert others.in_iptables(SAVED, 80) == {"DOCKER", "CNI-DN-1", "RANGE", "LIST"}
    assert others.in_iptables(SAVED, 91) == set()
