from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.versions import parse, running, version_faults
from hypothesis import given
from hypothesis import strategies as st


def node(name, version, server=True):
    return {"name": name, "version": version, "server": server}


FLEET = [node("a", "v1.35.6+k3s1"), node("b", "v1.35.6+k3s1", server=False)]


def test_releases_stand_in_order():
    texts = [
        "v1.34.9+k3s1",
        "v1.35.6-rc1+k3s1",
        "v1.35.6-rc2+k3s1",
        "v1.35.6+k3s1",
        "v1.35.6+k3s2",
        "v1.35.10+k3s1",
        "v1.36.0+k3s1",
    ]
    assert sorted(texts, key=parse) == texts


@pytest.mark.parametrize("wanted", ["v1.35.6+k3s1", "v1.35.7+k3s1", "v1.36.0+k3s1"])
def test_the_next_minor_is_as_far_as_it_goes(wanted):
    assert version_faults(FLEET, wanted) == []


@pytest.mark.parametrize(
    "wanted, said",
    [
        ("v1.37.0+k3s1", "skips a minor: go to a release of v1.36 first"),
        ("v1.35.5+k3s1", "going back to v1.35.5+k3s1 is not supported"),
        ("v2.0.0+k3s1", "skips a minor"),
    ],
)
def test_a_step_too_far_or_back_names_every_node(wanted, said):
    lines = version_faults(FLEET, wanted)
    assert [line.split()[0] for line in lines] == ["a", "b"]
    assert all(said in line for line in lines)


@pytest.mark.parametrize("wanted", ["latest", "1.35.6", "v1.35.6", "", None])
def test_what_is_no_release(wanted):
    (line,) = version_faults(FLEET, wanted)
    assert line.startswith("k3s_version: ")


def test_a_node_that_runs_something_else_is_named():
    (line,) = version_faults([node("a", "v1.35.6")], "v1.35.6+k3s1")
    assert "a runs 'v1.35.6', which is not a release of K3s" in line


@pytest.mark.parametrize(
    "wanted, node_role, said",
    [
        ("v1.36.0+k3s1", "agent", "servers first"),
        ("v1.31.0+k3s1", "agent", "more than 3 minors ahead"),
        ("v1.32.0+k3s1", "agent", None),
        ("v1.36.0+k3s1", "server", None),
        ("v1.37.0+k3s1", "server", "beside a with v1.35.6+k3s1"),
        ("v1.33.0+k3s1", "server", "beside a with v1.35.6+k3s1"),
    ],
)
def test_a_new_node_beside_its_servers(wanted, node_role, said):
    lines = version_faults(FLEET, wanted, "c", node_role)
    assert (said is None and lines == []) or (len(lines) == 1 and said in lines[0])


def test_one_node_is_asked_about_alone():
    fleet = [node("a", "v1.36.0+k3s1"), node("b", "v1.34.0+k3s1"), node("c", "v1.35.0+k3s1")]
    assert version_faults(fleet, "v1.35.1+k3s1", "c", "server") == []
    assert len(version_faults(fleet, "v1.35.1+k3s1")) == 1


def test_a_node_is_held_against_what_its_servers_will_run_by_then():
    ahead = [{"name": "a", "version": "v1.36.0+k3s1"}, {"name": "new", "version": "v1.36.0+k3s1"}]
    assert version_faults(FLEET, "v1.36.0+k3s1", "b", "agent", ahead) == []
    (line,) = version_faults(FLEET, "v1.36.0+k3s1", "b", "agent", [])
    assert line == "b can't run v1.36.0+k3s1: its server a runs v1.35.6+k3s1; servers first"


def test_one_server_that_is_left_out_still_counts():
    fleet = [*FLEET, node("c", "v1.35.6+k3s1")]
    (line,) = version_faults(fleet, "v1.36.0+k3s1", "b", "agent", [{"name": "a", "version": "v1.36.0+k3s1"}])
    assert "its server c runs v1.35.6+k3s1" in line


@given(st.tuples(st.integers(20, 40), st.integers(0, 9)), st.tuples(st.integers(20, 40), st.integers(0, 9)))
def test_a_step_is_allowed_exactly_when_it_goes_up_by_one_minor_at_most(present, wanted):
    text = "v1.{}.{}+k3s1"
    faults = version_faults([node("a", text.format(*present))], text.format(*wanted))
    assert (faults == []) == (wanted >= present and wanted[0] - present[0] <= 1)


def test_what_runs_is_what_the_kubelet_says():
    item = {
        "metadata": {"name": "a", "labels": {"node-role.kubernetes.io/control-plane": "true"}},
        "status": {"nodeInfo": {"kubeletVersion": "v1.35.6+k3s1"}},
    }
    bare = {"metadata": {"name": "b"}}
    assert running({"items": [item, bare]}) == [node("a", "v1.35.6+k3s1"), node("b", None, server=False)]
