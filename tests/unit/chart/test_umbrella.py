from __future__ import annotations

import json

import pytest
import yaml
from ansible_collections.sophia.replatform.plugins.module_utils.chart.errors import ChartError

METADATA = {
    "apiVersion": "v2",
    "name": "old",
    "version": "3.0.0",
    "appVersion": "2025.1",
    "keywords": ["a"],
    "dependencies": [{"name": "redis"}, {"name": "data"}],
}


def test_the_files(made):
    files = made().files
    assert sorted(files) == [
        ".helmignore",
        "Chart.yaml",
        *(
            f"charts/data/{name}"
            for name in ("Chart.yaml", "templates/workloads.yaml", "values.schema.json", "values.yaml")
        ),
        *(
            f"charts/front/{name}"
            for name in ("Chart.yaml", "templates/workloads.yaml", "values.schema.json", "values.yaml")
        ),
        "charts/workload/Chart.yaml",
        "charts/workload/templates/_pod.tpl",
        *(
            f"charts/workloads/{name}"
            for name in ("Chart.yaml", "templates/workloads.yaml", "values.schema.json", "values.yaml")
        ),
        "templates/NOTES.txt",
        "templates/shared.yaml",
        "templates/tests/health.yaml",
        "values.schema.json",
        "values.yaml",
    ]
    chart = yaml.safe_load(files["Chart.yaml"])
    assert [item["name"] for item in chart["dependencies"]] == ["workload", "data", "front", "workloads"]
    assert chart["dependencies"][1] == {
        "name": "data",
        "version": "0.1.0",
        "repository": "file://charts/data",
        "condition": "data.enabled",
    }
    assert yaml.safe_load(files["charts/front/Chart.yaml"])["dependencies"][0]["repository"] == "file://../workload"
    assert json.loads(files["values.schema.json"])["additionalProperties"] is False


def test_the_same_input_makes_the_same_chart(made):
    assert made() == made()


def test_the_values_of_the_files_are_those_of_the_release_less_secrets(made, values):
    values["services"]["web"]["env"].append({"name": "TOKEN", "value": "s3cret"})
    chart = made(environments={"live": {"services": {"web": {"env": [{"name": "TOKEN", "value": "s3cret"}]}}}})
    assert chart.values["front"]["services"]["web"]["env"][1]["value"] == "s3cret"
    assert "s3cret" not in "".join(chart.files.values())
    of_front = yaml.safe_load(chart.files["charts/front/values.yaml"])
    assert of_front["services"]["web"]["env"][1]["value"] == "(hidden)"
    whole = yaml.safe_load(chart.files["values.yaml"])
    assert whole["global"] == chart.values["global"]
    assert whole["front"] == {"enabled": True}
    assert yaml.safe_load(chart.files["values-live.yaml"])["front"]["services"]["web"]["env"][0]["value"] == "(hidden)"


def test_the_order_of_services_makes_no_other_release(made, values):
    """Helm gives values back in alphabetical order."""
    listed = [{"name": "web", "port": 80}, {"name": "other", "port": 81}]
    values["services"]["other"]["ports"] = [{"name": "tcp-81", "port": 81, "protocol": "TCP"}]
    before = made(services=listed).values
    values["services"] = dict(reversed(values["services"].items()))
    assert made(services=listed).values == before


def test_the_command_of_the_test(made):
    assert "command" not in made().values["tests"]
    chart = made(test_image="python:3", test_command=["python3", "-c", "pass"])
    assert yaml.safe_load(chart.files["values.yaml"])["tests"]["command"] == ["python3", "-c", "pass"]
    properties = json.loads(chart.files["values.schema.json"])["properties"]["tests"]["properties"]
    assert properties["command"]["$ref"] == "#/definitions/strings"


def test_a_changed_template_is_a_changed_digest_and_changed_values_are_not(made, values):
    digest = made().values["global"]["chartDigest"]
    assert (
        made(library={"Chart.yaml": "version: 0.1.0\n", "templates/_pod.tpl": "other"}).values["global"]["chartDigest"]
        != digest
    )
    values["services"]["web"]["replicas"] = 9
    assert made().values["global"]["chartDigest"] == digest


def test_what_the_inventory_knows(made):
    listed = [{"name": "web", "tier": 1, "port": 80, "path": "/h"}, {"name": "late", "port": 1}]
    chart = made(services=listed, architectures={"store:1": ["arm64"], "web": ["amd64"]})
    assert chart.values["front"]["services"]["web"]["tier"] == "1"
    assert chart.values["front"]["services"]["web"]["architectures"] == ["amd64"]
    assert chart.values["data"]["services"]["store"]["architectures"] == ["arm64"]
    assert chart.values["tests"]["checks"] == [{"service": "web", "port": 80, "path": "/h"}]
    assert chart.absent == ["late"]
    assert "Services of the inventory that the stack does not have: late." in chart.files["MIGRATION.md"]


def test_a_release_gets_what_differs_in_its_environment(made):
    environments = {"live": {"services": {"web": {"replicas": 9}}}, "other": {"services": {"web": {"replicas": 1}}}}
    chart = made(environments=environments, environment="live")
    assert chart.values["front"]["services"]["web"]["replicas"] == 9
    assert chart.values["front"]["services"]["web"]["image"] == "web:1"
    assert yaml.safe_load(chart.files["charts/front/values.yaml"])["services"]["web"]["replicas"] == 2


def test_the_chart_before(made):
    chart = made(metadata=METADATA, existing={"web": {"replicaCount": 4}, "odd": {"services": {"x": 1}}})
    new = yaml.safe_load(chart.files["Chart.yaml"])
    assert (new["name"], new["version"], new["appVersion"], new["keywords"]) == ("shop", "3.0.0", "2025.1", ["a"])
    rows = {row.key: (row.verdict, row.to) for row in chart.rows}
    assert rows["Chart.yaml: version"] == ("carried", "")
    assert rows["Chart.yaml: name"] == ("reported", "")
    assert rows["Chart.yaml: dependencies.redis"] == ("reported", "")
    assert rows["Chart.yaml: dependencies.data"] == ("renamed", "charts/data")
    assert "| `web.replicaCount` | renamed | `front.services.web.replicas` |" in chart.files["MIGRATION.md"]
    # A carried key is no subchart, whatever it looks like.
    assert yaml.safe_load(chart.files["values.yaml"])["odd"] == {"services": {"x": 1}}
    assert "odd" in json.loads(chart.files["values.schema.json"])["properties"]
    assert not any(path.startswith("charts/odd") for path in chart.files)


@pytest.mark.parametrize(
    "given,reason",
    [
        ({"name": "Shop!"}, "name: 'Shop!' is no name of a chart"),
        ({"version": "1.0"}, "version: '1.0' is not a semantic version"),
        ({"values": {"services": {}}}, "values: there is no service in them"),
        ({"environments": {"../x": {}}}, "environments: '../x' can't be part of a file's name"),
        ({"environment": "live"}, "environment: 'live' is none of the environments"),
        ({"library": {}}, "library: it has no Chart.yaml"),
    ],
)
def test_refused(made, given, reason):
    with pytest.raises(ChartError, match=reason.replace("(", r"\(")):
        made(**given)
