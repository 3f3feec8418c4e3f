"""Members: their names, who is whom, and what a server that joins makes of the list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from k3s_standin import controlplane, etcd, logs
from k3s_standin.settings import resolve


def server(tmp_path, **values):
    base = {"node-ip": ["172.31.77.11"], "node-name": "one", "data-dir": str(tmp_path)}
    return resolve("server", {**base, **values})


def member(name, address, learner=False, number=1):
    return etcd.Member(number, name, (f"https://{address}:2380",), (f"https://{address}:2379",), learner)


def test_the_gateways_numbers_are_texts_and_a_member_that_never_started_has_no_name():
    answer = {
        "members": [
            {"ID": "17487225595547318093", "name": "one-ab", "peerURLs": ["https://10.0.0.1:2380"]},
            {"ID": "2", "peerURLs": ["https://10.0.0.2:2380"], "isLearner": True},
        ]
    }
    first, second = etcd.members_from(answer)
    assert (first.id, first.address, first.node, first.learner) == (17487225595547318093, "10.0.0.1", "one", False)
    assert (second.name, second.address, second.learner) == ("", "10.0.0.2", True)


def test_a_new_server_is_added_to_the_others():
    others = [member("one-aa", "10.0.0.1"), member("two-bb", "10.0.0.2")]
    cluster, add = etcd.place_among(others, "three-cc", "three", "10.0.0.3")
    assert add and cluster == ["one-aa=https://10.0.0.1:2380", "two-bb=https://10.0.0.2:2380"]


def test_a_server_that_was_killed_between_its_adding_and_its_start_is_not_added_again():
    cluster, add = etcd.place_among(
        [member("one-aa", "10.0.0.1"), member("", "10.0.0.3")], "three-cc", "three", "10.0.0.3"
    )
    assert not add and cluster[1] == "three-cc=https://10.0.0.3:2380"


def test_a_server_that_lost_its_data_is_refused_in_k3s_words_until_its_node_is_deleted():
    with pytest.raises(logs.Fatal, match="ETCD join failed: duplicate node name found, please use a unique name"):
        etcd.place_among([member("three-old", "10.0.0.3")], "three-new", "three", "10.0.0.3")


def test_a_name_that_begins_like_another_one_is_not_that_one():
    _name, add = etcd.place_among([member("node-1-aa", "10.0.0.1")], "node-bb", "node", "10.0.0.2")
    assert add


@given(st.lists(st.integers(1, 30), unique=True, max_size=6), st.integers(31, 60))
def test_whoever_is_there_the_cluster_names_everyone_once(others, own):
    members = [member(f"n{i}-x", f"10.0.0.{i}", number=i) for i in others]
    cluster, add = etcd.place_among(members, f"n{own}-x", f"n{own}", f"10.0.0.{own}")
    assert add and [entry.partition("=")[0] for entry in cluster] == [m.name for m in members]


def test_a_members_name_outlives_a_restart_but_not_its_data(tmp_path):
    settings = server(tmp_path, **{"cluster-init": True})
    first = etcd.member_name(settings)
    assert first.startswith("one-") and etcd.member_name(settings) == first
    etcd.name_file(settings).unlink()
    assert etcd.member_name(settings) != first


def test_without_cluster_init_nobody_can_join_and_nothing_says_so_but_the_name_file(tmp_path):
    settings = server(tmp_path)
    assert not etcd.clustered(settings) and not etcd.name_file(settings).exists()
    assert controlplane.lone_name(settings) == controlplane.lone_name(settings)
    etcd.member_name(server(tmp_path, **{"cluster-init": True}))
    assert etcd.clustered(settings), "data of a cluster stays so when the key is taken out"


def test_data_is_there_once_etcd_has_written_its_log(tmp_path):
    settings = server(tmp_path)
    etcd.member_name(settings)
    assert not etcd.initialized(settings)
    (etcd.folder(settings) / "member/wal").mkdir(parents=True)
    assert etcd.initialized(settings)


def test_a_joining_member_starts_in_an_existing_cluster_and_a_first_one_in_its_own(tmp_path):
    settings = server(tmp_path)
    first = controlplane.etcd(settings, "one-ab")
    assert "--initial-cluster=one-ab=https://172.31.77.11:2380" in first and "--initial-cluster-state=new" in first
    joining = controlplane.etcd(settings, "one-ab", "two-cd=https://x:2380,one-ab=https://172.31.77.11:2380")
    assert "--initial-cluster-state=existing" in joining


@pytest.mark.parametrize("elect", [True, False])
def test_controllers_elect_a_leader_only_where_several_servers_run_them(tmp_path, elect):
    settings = server(tmp_path)
    word = f"--leader-elect={str(elect).lower()}"
    assert word in controlplane.controller_manager(settings, tmp_path, elect)
    assert word in controlplane.scheduler(settings, tmp_path, elect)
