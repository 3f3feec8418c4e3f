"""What the role platform renders for secrets, against the schemas of those who read it."""

from __future__ import annotations

import json
import pathlib

import jsonschema
import kubernetes_validate
import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.sophia.replatform.plugins.module_utils.stack.context import dns_name

TEMPLATES = pathlib.Path(__file__).parents[3] / "roles/platform/templates"
SCHEMA = json.loads((pathlib.Path(__file__).parent / "external_secrets.schema.json").read_text())
PULUMI = {"organization": "shop-org", "project": "shop", "environment": "production", "token_secret": "pulumi"}


def render(template, **variables):
    text = trust_as_template((TEMPLATES / template).read_text())
    templar = Templar(loader=DataLoader(), variables={"platform_namespace": "shop", **variables})
    return [one for one in yaml.safe_load_all(templar.template(text)) if one]


def external(secrets, **more):
    return render("external_secrets.yml.j2", platform_external_secrets={**PULUMI, "secrets": secrets, **more})


def test_a_store_and_a_secret_each_as_the_operator_reads_them():
    store, key, password = external({"postgres_password": "data.postgres.password", "Api.Key": 'data["api key"]'})
    for one in (store, key, password):
        jsonschema.validate(one, SCHEMA)
    assert store["spec"]["provider"]["pulumi"] == {
        "organization": "shop-org",
        "project": "shop",
        "environment": "production",
        "accessToken": {"secretRef": {"name": "pulumi", "key": "token"}},
    }
    assert password["spec"]["target"]["name"] == "postgres-password"
    (item,) = password["spec"]["data"]
    assert item == {"secretKey": "postgres_password", "remoteRef": {"key": "data.postgres.password"}}
    assert key["metadata"]["name"] == "api-key"
    assert key["spec"]["data"][0]["remoteRef"]["key"] == 'data["api key"]'


def test_its_settings_are_taken():
    store, one = external({"a": "b"}, api_url="https://esc.example.com", refresh_interval="5m", token_key="it")
    jsonschema.validate(store, SCHEMA)
    assert store["spec"]["provider"]["pulumi"]["apiUrl"] == "https://esc.example.com"
    assert store["spec"]["provider"]["pulumi"]["accessToken"]["secretRef"]["key"] == "it"
    assert one["spec"]["refreshInterval"] == "5m"


def test_names_are_those_that_the_chart_mounts():
    for name in ("postgres_password", "Api.Key", "a" * 64, "x__y..Z"):
        _store, one = external({name: "path"})
        assert one["spec"]["target"]["name"] == one["metadata"]["name"] == dns_name(name)


def test_the_schema_refuses_what_the_operator_would():
    store, _one = external({"a": "b"})
    store["spec"]["provider"]["pulumi"]["organisation"] = "typo"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(store, SCHEMA)


@pytest.mark.parametrize("version", ["1.29", "1.37"])
def test_the_rights_of_the_copying_are_for_one_namespace(version):
    account, role, binding = render("secret_copy.yml.j2")
    for one in (account, role, binding):
        kubernetes_validate.validate(one, version, strict=True)
        assert one["metadata"]["namespace"] == "shop"
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["secrets", "configmaps"], "verbs": ["get", "create", "patch"]}
    ]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "secret-copy", "namespace": "shop"}]
