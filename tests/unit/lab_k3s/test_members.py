"""The keeper of the members: conditions of nodes, promotions, where the API is served, and members that go."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from k3s_standin import etcd, faults, members
from k3s_standin.settings import resolve

NOW = datetime(2026, 11, 24, 5, 0, 0, tzinfo=timezone.utc)


def member(number, learner=False, name=None):
    name = f"n{number}-x" if name is None else name
    return etcd.Member(number, name, (f"https://10.0.0.{number}:2380",), (f"https://10.0.0.{number}:2379",), learner)


class Store:
    def __init__(self, *known, leads=True):
        self.known, self.leads, self.ready, self.removed = list(known), leads, True, []

    def members(self):
        return self.known

    def status(self):
        return etcd.Status(1, 1 if self.leads else 2, False)

    def promote(self, learner):
        if not self.ready:
            raise etcd.EtcdError("etcdserver: can only promote a learner member which is in sync with leader")

    def remove(self, gone):
        self.removed.append(gone.name)


class Kube:
    def __init__(self, *numbers, endpoints=None):
        self.nodes = [
            {"metadata": {"name": f"n{i}", "annotations": members.notes(f"n{i}-x", f"10.0.0.{i}")}, "status": {}}
            for i in numbers
        ]
        self.endpoints, self.said = endpoints, {}

    def get(self, path):
        return {"items": self.nodes}

    def find(self, path):
        return self.endpoints

    def patch(self, path, body, kind):
        assert kind == "application/strategic-merge-patch+json", "another kind would take the other conditions away"
        [condition] = body["status"]["conditions"]
        self.said[path.split("/")[4]] = (condition["status"], condition["reason"])

    def put(self, collection, body):
        self.endpoints = body


@pytest.fixture
def keeper(monkeypatch, tmp_path):
    monkeypatch.setattr(faults, "FILE", tmp_path / "faults")

    def make(store, kube, down=()):
        calls = []
        made = members.Keeper(resolve("server", {"node-ip": ["10.0.0.1"]}), store, kube, lambda: calls.append(1))
        made.calls = calls
        monkeypatch.setattr(made, "healthy", lambda m: m.address not in down)
        monkeypatch.setattr(made, "answers", lambda address: address not in down)
        return made

    return make


def test_voters_learners_and_members_that_do_not_answer_say_what_they_are(keeper):
    store = Store(member(1), member(2), member(3, learner=True))
    store.ready = False
    kube = Kube(1, 2, 3)
    keeper(store, kube, down=("10.0.0.2",)).look()
    assert kube.said == {
        "n1": ("True", "MemberNotLearner"),
        "n2": ("False", "Unhealthy"),
        "n3": ("False", "MemberIsLearner"),
    }


def test_a_learner_in_sync_is_promoted_and_a_voter_at_once(keeper):
    kube = Kube(2)
    keeper(Store(member(1), member(2, learner=True)), kube).look()
    assert kube.said["n2"] == ("True", "MemberNotLearner")


def test_only_the_leader_acts_but_everyone_sees_that_there_are_several(keeper):
    kube = Kube(1, 2)
    other = keeper(Store(member(1), member(2), leads=False), kube)
    other.look()
    assert not kube.said and kube.endpoints is None and other.calls
    alone = keeper(Store(member(1)), Kube(1))
    alone.look()
    assert not alone.calls


def test_a_test_may_hold_a_node_back(keeper):
    faults.FILE.write_text("not-voter: [n2]\n")
    kube = Kube(1, 2)
    keeper(Store(member(1), member(2)), kube).look()
    assert kube.said == {"n1": ("True", "MemberNotLearner"), "n2": ("False", "MemberIsLearner")}


def test_pods_find_the_servers_that_answer_and_never_none(keeper):
    kube = Kube()
    store = Store(member(1), member(2), member(3, learner=True))
    keeper(store, kube).look()
    assert members.listed_addresses(kube.endpoints) == ["10.0.0.1", "10.0.0.2"]
    keeper(store, kube, down=("10.0.0.2",)).look()
    assert members.listed_addresses(kube.endpoints) == ["10.0.0.1"]
    keeper(store, kube, down=("10.0.0.1", "10.0.0.2")).look()
    assert members.listed_addresses(kube.endpoints) == ["10.0.0.1"]


def test_a_deleted_node_takes_its_member_with_it_and_no_other(keeper):
    store = Store(member(1), member(2, name="n2-a"), member(3, name="n2-b-x"), member(4, name=""))
    keeper(store, Kube()).forget("n2")
    assert store.removed == ["n2-a"]


def test_the_only_member_stays_whatever_happens_to_its_node(keeper):
    store = Store(member(1))
    keeper(store, Kube()).forget("n1")
    assert not store.removed


def test_a_condition_is_written_when_it_changes_and_now_and_then():
    first = members.condition(members.VOTER, None, NOW)
    assert (first["status"], first["lastTransitionTime"]) == ("True", "2026-11-24T05:00:00Z")
    assert members.condition(members.VOTER, first, NOW + timedelta(seconds=299)) is None
    later = members.condition(members.VOTER, first, NOW + timedelta(seconds=301))
    assert later["lastTransitionTime"] == first["lastTransitionTime"]
    assert later["lastHeartbeatTime"] == "2026-11-24T05:05:01Z"
    changed = members.condition(members.UNHEALTHY, first, NOW + timedelta(seconds=1))
    assert changed["lastTransitionTime"] == "2026-11-24T05:00:01Z"


def test_waiting_for_a_vote_ends_when_the_member_takes_requests():
    answers = [OSError("refused"), etcd.Status(1, 1, True), etcd.Status(1, 1, False)]

    class Joining:
        def status(self):
            answer = answers.pop(0)
            if isinstance(answer, OSError):
                raise answer
            return answer

        def list(self, prefix):
            return {}

    members.wait_for_vote(Joining(), pause=0)
    assert not answers
