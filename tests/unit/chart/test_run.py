from __future__ import annotations

import pytest
import yaml
from ansible_collections.sophia.replatform.plugins.module_utils.chart import run
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.modules import umbrella_chart as module

from .conftest import CHART, VALUES

DEFAULTS = {name: item.get("default") for name, item in yaml.safe_load(module.DOCUMENTATION)["options"].items()}


@pytest.fixture
def chart(tmp_path):
    def make(check_mode=False, **given):
        params = {**DEFAULTS, "path": str(tmp_path / "chart"), "source": str(CHART), "name": "shop", "values": VALUES}
        return run.umbrella_chart({**params, **given}, check_mode)

    return make


def test_written_once(chart, tmp_path):
    looked = chart(check_mode=True)
    assert looked["changed"] and not (tmp_path / "chart").exists()
    first = chart()
    assert first["changed"] and first["diff"] == looked["diff"]
    assert sorted(first["files"]) == sorted(
        str(path.relative_to(tmp_path / "chart"))
        for path in (tmp_path / "chart").rglob("*")
        if path.is_file() and path.name != ".umbrella-chart.json"
    )
    again = chart()
    assert not again["changed"] and again["diff"] == []


def test_groups_are_named_as_the_inventory_says(chart):
    services = [{"name": "web", "group": "front"}, {"name": "store", "group": "data"}]
    result = chart(services=services, chart_names={"front": "frontend"})
    assert list(result["values"]) == ["global", "frontend", "data", "workloads", "tests"]


def test_no_secret_is_in_what_may_be_shown(chart):
    values = {"services": {"web": {**VALUES["services"]["web"], "env": [{"name": "API_KEY", "value": "s3cret"}]}}}
    result = chart(values=values)
    assert "s3cret" in repr(result.pop("values"))
    assert "s3cret" not in repr(result)


def test_values_files_are_merged_as_helm_merges_them(chart, tmp_path):
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text("web: {replicaCount: 3, tier: a}", encoding="utf-8")
    two.write_text("web: {replicaCount: 4}\nother: null\n", encoding="utf-8")
    result = chart(existing_values=[str(one), str(two)])
    web = result["values"]["workloads"]["services"]["web"]
    assert (web["replicas"], web["tier"]) == (4, "a")
    assert result["summary"] == {"renamed": 2, "carried": 1, "reported": 0}
    assert "2 renamed, 1 carried, 0 reported." in result["markdown"]


@pytest.mark.parametrize(
    "given,reason",
    [
        ({"existing_values": ["/none/values.yaml"]}, "/none/values.yaml: can't be read: No such file"),
        ({"existing_metadata": "/none/Chart.yaml"}, "/none/Chart.yaml: can't be read"),
        ({"source": "/none"}, "/none/values.schema.json: can't be read"),
        ({"services": [{"group": "a"}]}, "services[0]: 'name' is missing"),
    ],
)
def test_refused_before_anything_is_written(chart, tmp_path, given, reason):
    with pytest.raises(ReplatformError) as raised:
        chart(**given)
    assert reason in str(raised.value)
    assert not (tmp_path / "chart").exists()


def test_a_list_is_no_values_file(chart, tmp_path):
    (tmp_path / "list.yaml").write_text("[1]", encoding="utf-8")
    with pytest.raises(ReplatformError, match="a mapping is wanted"):
        chart(existing_values=[str(tmp_path / "list.yaml")])
