"""Which budgets a pod is under."""

from __future__ import annotations

import kube_raw as raw
import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.rolling.budgets import budgets_of, described

POD = raw.pod("web", labels={"app": "web", "tier": "front"})


def under(**spec):
    found = raw.budget("b", {})
    found["spec"] = {"selector": spec}
    return bool(budgets_of(POD, [found]))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [({"app": "web"}, True), ({"app": "web", "tier": "front"}, True), ({"app": "db"}, False), ({"zone": "a"}, False)],
)
def test_labels(labels, expected):
    assert under(matchLabels=labels) is expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"key": "app", "operator": "In", "values": ["web", "db"]}, True),
        ({"key": "app", "operator": "In", "values": ["db"]}, False),
        ({"key": "zone", "operator": "In", "values": ["a"]}, False),
        ({"key": "app", "operator": "NotIn", "values": ["web"]}, False),
        ({"key": "zone", "operator": "NotIn", "values": ["a"]}, True),
        ({"key": "app", "operator": "Exists"}, True),
        ({"key": "zone", "operator": "Exists"}, False),
        ({"key": "zone", "operator": "DoesNotExist"}, True),
        ({"key": "app", "operator": "DoesNotExist"}, False),
        ({"key": "app", "operator": "Unheard"}, False),
    ],
)
def test_expressions(rule, expected):
    assert under(matchExpressions=[rule]) is expected
    assert not under(matchLabels={"app": "db"}, matchExpressions=[rule])


@pytest.mark.parametrize(("version", "expected"), [("policy/v1", True), ("policy/v1beta1", False)])
def test_an_empty_selector_changed_its_meaning(version, expected):
    assert bool(budgets_of(POD, [raw.budget("b", {}, version=version)])) is expected
    assert not budgets_of(POD, [raw.budget("b", None, version=version)])


def test_another_namespace_is_none_of_its_business():
    assert not budgets_of(POD, [raw.budget("b", {"app": "web"}, namespace="other")])


def test_the_figures():
    assert described(raw.budget("web", {}, 1)) == "budget web (disruptions allowed: 1; 2 of at least 1 pods healthy)"
    assert "allowed: 0" in described({"metadata": {"name": "new"}})
