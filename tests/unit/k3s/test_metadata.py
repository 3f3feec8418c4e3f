from __future__ import annotations

import json

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.metadata import (
    ANNOTATION,
    node_changes,
    role_faults,
    taint_faults,
)
from hypothesis import given
from hypothesis import strategies as st


def item(labels=None, taints=None, given=None):
    annotations = {ANNOTATION: given if isinstance(given, str) else json.dumps(given)} if given else {}
    return {
        "metadata": {"name": "a", "labels": labels or {}, "annotations": annotations},
        "spec": {"taints": taints or []},
    }


def commands(there, **wanted):
    found = node_changes({"items": [there]}, [{"inventory_hostname": "a", **wanted}])
    assert all(change["name"] == "a" and change["argv"][3] == "a" for change in found)
    return {change["argv"][0]: change["argv"][4:] for change in found}


def note(labels=(), taints=()):
    return [f"{ANNOTATION}={json.dumps({'labels': list(labels), 'taints': list(taints)})}"]


def test_nothing_wanted_nothing_done():
    assert commands(item(labels={"theirs": "x"}, taints=[{"key": "theirs", "effect": "NoExecute"}])) == {}


def test_only_labels_that_differ_are_changed_and_all_are_noted():
    there = item(labels={"gpu-type": "A10", "zone": "old", "theirs": "x"})
    done = commands(there, k3s_node_labels={"gpu-type": "A10", "zone": "new", "rank": 1})
    assert done == {"label": ["rank=1", "zone=new"], "annotate": note(["gpu-type", "rank", "zone"])}


def test_what_leaves_the_inventory_leaves_the_node():
    there = item(labels={"zone": "x", "theirs": "x"}, given={"labels": ["zone", "gone"]})
    assert commands(there) == {"label": ["zone-"], "annotate": note()}


def test_roles_are_labels_that_the_api_gives():
    done = commands(item(), k3s_node_roles=["worker"])
    assert done["label"] == ["node-role.kubernetes.io/worker=true"]


def test_taints_are_given_changed_and_taken():
    there = item(
        taints=[
            {"key": "gpu", "value": "old", "effect": "NoSchedule"},
            {"key": "gone", "effect": "NoExecute"},
            {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"},
        ],
        given={"taints": ["gone:NoExecute", "gpu:NoSchedule"]},
    )
    done = commands(there, k3s_node_taints=["gpu=new:NoSchedule", "bare:PreferNoSchedule"])
    assert done["taint"] == ["bare:PreferNoSchedule", "gpu=new:NoSchedule", "gone:NoExecute-"]
    assert done["annotate"] == note(taints=["bare:PreferNoSchedule", "gpu:NoSchedule"])


def test_a_note_that_is_no_note_counts_as_none():
    assert commands(item(labels={"a": "b"}, given="{")) == {}


def test_a_node_that_has_not_joined_gets_nothing():
    assert node_changes({"items": []}, [{"inventory_hostname": "a", "k3s_node_labels": {"x": "y"}}]) == []


names = st.sampled_from(["a", "b/c", "d"])


@given(
    st.dictionaries(names, st.sampled_from("xy")),
    st.dictionaries(names, st.sampled_from("xy")),
    st.dictionaries(names, st.sampled_from("xy")),
)
def test_after_the_commands_there_is_nothing_left_to_do(there, before, after):
    def apply(labels, arguments):
        for argument in arguments:
            key, _equals, value = argument.partition("=")
            if argument.endswith("-"):
                del labels[argument[:-1]]
            else:
                labels[key] = value

    state, given_before = dict(there), None
    for wanted in (before, after):
        done = commands(item(labels=state, given=given_before), k3s_node_labels=wanted)
        apply(state, done.get("label", []))
        given_before = done["annotate"][0].split("=", 1)[1] if "annotate" in done else given_before
        assert commands(item(labels=state, given=given_before), k3s_node_labels=wanted) == {}
    assert {key: state[key] for key in after} == after
    assert all(key in after or key in there for key in state)


@pytest.mark.parametrize("taint", ["gpu=true:NoSchedule", "gpu:NoExecute", "example.org/gpu=a10:PreferNoSchedule"])
def test_taints_as_kubernetes_writes_them(taint):
    assert taint_faults([taint], "x") == []


@pytest.mark.parametrize("taint", ["gpu", "gpu=true", "gpu=true:Never", "=x:NoSchedule", "a b:NoSchedule", 7])
def test_what_is_no_taint_is_refused(taint):
    (line,) = taint_faults([taint], "k3s_node_taints")
    assert f"'{taint}' is not a taint such as" in line


def test_roles_that_are_refused():
    assert role_faults(["worker", "gpu"], "x") == []
    assert "given by K3s itself" in role_faults(["control-plane"], "x")[0]
    assert "not the name of a role" in role_faults(["Gpu Node"], "x")[0]
    assert role_faults("worker", "x") == ["x: a list of roles is wanted, not str"]
    assert taint_faults({"gpu": "true"}, "x") == ["x: a list of taints is wanted, not dict"]
