# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The services as the cutover takes them, from data alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replatform.errors import UsageError
from replatform.outline import service_events

SERVICES = [
    {"name": "store", "group": "data", "kind": "postgres"},
    {"name": "app", "group": "front", "kind": "http"},
    {"name": "api", "group": "back", "kind": "http"},
    {"name": "feed", "group": "back", "kind": "tcp"},
    {"name": "pool", "group": "data", "kind": "pgbouncer"},
    {"name": "spare", "group": "nowhere", "kind": "http"},
]
ANALYSIS = {"interval": 60, "threshold": 3, "step_weights": [5, 25], "max_weight": 100}


def test_groups_give_the_order_and_a_store_has_no_weights():
    events = service_events(["back", "front", "data"], SERVICES, ANALYSIS, {})
    assert [(event["number"], event["service"], event["how"], event["weights"]) for event in events] == [
        (1, "api", "shifted", [5, 25, 100]),
        (2, "feed", "shifted", [5, 25, 100]),
        (3, "app", "shifted", [5, 25, 100]),
        (4, "store", "handed over", []),
        (5, "pool", "follows its store", []),
    ]


def test_a_service_may_differ():
    gate = {"name": "on-call", "type": "approval", "weights": [50]}
    own = {"app": {"step_weights": [50], "gates": [gate, {"name": "check", "type": "command"}]}}
    api, feed, app = service_events(["back", "front"], SERVICES, ANALYSIS, own)
    assert (api["weights"], api["gates"]) == ([5, 25, 100], [])
    assert feed["kind"] == "tcp"
    assert app["weights"] == [50, 100]
    assert app["gates"] == [
        {"gate": "on-call", "type": "approval", "before": [50]},
        {"gate": "check", "type": "command", "before": [50, 100]},
    ]


@given(weights=st.lists(st.integers(0, 150)), most=st.integers(1, 100))
def test_weights_rise_to_the_last(weights, most):
    settings = {"step_weights": weights, "max_weight": most}
    found = service_events(["front"], SERVICES, settings, {})[0]["weights"]
    assert found == sorted(set(found))
    assert found[-1] == most


def test_a_shape_that_cannot_be_read_is_one_line():
    with pytest.raises(UsageError, match="preflight names the fault"):
        service_events(["front"], [{"group": "front"}], ANALYSIS, {})
