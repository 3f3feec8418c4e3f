"""A node on which nothing is left to do is told from one on which anything is."""

from __future__ import annotations

import copy
import hashlib

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.host import keys_of, server_of
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.settled import differing, unsettled

UP = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled", "NeedDaemonReload": "no"}
CONFIG = {"path": "/etc/rancher/k3s/config.yaml", "content": "node-name: a\n", "mode": "0600"}
CONFIG_SHA1 = hashlib.sha1(b"node-name: a\n", usedforsecurity=False).hexdigest()
WANTED = {
    "unit": "k3s",
    "texts": [CONFIG],
    "files": {
        "/usr/local/bin/k3s": {"sha256": "b" * 64, "mode": "0755"},
        "/etc/rancher/k3s/token": {"mode": "0600"},
    },
    "absent": ["/etc/rancher/k3s/config.yaml.d/replatform-registration.yaml"],
    "tools": ["kubectl", "ctr"],
    "table": "mark-1",
    "table_unit": "firewall.service",
    "newer": [["/usr/local/bin/k3s", "/etc/rancher/k3s/token"]],
}


def file(mode: str, sha1: str = "a" * 40, sha256: str = "a" * 64, mtime: float = 5.0) -> dict:
    return {"sha1": sha1, "sha256": sha256, "mode": mode, "uid": 0, "gid": 0, "mtime": mtime}


@pytest.fixture
def seen() -> dict:
    return copy.deepcopy(
        {
            "units": {"k3s.service": dict(UP), "firewall.service": dict(UP)},
            "files": {
                "/usr/local/bin/k3s": file("0755", sha256="b" * 64),
                "/etc/rancher/k3s/config.yaml": file("0600", sha1=CONFIG_SHA1),
                "/etc/rancher/k3s/token": file("0600"),
            },
            "found": [],
            "tools": ["ctr", "kubectl"],
            "table": 'ct state established accept comment "mark-1"',
        }
    )


def test_nothing_is_left_to_do(seen):
    assert unsettled(seen, WANTED) == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda s: s["units"]["k3s.service"].update(ActiveState="failed"), "k3s.service: ActiveState is failed"),
        (
            lambda s: s["units"]["k3s.service"].update(UnitFileState="disabled"),
            "k3s.service: UnitFileState is disabled",
        ),
        (lambda s: s["units"]["k3s.service"].update(NeedDaemonReload="yes"), "k3s.service: NeedDaemonReload is yes"),
        (
            lambda s: s["units"]["firewall.service"].update(ActiveState="inactive"),
            "firewall.service: ActiveState is inactive",
        ),
        (lambda s: s["files"].pop("/etc/rancher/k3s/token"), "/etc/rancher/k3s/token is missing"),
        (lambda s: s["files"]["/usr/local/bin/k3s"].update(sha256="0" * 64), "/usr/local/bin/k3s differs"),
        (
            lambda s: s["files"]["/etc/rancher/k3s/config.yaml"].update(sha1="0" * 40),
            "/etc/rancher/k3s/config.yaml differs",
        ),
        (
            lambda s: s["files"]["/etc/rancher/k3s/token"].update(mode="0644"),
            "/etc/rancher/k3s/token has mode 0644 and owner 0:0",
        ),
        (
            lambda s: s["files"]["/etc/rancher/k3s/token"].update(uid=1000),
            "/etc/rancher/k3s/token has mode 0600 and owner 1000:0",
        ),
        (
            lambda s: s["files"].update({WANTED["absent"][0]: file("0600")}),
            "/etc/rancher/k3s/config.yaml.d/replatform-registration.yaml is there",
        ),
        (lambda s: s["found"].append("/var/lib/rancher/k3s/release-x"), "/var/lib/rancher/k3s/release-x is there"),
        (lambda s: s["tools"].remove("kubectl"), "kubectl is missing"),
        (lambda s: s.update(table=""), "another table is loaded"),
        (
            lambda s: s["files"]["/usr/local/bin/k3s"].update(mtime=4.0),
            "/usr/local/bin/k3s is older than /etc/rancher/k3s/token",
        ),
    ],
)
def test_each_thing_that_is_left_is_named(seen, change, line):
    change(seen)
    assert unsettled(seen, WANTED) == [line]


def test_a_host_without_a_table_is_not_asked_for_one(seen):
    seen["table"], seen["units"]["firewall.service"] = "", {}
    assert unsettled(seen, {**WANTED, "table": ""}) == []


@pytest.mark.parametrize(
    ("config", "server"),
    [
        ("server: https://192.0.2.1:6443\nnode-name: a\n", "https://192.0.2.1:6443"),
        ("node-name: a\nserver: 'https://192.0.2.1:6443'\n", "https://192.0.2.1:6443"),
        ("node-name: server\n# server: https://192.0.2.1:6443\n", None),
        ("", None),
    ],
)
def test_the_server_that_a_node_has_joined(config, server):
    assert server_of(config) == server


def test_a_text_differs_when_its_content_does_or_it_is_missing(seen):
    registries = {"path": "/etc/rancher/k3s/registries.yaml", "secret": "{}\n", "mode": "0600"}
    assert differing(seen["files"], [CONFIG]) == []
    assert differing(seen["files"], [{**CONFIG, "content": "x"}, registries]) == [CONFIG["path"], registries["path"]]


def test_the_keys_of_a_configuration_are_told_and_not_what_they_hold():
    text = (
        'node-label:\n- a=b\n- c: d\n"datastore-endpoint": postgres://u:p@h/db\nserver : x\n# token: t\n  nested: y\n'
    )
    assert keys_of(text) == ["node-label", "datastore-endpoint", "server"]
    assert keys_of("") == []
