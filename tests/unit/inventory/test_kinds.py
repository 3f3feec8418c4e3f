"""Each inventory leads a service to the roles that its kind is for."""

from __future__ import annotations

import pathlib

import pytest
import yaml
from jinja2.nativetypes import NativeEnvironment

INVENTORIES = pathlib.Path(__file__).parents[3] / "inventories"
SERVICES = [{"name": kind, "kind": kind} for kind in ("http", "tcp", "postgres", "pgbouncer", "redis", "files")]
LED = {
    "edge_services": ["http", "tcp"],
    "prober_services": ["http"],
    "platform_external": ["postgres", "pgbouncer", "redis", "files"],
}
TEMPLATES = NativeEnvironment()
TEMPLATES.filters["combine"] = lambda one, other: {**one, **other}  # Ansible's


@pytest.mark.parametrize("name", ["lab", "development", "staging", "production", "two-nodes"])
def test_services_by_kind(name):
    settings: dict[str, str] = {}
    for path in (INVENTORIES / name / "group_vars/all").glob("*.yml"):
        settings.update(yaml.safe_load(path.read_text()) or {})
    known = {"replatform_services": SERVICES}
    for variable in LED:
        known[variable] = list(TEMPLATES.from_string(settings[variable]).render(**known))
    found = {variable: [one["name"] if isinstance(one, dict) else one for one in known[variable]] for variable in LED}
    assert found == LED
