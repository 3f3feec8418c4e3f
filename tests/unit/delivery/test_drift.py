# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import copy

import pytest
from ansible_collections.sophia.replatform.plugins.filter.delivery import delivery_objects
from ansible_collections.sophia.replatform.plugins.module_utils.delivery.drift import drift, kinds
from hypothesis import given as examples
from hypothesis import strategies as st


def deployment(**more):
    container = {
        "name": "web",
        "image": "web:1",
        "env": [{"name": "A", "value": "1"}],
        "ports": [{"containerPort": 80}],
        "resources": {"limits": {"cpu": "1000m", "memory": "1Gi"}},
        **more,
    }
    spec = {"replicas": 2, "template": {"spec": {"containers": [container], "nodeSelector": {"disk": "fast"}}}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def live(one):
    """An object as a cluster completes it."""
    one = copy.deepcopy(one)
    one["metadata"].update(namespace="shop", uid="1", annotations={"meta.helm.sh/release-name": "shop"})
    one["status"] = {"readyReplicas": 2}
    if one["kind"] == "Deployment":
        one["spec"]["revisionHistoryLimit"] = 10
        (container,) = one["spec"]["template"]["spec"]["containers"]
        container["imagePullPolicy"] = "IfNotPresent"
        container["ports"][0]["protocol"] = "TCP"
        container["resources"]["limits"]["cpu"] = "1"
    return one


SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"a": "hidden"}}
WEB = "spec.template.spec.containers[web]"


def test_what_a_cluster_adds_is_no_drift():
    stored = {**SECRET, "data": {"a": "aGlkZGVu"}}
    del stored["stringData"]
    objects = [deployment(), SECRET]
    assert drift(objects, objects, [live(deployment()), live(stored)], "shop") == []


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda one: one["spec"].update(replicas=5), "spec.replicas is 2 in the release, 5 in the cluster"),
        (
            lambda one: one["spec"]["template"]["spec"]["containers"][0].update(image="web:2"),
            f"{WEB}.image is web:1 in the release, web:2 in the cluster",
        ),
        (
            lambda one: one["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": "B", "value": "2"}),
            f"{WEB}.env[B] is nothing in the release, {{'name': 'B', 'value': '2'}} in the cluster",
        ),
        (
            lambda one: one["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"].update(memory="2Gi"),
            f"{WEB}.resources.limits.memory is 1Gi in the release, 2Gi in the cluster",
        ),
        (
            lambda one: one["spec"]["template"]["spec"]["nodeSelector"].update(zone="a"),
            "spec.template.spec.nodeSelector.zone is nothing in the release, a in the cluster",
        ),
        (
            lambda one: one["spec"]["template"]["spec"].pop("nodeSelector"),
            "spec.template.spec.nodeSelector is {'disk': 'fast'} in the release, nothing in the cluster",
        ),
    ],
)
def test_what_somebody_changed_in_the_cluster(change, said):
    changed = live(deployment())
    change(changed)
    assert drift([deployment()], [deployment()], [changed], "shop") == [f"Deployment shop/web: {said}"]


def test_git_and_the_release_are_equal_in_everything():
    ours = deployment(args=["x"])
    assert drift([ours], [deployment()], [live(deployment())], "shop") == [
        f"Deployment shop/web: {WEB}.args is ['x'] in Git, nothing in the release"
    ]


def test_objects_that_are_in_one_place_alone():
    assert drift([SECRET], [deployment()], [], "shop") == [
        "Deployment shop/web is in the release and not in Git",
        "Secret shop/key is in Git and not in the release",
        "Deployment shop/web is in the release and not in the cluster",
    ]


def test_hooks_are_no_part_of_a_release():
    hook = {**SECRET, "metadata": {"name": "hook", "annotations": {"helm.sh/hook": "pre-install"}}}
    assert drift([hook], [], [], "shop") == []


def test_what_a_secret_holds_is_never_told():
    other = {**SECRET, "stringData": {"a": "other"}}
    (line,) = drift([SECRET], [other], [{**SECRET, "stringData": {"a": "other"}}], "shop")
    assert line == "Secret shop/key: data.a is another value in Git, another value in the release"


def test_objects_of_the_whole_cluster_have_no_namespace():
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "x"}}
    assert drift([role], [], [], "shop") == ["ClusterRole x is in Git and not in the release"]


def test_each_kind_is_listed_once_a_namespace():
    objects = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "b", "namespace": "shop"}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "other"}},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "namespace": "shop"}},
    ]
    assert kinds(objects, "shop") == [
        {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop"},
        {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "other"},
        {"apiVersion": "v1", "kind": "Namespace", "namespace": ""},
    ]


def test_the_objects_of_a_manifest():
    assert delivery_objects("---\n---\nkind: A\n---\nkind: List\nitems: [{kind: B}, {kind: C}]\n") == [
        {"kind": "A"},
        {"kind": "B"},
        {"kind": "C"},
    ]


SCALARS = st.booleans() | st.integers(-5, 5) | st.text("ab1m", max_size=3)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "name", "data"]), inner, max_size=3)
    ),
)


@examples(TREES)
def test_a_thing_does_not_differ_from_itself(tree):
    one = {"kind": "Thing", "metadata": {"name": "x"}, "spec": tree}
    assert drift([one], [one], [copy.deepcopy(one)], "shop") == []


@examples(TREES, TREES)
def test_git_differs_from_the_release_the_same_way_both_ways_round(left, right):
    one, other = ({"kind": "Thing", "metadata": {"name": "x"}, "spec": tree} for tree in (left, right))
    assert bool(drift([one], [other], [other], "shop")) == bool(drift([other], [one], [one], "shop"))
