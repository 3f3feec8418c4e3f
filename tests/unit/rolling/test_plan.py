"""Whether a node may be changed, and whether it has passed."""

from __future__ import annotations

import json

import kube_raw as raw
import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.rolling.plan import gate_faults, half_way, plan
from hypothesis import given
from hypothesis import strategies as st

MARK = json.dumps({"reason": "K3s upgrade", "since": "2026-11-24T05:00:00.000Z", "fault": "not Ready"})
SERVERS = ["s1", "s2", "s3"]


def fleet(**of):
    """Three servers and two agents; O(of) gives some of them other properties, None takes one out."""
    servers = {name: {"server": True, "voter": True} for name in SERVERS}
    there = {**servers, "a1": {}, "a2": {}}
    return {
        "items": [
            raw.node(name, **{**have, **of.get(name, {})})
            for name, have in there.items()
            if of.get(name, {}) is not None
        ]
    }


def ask(listing, node, needed=True, reason="K3s upgrade", **more):
    return plan(listing, node, needed=needed, reason=reason, servers=SERVERS, batch=[node], **more)


def test_what_is_to_be_done():
    half = {"cordoned": True, "mark": MARK}
    assert ask(fleet(), "a1") == {"stage": "whole", "faults": []}
    assert ask(fleet(), "s2") == {"stage": "whole", "faults": []}
    assert ask(fleet(), "a1", needed=False) == {"stage": "none", "faults": []}
    assert ask(fleet(a1=half), "a1", needed=False) == {"stage": "gate", "faults": []}
    assert ask(fleet(a1=half), "a1") == {"stage": "whole", "faults": []}


def test_a_node_that_needs_nothing_is_no_fault_beside_one_that_is_half_way():
    assert ask(fleet(a2={"cordoned": True, "mark": MARK}), "a1", needed=False)["faults"] == []


def test_another_node_half_way_is_named():
    listing = fleet(a2={"cordoned": True, "mark": MARK})
    (fault,) = ask(listing, "a1")["faults"]
    assert fault == "a2 was left half-way by 'K3s upgrade' since 2026-11-24T05:00:00.000Z (not Ready): finish it first"
    assert plan(listing, "a1", needed=True, reason="x", batch=["a1", "a2"])["faults"] == []
    assert half_way(listing) == ["a2"]


def test_of_two_nodes_that_were_left_half_way_each_may_be_finished():
    half = {"cordoned": True, "mark": MARK}
    listing = fleet(a1=half, a2=half)
    assert ask(listing, "a1") == ask(listing, "a2") == {"stage": "whole", "faults": []}


def test_a_server_is_not_touched_while_another_one_is_silent_though_it_still_counts_as_ready():
    (fault,) = ask(fleet(), "s1", silent=["s1", "s3"])["faults"]
    assert fault == "server s3 does not answer: bring it back before another one is touched"
    assert ask(fleet(), "a1", silent=["s3"])["faults"] == []


def test_another_act_left_it_half_way():
    listing = fleet(a1={"cordoned": True, "mark": MARK})
    for needed in (True, False):
        (fault,) = ask(listing, "a1", needed, "reboot")["faults"]
        assert "a1 was left half-way by 'K3s upgrade'" in fault and "rolling_adopt" in fault
        assert ask(listing, "a1", needed, "reboot", adopt=True)["faults"] == []


@pytest.mark.parametrize(
    ("s2", "words"),
    [
        ({"ready": False}, "server s2 is not Ready"),
        ({"voter": False}, "server s2 is no voter"),
        (None, "server s2 is no node of the cluster"),
    ],
)
def test_a_server_is_touched_only_while_all_others_are_well(s2, words):
    (fault,) = ask(fleet(s2=s2), "s1")["faults"]
    assert words in fault
    assert ask(fleet(s2=s2), "a1")["faults"] == []
    assert ask(fleet(s1={"ready": False}), "s1")["faults"] == []


def test_a_server_that_the_inventory_does_not_know_counts_too():
    (fault,) = plan(fleet(s2={"ready": False}), "s1", needed=True, reason="", servers=["s1"], batch=["s1"])["faults"]
    assert "server s2" in fault


def test_without_etcd_there_is_nothing_to_vote_on():
    assert ask({"items": [raw.node(name, server=True) for name in SERVERS]}, "s1")["faults"] == []


def test_two_servers_in_one_batch():
    faults = plan(fleet(), "s1", needed=True, reason="", servers=SERVERS, batch=SERVERS)["faults"]
    assert all("serial 1" in fault for fault in faults) and len(faults) == 2


def test_a_host_without_k3s_has_nothing_to_ask():
    assert ask(None, "a1", member=False) == {"stage": "alone", "faults": []}
    assert ask(None, "a1", needed=False, member=False) == {"stage": "none", "faults": []}


def test_no_answer_and_no_node():
    assert "no server (s1, s2, s3)" in ask(None, "a1")["faults"][0]
    assert "no server" in ask(None, "a1", needed=False)["faults"][0]
    assert "no node a1" in ask(fleet(a1=None), "a1")["faults"][0]


STATES = st.fixed_dictionaries(
    {"ready": st.booleans(), "voter": st.booleans(), "cordoned": st.booleans(), "mark": st.sampled_from([None, MARK])}
)


@given(st.fixed_dictionaries(dict.fromkeys(SERVERS, STATES)), st.sampled_from(SERVERS))
def test_no_change_of_a_server_ever_leaves_two_down(of, node):
    answer = ask(fleet(**of), node)
    down = [s for s in SERVERS if s != node and (not of[s]["ready"] or not of[s]["voter"])]
    half = [s for s in SERVERS if s != node and of[s]["cordoned"] and of[s]["mark"]]
    assert bool(answer["faults"]) == bool(down or half)
    assert answer["stage"] == "whole"


def listing(renewed="1", **of):
    lease = {"kind": "Lease", "metadata": {"name": "a1"}, "spec": {"renewTime": renewed}}
    return {"kind": "List", "items": [raw.node("a1", **of), lease]}


@pytest.mark.parametrize(
    ("of", "expected", "fault"),
    [
        ({}, {}, None),
        ({}, {"version": "v1.35.6+k3s1", "gpus": 0}, None),
        ({}, {"version": None, "gpus": None}, None),
        ({"ready": False}, {}, "not Ready"),
        ({}, {"version": "v1.35.7+k3s1"}, "runs v1.35.6+k3s1, not v1.35.7+k3s1"),
        ({"voter": False}, {}, "no voter"),
        ({"voter": True}, {}, None),
        ({"gpus": 1}, {"gpus": 2}, "offers 1 GPUs, not 2"),
        ({"gpus": 2}, {"gpus": "2"}, None),
        ({"hands_out": True}, {"gpus": 2}, "offers 0 GPUs, not 2"),
        ({}, {"gpus": 2}, None),
        ({"mark": json.dumps({"reason": "reboot", "gpus": "2"})}, {"gpus": 2}, "offers 0 GPUs, not 2"),
        ({"mark": json.dumps({"reason": "reboot", "gpus": "2"}), "gpus": 2}, {"gpus": 2}, None),
        ({"mark": json.dumps({"reason": "reboot"})}, {"gpus": 2}, None),
        # Read anew by a run that was resumed, right after the boot.
        ({"mark": json.dumps({"reason": "reboot", "gpus": "2"})}, {"gpus": 0}, "offers 0 GPUs, not 2"),
        ({"mark": json.dumps({"reason": "reboot", "gpus": "2"}), "gpus": 2}, {"gpus": 0}, None),
        ({"mark": json.dumps({"reason": "reboot", "gpus": "some"})}, {"gpus": 0}, None),
    ],
)
def test_the_gate(of, expected, fault):
    faults = gate_faults(listing("2", **of), "a1", expected, listing("1"))
    assert (
        [fault] == [line.split("a1 ", 1)[1].replace("is ", "").replace(" of etcd yet", "") for line in faults]
        if fault
        else not faults
    )


def test_a_node_that_has_not_reported_since_is_not_believed():
    assert gate_faults(listing("1"), "a1", {}, listing("1")) == ["a1 has not reported since the change"]


def test_a_node_that_is_gone():
    assert gate_faults({"items": []}, "a1", {}, {"items": []}) == ["the cluster has no node a1"]
