from __future__ import annotations

import copy
import json
import pathlib

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.chart.model import Blueprint
from ansible_collections.sophia.replatform.plugins.module_utils.chart.umbrella import umbrella

CHART = pathlib.Path(__file__).parents[3] / "roles" / "platform" / "files" / "chart"
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
LIBRARY = {"Chart.yaml": "name: workload\nversion: 0.1.0\n", "templates/_pod.tpl": "pod"}
PORTS = [{"name": "tcp-80", "port": 80, "protocol": "TCP"}]
VALUES = {
    "stack": "shop",
    "services": {
        "web": {
            "image": "web:1",
            "kind": "Deployment",
            "replicas": 2,
            "ports": PORTS,
            "env": [{"name": "A", "value": "1"}],
        },
        "store": {"image": "store:1", "kind": "StatefulSet", "replicas": 1},
        "other": {"image": "other:1", "kind": "DaemonSet"},
    },
    "configs": {"c": "content"},
}
GROUPS = {"store": "data", "web": "front", "gone": "data"}


@pytest.fixture
def values():
    return copy.deepcopy(VALUES)


@pytest.fixture
def made(values):
    def make(**given):
        blueprint = {"name": "shop", "values": values, "library": LIBRARY, "schema": SCHEMA, "groups": GROUPS, **given}
        return umbrella(Blueprint(**blueprint))

    return make
