# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PodDisruptionBudgets: which of them a pod is under, and what they allow. Pure.

The API server says no to an eviction without a word about which budget forbade it, so that is worked out here.
"""

from __future__ import annotations

import typing as t

Raw = t.Mapping[str, t.Any]


def budgets_of(pod: Raw, budgets: t.Iterable[Raw]) -> list[Raw]:
    """The budgets that the pod is under, by name."""
    found = [
        budget
        for budget in budgets
        if budget["metadata"]["namespace"] == pod["metadata"]["namespace"]
        and _selects(budget, pod["metadata"].get("labels") or {})
    ]
    return sorted(found, key=lambda budget: str(budget["metadata"]["name"]))


def allowed(budget: Raw) -> int:
    """How many of its pods may be evicted now, as far as the budget's controller knows."""
    return int(budget.get("status", {}).get("disruptionsAllowed") or 0)


def described(budget: Raw) -> str:
    """The budget and its figures, for a person."""
    status = budget.get("status", {})
    healthy = f"{status.get('currentHealthy', 0)} of at least {status.get('desiredHealthy', 0)} pods healthy"
    return f"budget {budget['metadata']['name']} (disruptions allowed: {allowed(budget)}; {healthy})"


def _selects(budget: Raw, labels: Raw) -> bool:
    selector = budget.get("spec", {}).get("selector")
    if selector is None:
        return False
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        # An empty selector was nobody in policy/v1beta1, and is everybody in the namespace since policy/v1.
        return bool(budget.get("apiVersion") != "policy/v1beta1")
    by_label = all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return by_label and all(_matches(rule, labels) for rule in selector.get("matchExpressions") or [])


def _matches(rule: Raw, labels: Raw) -> bool:
    there = rule["key"] in labels
    named = there and labels[rule["key"]] in (rule.get("values") or [])
    return {"In": named, "NotIn": not named, "Exists": there, "DoesNotExist": not there}.get(rule["operator"], False)
