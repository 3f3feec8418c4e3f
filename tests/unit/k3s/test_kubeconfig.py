from __future__ import annotations

import copy

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.kubeconfig import merge
from hypothesis import given
from hypothesis import strategies as st

URL = "https://192.0.2.1:6443"
FETCHED = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [
        {"name": "default", "cluster": {"server": "https://127.0.0.1:6443", "certificate-authority-data": "Q0E="}}
    ],
    "users": [{"name": "default", "user": {"client-certificate-data": "QQ==", "client-key-data": "Qg=="}}],
    "contexts": [{"name": "default", "context": {"cluster": "default", "user": "default"}}],
    "current-context": "default",
}


def config(*names, **more):
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": n, "cluster": {"server": f"https://{n}"}} for n in names],
        "users": [{"name": n, "user": {"token": n}} for n in names],
        "contexts": [{"name": n, "context": {"cluster": n, "user": n}} for n in names],
        **more,
    }


@pytest.mark.parametrize("present", [None, ""])
def test_a_file_that_is_not_there_yet(present):
    merged = merge(FETCHED, present, "sophia", URL)
    assert merged["clusters"] == [{"name": "sophia", "cluster": {"server": URL, "certificate-authority-data": "Q0E="}}]
    assert merged["contexts"] == [{"name": "sophia", "context": {"cluster": "sophia", "user": "sophia"}}]
    assert merged["current-context"] == "sophia"
    assert merged["kind"] == "Config"


def test_others_stay_and_so_does_the_choice():
    present = config("work", preferences={"colors": True}, **{"current-context": "work"})
    before = copy.deepcopy(present)
    merged = merge(FETCHED, present, "sophia", URL)
    assert present == before
    assert merged["current-context"] == "work" and merged["preferences"] == {"colors": True}
    for kind in ("clusters", "users", "contexts"):
        assert merged[kind][0] == before[kind][0]
        assert [entry["name"] for entry in merged[kind]] == ["work", "sophia"]


def test_our_own_entry_is_replaced_in_its_place_and_keeps_its_namespace():
    present = config("sophia", "work")
    present["contexts"][0]["context"]["namespace"] = "prod"
    merged = merge(FETCHED, present, "sophia", URL)
    assert [entry["name"] for entry in merged["users"]] == ["sophia", "work"]
    assert merged["users"][0]["user"] == FETCHED["users"][0]["user"]
    assert merged["contexts"][0]["context"]["namespace"] == "prod"


def test_an_entry_that_another_context_uses_is_not_replaced():
    present = config("sophia")
    present["contexts"][0]["name"] = "mine"
    with pytest.raises(RefusedError, match="context 'mine' of the kubeconfig uses an entry named 'sophia'"):
        merge(FETCHED, present, "sophia", URL)


@pytest.mark.parametrize("present", ["text", ["a"], {"kind": "Pod"}])
def test_what_is_no_kubeconfig_is_left_alone(present):
    with pytest.raises(RefusedError, match="no kubeconfig"):
        merge(FETCHED, present, "sophia", URL)


def test_a_server_that_gives_two_clusters():
    with pytest.raises(RefusedError, match="2 clusters"):
        merge({**FETCHED, "clusters": FETCHED["clusters"] * 2}, None, "sophia", URL)


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.sampled_from("abcdef"))
def test_merging_again_changes_nothing_and_loses_nobody(names, mine):
    once = merge(FETCHED, config(*names), mine, URL)
    assert merge(FETCHED, once, mine, URL) == once
    assert {entry["name"] for entry in once["clusters"]} == {*names, mine}
