from __future__ import annotations

import copy

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.chart.errors import ChartError
from ansible_collections.sophia.replatform.plugins.module_utils.chart.split import overrides, places, split
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True).filter(
    lambda name: name not in ("global", "services", "tests", "workload")
)


@given(st.dictionaries(NAMES, st.integers()), st.dictionaries(NAMES, NAMES), st.dictionaries(NAMES, st.integers()))
def test_every_service_is_in_one_part_and_everything_else_is_shared(services, groups, shared):
    values = {**shared, "services": {name: {"x": number} for name, number in services.items()}}
    before = copy.deepcopy(values)
    parts = split(values, groups)
    assert values == before
    found = {
        name: (part, service)
        for part, content in parts.items()
        if part != "global"
        for name, service in content["services"].items()
    }
    assert found == {name: (groups.get(name, "workloads"), {"x": number}) for name, number in services.items()}
    assert places(parts) == {name: part for name, (part, _service) in found.items()}
    assert shared.items() <= parts["global"].items()


def test_parts_stand_in_the_order_of_the_groups(values):
    parts = split(values, {"store": "data", "web": "front"})
    assert list(parts) == ["global", "data", "front", "workloads"]
    assert parts["global"]["networkPolicy"] == {"enabled": True}
    assert parts["data"]["enabled"] is True


def test_what_is_given_wins_over_defaults(values):
    assert split({**values, "networkPolicy": {"enabled": False}}, {})["global"]["networkPolicy"] == {"enabled": False}


@pytest.mark.parametrize("name", ["global", "services", "tests", "workload", "Front", "front_end", "-x", ""])
def test_a_name_that_no_subchart_can_have(values, name):
    with pytest.raises(ChartError, match="of service web: a subchart can't have this name"):
        split(values, {"web": name})


def test_an_environment_is_split_by_the_same_places():
    given = {"imagePullPolicy": "Always", "services": {"web": {"replicas": 9}}}
    assert overrides(given, {"web": "front"}, "staging") == {
        "global": {"imagePullPolicy": "Always"},
        "front": {"services": {"web": {"replicas": 9}}},
    }
    assert overrides({}, {}, "staging") == {}
    with pytest.raises(ChartError, match="environment staging: no service wbe is in the stack"):
        overrides({"services": {"wbe": {}}}, {"web": "front"}, "staging")
