from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.gpu.rollout import (
    current_revision,
    is_observed,
    rollout_fault,
)
from hypothesis import given
from hypothesis import strategies as st

HASH = "controller-revision-hash"


def daemonset(generation=2, observed=2, uid="u1"):
    return {
        "metadata": {"name": "nvidia-device-plugin", "uid": uid, "generation": generation},
        "status": {"observedGeneration": observed},
    }


def revision(name, number, uid="u1"):
    return {"metadata": {"labels": {HASH: name}, "ownerReferences": [{"uid": uid}]}, "revision": number}


def pod(name, ready=True, ending=False, waiting=""):
    metadata = {"labels": {HASH: name}}
    if ending:
        metadata["deletionTimestamp"] = "2026-11-27T22:00:00Z"
    status = {"conditions": [{"type": "Ready", "status": str(ready)}]}
    if waiting:
        status["containerStatuses"] = [{"state": {"waiting": {"reason": waiting}}}]
    return {"metadata": metadata, "status": status}


REVISIONS = [revision("old", 1), revision("new", 2), revision("foreign", 9, uid="u2")]


@pytest.mark.parametrize(
    "seen, pods, said",
    [
        (daemonset(), [pod("new")], ""),
        (daemonset(), [pod("old", ready=False, ending=True), pod("new")], ""),
        (daemonset(generation=3), [pod("new")], "has not seen the present"),
        ({"metadata": {"name": "x", "generation": 1}}, [], "has not seen the present x"),
        ({}, [], "has not seen the present"),
        (daemonset(), [], "is not there"),
        (daemonset(), [pod("new", ending=True)], "is not there"),
        (daemonset(), [pod("old")], "is of an earlier revision"),
        (daemonset(), [pod("new", ready=False)], "is not Ready"),
        (daemonset(), [pod("new", ready=False, waiting="ImagePullBackOff")], "is not Ready (ImagePullBackOff)"),
        (daemonset(uid="u3"), [pod("new")], "has no ControllerRevision"),
    ],
)
def test_the_count_is_believed_only_of_the_present_template(seen, pods, said):
    fault = rollout_fault(seen, REVISIONS, pods)
    assert said in fault and bool(said) is bool(fault)


def test_a_template_that_came_back_is_the_newest_again():
    assert current_revision(daemonset(), [revision("first", 3), revision("second", 2)]) == "first"
    assert current_revision(daemonset(), [revision("nine", 9), revision("ten", 10)]) == "ten"


@given(st.lists(st.sampled_from(["old", "new"])), st.integers(1, 3), st.integers(0, 3), st.booleans())
def test_an_old_pod_alone_never_passes(names, generation, observed, ready):
    seen = daemonset(generation, observed)
    fault = rollout_fault(seen, REVISIONS, [pod(name, ready) for name in names])
    assert (fault == "") is ("new" in names and ready and observed >= generation)
    assert is_observed(seen) is (observed >= generation)
