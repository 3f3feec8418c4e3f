from __future__ import annotations

import copy as copying_of

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Done, Refused, Step
from ansible_collections.sophia.replatform.plugins.module_utils.secrets import carrier, copying
from ansible_collections.sophia.replatform.plugins.module_utils.secrets.copying import Held, Item, Wanted
from fake_swarm import FakeSwarm
from hypothesis import given
from hypothesis import strategies as st

NAMES = ("a", "b", "c")


def world(cluster, leftover=False, containers=0):
    services = [FakeSwarm.user_of(list(NAMES))]
    if leftover:
        services.append({"ID": "old", "Spec": {"Name": "old", "Labels": {carrier.LABEL: "old"}}})
    return {
        "info": {"Swarm": {"LocalNodeState": "active", "ControlAvailable": True, "NodeID": "n1"}},
        "nodes": [{"ID": "n1", "Spec": {"Availability": "active"}}],
        "services": services,
        "tasks": [],
        "secrets": {name: f"id-{name}" for name in NAMES},
        "configs": {name: f"id-{name}" for name in NAMES},
        "containers": [{}] * containers,
        "cluster": cluster,
        "digests": {Item(copying.CONFIG, name): f"digest-{name}" for name in NAMES},
        "written": set(),
        "run": "this",
    }


HELD = st.builds(
    Held,
    digest=st.sampled_from([None, "digest-a", "digest-b", "other"]),
    source_id=st.sampled_from(["", "id-a", "id-old"]),
)
ITEMS = st.builds(Item, kind=st.sampled_from([copying.SECRET, copying.CONFIG]), source=st.sampled_from(NAMES))


@given(
    cluster=st.dictionaries(ITEMS, HELD),
    secrets=st.lists(st.sampled_from(NAMES), unique=True),
    configs=st.lists(st.sampled_from(NAMES), unique=True),
    leftover=st.booleans(),
    containers=st.integers(0, 2),
)
def test_it_always_comes_to_an_end_with_everything_there_and_no_task_left(
    cluster, secrets, configs, leftover, containers
):
    wanted = Wanted(tuple(secrets), tuple(configs), "", "this")
    now = world(dict(cluster), leftover, containers)
    before = copying_of.deepcopy(now)
    taken = []
    decision = copying.next_step(now, wanted)
    while isinstance(decision, Step):
        taken.append(decision)
        now = copying.simulate(now, decision)
        decision = copying.next_step(now, wanted)
        assert len(taken) < 50
    assert isinstance(decision, Done)
    assert carrier.services(now) == []
    assert set(copying.items(wanted)) <= set(now["cluster"])
    assert copying.next_step(now, wanted) == decision
    assert before == world(dict(cluster), leftover, containers)
    names = [step.name for step in taken]
    assert ("start_task" in names) == bool(secrets)
    assert names.count("start_task") <= 1
    writes = {(step.data["kind"], step.data["source"]) for step in taken if step.name in ("create", "update")}
    assert all((item.kind, item.source) in writes for item in copying.items(wanted) if item not in cluster)


def test_the_image_of_a_service_with_a_task_here_comes_first():
    services = [FakeSwarm.user_of(["a"], "shop_a", "far:1"), FakeSwarm.user_of(["a"], "shop_b", "near:1")]
    tasks = [{"ServiceID": "id-shop_b", "NodeID": "n1", "DesiredState": "running", "Status": {"State": "running"}}]
    assert carrier.image_for({"services": services, "tasks": tasks}, ["a"], "n1") == "near:1"
    assert carrier.image_for({"services": services, "tasks": tasks}, ["a"], "n2") == "far:1"
    assert carrier.image_for({"services": services, "tasks": tasks}, ["b"], "n1") == ""


@pytest.mark.parametrize("state", ["failed", "rejected", "complete", "shutdown"])
def test_a_task_that_has_ended_is_not_waited_for(state):
    now = world({})
    now["services"].append({"ID": "s", "Spec": {"Name": "s", "Labels": {carrier.LABEL: "this"}}})
    now["tasks"] = [
        {"ServiceID": "s", "CreatedAt": "1", "Status": {"State": "running"}},
        {"ServiceID": "s", "CreatedAt": "2", "Status": {"State": state, "Err": "no sleep"}},
    ]
    decision = copying.next_step(now, Wanted(("a",), (), "", "this"))
    assert isinstance(decision, Refused)
    assert "no sleep" in decision.reason
