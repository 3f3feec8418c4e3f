"""A stack that uses every key of Docker's full example, read from files as docker stack deploy reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.stack import run

HERE = Path(__file__).parent / "full"


@pytest.fixture(scope="module")
def result():
    params = {
        "stack_files": [str(HERE / "stack.yml")],
        "stack": "town",
        "environment": {"OPENED": "1890", "DESKS": "31"},
        "external": {},
        "handed_over": [],
        "live": None,
        "current": None,
        "nodes": [],
        "exclude": [],
        "strict": False,
        "bind_root": "/srv/town",
        "generic_resources": {"NVIDIA-GPU": "nvidia.com/gpu", "SSD": "example.com/ssd"},
        "workload_keys": True,
    }
    found, reason = run.stack_values(params)
    assert reason == ""
    return found


@pytest.fixture
def library(result):
    return result["values"]["services"]["library"]


def test_every_key_is_told(result):
    document = (HERE / "stack.yml").read_text(encoding="utf-8")
    keys = [
        line.strip().rstrip(":") for line in document.splitlines() if line.startswith("    ") and line[4] not in " -#"
    ]
    top = {"library": [key.partition(":")[0] for key in keys[: keys.index("x-room: b") + 1]]}
    told = {row["key"].split(".")[0].split("[")[0] for row in result["verdicts"] if row["service"] == "library"}
    assert set(top["library"]) - told == set()


def test_the_environment(library):
    env = {item["name"]: item["value"] for item in library["env"]}
    assert env == {"SHELVES": "from_the_stack", "LAMPS": "12 ", "DESKS": "31", "OPENED": "1890"}


def test_what_runs(library):
    assert library["image"] == "registry.example.com/library:1"
    assert library["command"] == ["/library", "--verbose"]
    assert library["args"] == ["serve", "--shelves", "12", "two words"]
    assert library["hostname"] == "library"
    assert library["securityContext"] == {
        "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["CHOWN", "SETUID"]},
        "readOnlyRootFilesystem": True,
        "runAsUser": 1001,
        "runAsNonRoot": True,
    }
    assert (library["stdin"], library["tty"], library["workingDir"]) == (True, True, "/library")
    assert library["stopGraceSeconds"] == 25
    assert library["probes"]["liveness"]["exec"]["command"][:2] == ["/bin/sh", "-c"]


def test_how_many_and_where(library):
    assert (library["kind"], library["replicas"]) == ("StatefulSet", 4)
    assert library["resources"]["limits"] == {
        "cpu": "750m",
        "memory": "256Mi",
        "nvidia.com/gpu": 1,
        "example.com/ssd": 2,
    }
    assert library["architectures"] == ["amd64"]
    assert library["topologyKeys"] == ["building"]


def test_the_network(library, result):
    ports = {item["port"]: item.get("published") for item in library["ports"]}
    assert ports[8080] is None and ports[8090] is None
    assert {key: ports[key] for key in (8081, 8082, 8083, 8084)} == {8081: 8100, 8082: 8110, 8083: 8111, 8084: 8120}
    assert {8443, 9443} <= set(ports)
    assert library["aliases"] == ["books", "papers"]
    assert library["networks"] == ["cellar", "reading-room", "stacks"]
    assert result["values"]["networks"]["cellar"] == {"internal": False, "encrypted": False, "external": True}
    assert library["hostAliases"][1] == {"ip": "2001:db8::9", "hostnames": ["scanner"]}


def test_what_is_mounted(library, result):
    mounts = {item["mountPath"]: item for item in library["volumes"]}
    assert mounts["/var/cache/library"]["emptyDir"] == {}
    assert mounts["/books"]["hostPath"] == "/srv/books"
    assert mounts["/posters"] == {**mounts["/posters"], "hostPath": "/srv/town/posters", "readOnly": True}
    assert mounts["/returns"]["claim"]["volume"] == "returns"
    assert mounts["/desk"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "64Ki"}
    assert [item["mountPath"] for item in library["secrets"]] == ["/run/secrets/card", "/run/secrets/vault_key"]
    assert library["secrets"][1]["key"] == "the_key"
    assert [item["mountPath"] for item in library["configs"]] == ["/opening-hours", "/etc/library/catalogue.json"]
    assert result["values"]["configs"]["opening-hours"] == "nine to five\n"
