"""The decisions of a drain, without a cluster."""

from __future__ import annotations

import json

import kube_raw as raw
import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Done, Refused, Step
from ansible_collections.sophia.replatform.plugins.module_utils.rolling import drain
from ansible_collections.sophia.replatform.plugins.module_utils.rolling.drain import ANNOTATION, Wanted
from hypothesis import given
from hypothesis import strategies as st

OURS = json.dumps({"reason": "reboot", "since": "2026-11-24T05:00:00.000Z"})


def wanted(state="drained", **options):
    return Wanted("n1", state, **{"reason": "reboot", **options})


def walk(world, want):
    """The steps to the end, by simulation, with the decision and the world that end them."""
    steps = []
    while isinstance(decision := drain.next_step(world, want), Step):
        steps.append(decision)
        world = drain.simulate(world, decision)
        assert len(steps) < 20
    return steps, decision, world


def names(world, want):
    steps, end, _world = walk(world, want)
    assert isinstance(end, Done), end
    return [step.name for step in steps]


def refusal(world, want):
    decision = drain.next_step(world, want)
    assert isinstance(decision, Refused), decision
    return decision.reason


def test_a_node_is_cordoned_and_its_pods_evicted_and_waited_for():
    assert names(raw.world(pods=[raw.pod("web")]), wanted()) == ["cordon", "evict", "wait_for_pods"]


def test_an_empty_node_is_only_cordoned():
    assert names(raw.world(), wanted()) == ["cordon"]


def test_what_gpus_it_offered_is_noted_until_it_is_released():
    for_fault = wanted("cordoned", fault="offers 0 GPUs, not 2")
    steps, _end, after = walk(raw.world(raw.node(gpus=2)), wanted())
    assert steps[0].data["gpus"] == "2"
    after["node"]["status"]["allocatable"] = {}
    _steps, _end, after = walk(after, for_fault)
    assert drain.mark(after["node"]) == {"reason": "reboot", "fault": for_fault.fault, "since": "", "gpus": "2"}


@pytest.mark.parametrize("gpus", [0, 2])
def test_what_is_adopted_is_noted_too(gpus):
    (step,), _end, _after = walk(raw.world(raw.node(cordoned=True, gpus=gpus)), wanted("cordoned", adopt=True))
    assert step.name == "adopt" and step.data.get("gpus") == ("2" if gpus else None)


def test_a_second_run_does_nothing():
    _steps, _end, after = walk(raw.world(pods=[raw.pod("web")]), wanted())
    assert names(after, wanted()) == []


@pytest.mark.parametrize(
    "stays",
    [
        raw.pod("ds", "DaemonSet", emptydir=True),
        raw.pod("static", None, mirror=True),
        raw.pod("static", "Node", mirror=True),
        raw.pod("job", "Job", phase="Succeeded"),
        raw.pod("bare", None, phase="Failed"),
    ],
    ids=["daemonset", "mirror", "mirror of a node", "finished", "failed"],
)
def test_pods_that_stay(stays):
    assert names(raw.world(pods=[stays]), wanted()) == ["cordon"]


def test_an_owner_that_is_no_controller_starts_nothing():
    owned = raw.pod("web", "DaemonSet")
    owned["metadata"]["ownerReferences"][0]["controller"] = False
    assert "no controller" in refusal(raw.world(pods=[owned]), wanted())


def test_pods_that_would_be_lost_are_named_and_nothing_is_cordoned():
    pods = [raw.pod("b-bare", None), raw.pod("a-bare", None), raw.pod("cache", emptydir=True)]
    reason = refusal(raw.world(pods=pods), wanted())
    assert "shop/a-bare, shop/b-bare would not be started again" in reason
    assert "shop/cache would lose the data of an emptyDir" in reason
    assert names(raw.world(pods=pods), wanted(force=True, delete_emptydir_data=True))[0] == "cordon"


def packaged(labels, *volumes, namespace="kube-system"):
    pod = raw.pod("packaged", namespace=namespace, labels=labels)
    pod["spec"]["volumes"] += [{"name": name, "emptyDir": {}} for name in volumes]
    return pod


METRICS = {"k8s-app": "metrics-server", "pod-template-hash": "1"}
TRAEFIK = {"app.kubernetes.io/name": "traefik", "app.kubernetes.io/instance": "traefik-kube-system"}


@pytest.mark.parametrize("pod", [packaged(METRICS, "tmp-dir"), packaged(TRAEFIK, "data", "tmp")])
def test_the_scratch_of_what_k3s_packages_holds_no_node_up(pod):
    assert names(raw.world(pods=[pod]), wanted()) == ["cordon", "evict", "wait_for_pods"]


@pytest.mark.parametrize(
    "pod",
    [
        packaged(METRICS, "tmp-dir", namespace="monitoring"),
        packaged(METRICS, "tmp-dir", "added"),
        packaged(METRICS, "tmp"),
        packaged({**TRAEFIK, "app.kubernetes.io/instance": "mine"}, "data"),
        packaged({}, "tmp-dir"),
    ],
    ids=["another namespace", "a volume more", "another volume", "another traefik", "another pod"],
)
def test_what_a_user_has_put_there_is_guarded(pod):
    assert "packaged would lose the data of an emptyDir" in refusal(raw.world(pods=[pod]), wanted())


def test_two_budgets_over_one_pod_are_refused_before_anything():
    budgets = [raw.budget("one", {"app": "web"}, 1), raw.budget("two", {"tier": "front"}, 1)]
    labels = {"app": "web", "tier": "front"}
    assert "more than one budget (one, two)" in refusal(
        raw.world(pods=[raw.pod("web", labels=labels)], budgets=budgets), wanted()
    )
    pending = raw.world(pods=[raw.pod("web", labels=labels, phase="Pending")], budgets=budgets)
    assert names(pending, wanted())[0] == "cordon"


def test_pods_on_a_node_that_is_not_ready_can_not_be_seen_to_end():
    assert "n1 is not Ready" in refusal(raw.world(raw.node(ready=False), [raw.pod("web", ending=True)]), wanted())
    assert names(raw.world(raw.node(ready=False), [raw.pod("ds", "DaemonSet")]), wanted()) == ["cordon"]


def test_what_a_budget_holds_is_told_beforehand():
    budgets = [raw.budget("web", {"app": "web"}), raw.budget("other", {"app": "other"})]
    steps, _end, _world = walk(raw.world(pods=[raw.pod("web", labels={"app": "web"})], budgets=budgets), wanted())
    assert steps[1].data == {"node": "n1", "pods": ["shop/web"], "held": ["shop/web by web"]}


def test_a_cordon_of_somebody_else_is_refused_adopted_or_left():
    world = raw.world(raw.node(cordoned=True))
    for state in ("drained", "cordoned"):
        assert "cordoned by somebody else" in refusal(world, wanted(state))
        assert names(world, wanted(state, adopt=True)) == ["adopt"]
    assert names(world, wanted("schedulable", adopt=True)) == []


def test_our_cordon_is_released_with_its_annotation_and_nothing_else():
    steps, _end, after = walk(raw.world(raw.node(cordoned=True, mark=OURS)), wanted("schedulable"))
    assert [step.name for step in steps] == ["uncordon"]
    assert after["node"]["metadata"]["annotations"] == {"other": "kept"}
    assert not drain.is_cordoned(after["node"])


def test_a_node_that_a_person_has_released_is_not_half_way():
    node = raw.node(mark=OURS)
    assert not drain.is_half_way(node)
    assert names(raw.world(node), wanted("schedulable")) == ["unmark"]
    assert names(raw.world(node), wanted("cordoned")) == ["cordon"]


def test_a_fault_is_added_to_our_cordon_and_cordons_nothing():
    want = wanted("cordoned", reason="", fault="not Ready")
    steps, _end, after = walk(raw.world(raw.node(cordoned=True, mark=OURS)), want)
    assert [step.data for step in steps] == [{"node": "n1", "reason": "reboot", "fault": "not Ready"}]
    assert drain.mark(after["node"])["fault"] == "not Ready"
    assert names(raw.world(), want) == []
    assert names(raw.world(raw.node(cordoned=True)), want) == []


def test_the_next_run_takes_the_fault_away():
    mark = json.dumps({"reason": "reboot", "fault": "not Ready"})
    assert names(raw.world(raw.node(cordoned=True, mark=mark)), wanted()) == ["annotate"]
    assert names(raw.world(raw.node(cordoned=True, mark=OURS)), wanted(reason="")) == []


@pytest.mark.parametrize("text", ["", "by hand", "[1]", "{", '{"reason": null}'])
def test_an_annotation_that_is_not_ours_in_form_is_still_a_mark(text):
    assert set(drain.mark(raw.node(mark=text))) == {"reason", "fault", "since", "gpus"}


def test_an_unknown_node_is_refused():
    assert "no node 'n1'" in refusal({"node": None, "pods": [], "budgets": []}, wanted("schedulable"))


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        (
            raw.pod("web", labels={"app": "web"}),
            "held by budget web (disruptions allowed: 0; 2 of at least 2 pods healthy)",
        ),
        (raw.pod("web", ending=True), "ending since 2026-11-24T05:00:00Z"),
        (raw.pod("web", tolerations=[{"operator": "Exists"}]), "tolerates the cordon"),
        (raw.pod("web"), "has not been evicted"),
    ],
)
def test_who_blocks_is_named(pod, words):
    (line,) = drain.blockers(
        raw.world(pods=[pod, raw.pod("ds", "DaemonSet")], budgets=[raw.budget("web", {"app": "web"})])
    )
    assert line.startswith("shop/web ")
    assert words in line


def test_a_crowd_of_blockers_is_cut_short():
    lines = drain.blockers(raw.world(pods=[raw.pod(f"web-{i:02}") for i in range(13)]))
    assert len(lines) == 11
    assert lines[-1] == "and 3 more"


PODS = st.lists(
    st.builds(
        lambda number, **of: raw.pod(f"p{number}", **of),
        st.integers(0, 9),
        owner=st.sampled_from([None, "ReplicaSet", "DaemonSet", "StatefulSet", "Job"]),
        phase=st.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Unknown"]),
        labels=st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from(["a", "b"])),
        mirror=st.booleans(),
        ending=st.booleans(),
        emptydir=st.booleans(),
    ),
    max_size=6,
    unique_by=lambda pod: pod["metadata"]["name"],
)
NODES = st.builds(
    raw.node, ready=st.booleans(), cordoned=st.booleans(), mark=st.sampled_from([None, OURS, "", "by hand"])
)
BUDGETS = st.lists(
    st.builds(
        raw.budget,
        st.sampled_from(["x", "y"]),
        st.none() | st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from(["a", "b"])),
        st.integers(0, 1),
        version=st.sampled_from(["policy/v1", "policy/v1beta1"]),
    ),
    max_size=2,
)
WANTED = st.builds(
    Wanted,
    st.just("n1"),
    st.sampled_from(["drained", "cordoned", "schedulable"]),
    reason=st.sampled_from(["", "reboot", "K3s upgrade"]),
    adopt=st.booleans(),
    force=st.booleans(),
    delete_emptydir_data=st.booleans(),
)


def keepers(world):
    """The pods that must not be touched, worked out anew."""
    return {
        f"shop/{pod['metadata']['name']}"
        for pod in world["pods"]
        if any(o["kind"] == "DaemonSet" for o in pod["metadata"].get("ownerReferences", []))
        or "kubernetes.io/config.mirror" in pod["metadata"].get("annotations", {})
    }


@given(NODES, PODS, BUDGETS, WANTED)
def test_whatever_the_world_is(node, pods, budgets, want):
    world = raw.world(node, pods, budgets)
    kept = keepers(world)
    steps, end, after = walk(world, want)
    for step in steps:
        assert not kept & set(step.data.get("pods", []))
    if isinstance(end, Refused):
        assert steps == [], "a refusal comes before anything is done"
        assert "\n" not in end.reason
        return
    left = {f"shop/{pod['metadata']['name']}": pod for pod in after["pods"]}
    assert kept <= set(left)
    if want.state == "drained":
        assert [step.name for step in steps][:1] != ["evict"] or drain.is_half_way(node)
        assert drain.is_half_way(after["node"])
        assert all(name in kept or pod["status"]["phase"] in ("Succeeded", "Failed") for name, pod in left.items())
    else:
        assert len(left) == len(pods)
    foreign = drain.is_cordoned(node) and ANNOTATION not in node["metadata"]["annotations"]
    if foreign and not want.adopt:
        assert drain.is_cordoned(after["node"])
    assert after["node"]["metadata"]["annotations"]["other"] == "kept"


@given(NODES, PODS, BUDGETS)
def test_nothing_is_lost_unasked(node, pods, budgets):
    steps, _end, _after = walk(raw.world(node, pods, budgets), wanted(adopt=True))
    evicted = {name for step in steps if step.name == "evict" for name in step.data["pods"]}
    for pod in pods:
        if f"shop/{pod['metadata']['name']}" in evicted:
            assert pod["metadata"].get("ownerReferences")
            assert all("emptyDir" not in volume for volume in pod["spec"]["volumes"])


@given(NODES, PODS, BUDGETS)
def test_every_pod_that_must_leave_is_named_while_it_is_there(node, pods, budgets):
    world = raw.world(node, pods, budgets)
    decision = drain.next_step(world, wanted(adopt=True, force=True, delete_emptydir_data=True))
    if isinstance(decision, Step) and "pods" in decision.data:
        assert {name.split(" ")[0] for name in drain.blockers(world)} >= set(decision.data["pods"])
