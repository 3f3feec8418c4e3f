from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.stack.convert import convert
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from ansible_collections.sophia.replatform.plugins.module_utils.stack.load import load_stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Options
from hypothesis import given
from hypothesis import strategies as st


def refused(text, options=None):
    stack = load_stack({"s.yml": text}, {}, "shop", lambda file: "x")
    return [(v.service, v.key, v.note) for v in convert(stack, options or Options()).verdicts if v.verdict == "refused"]


INGRESS = {"target": 80, "published": 8080}
HOST = {**INGRESS, "mode": "host"}


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        (INGRESS, INGRESS, True),
        (INGRESS, HOST, True),
        (HOST, INGRESS, True),
        (HOST, HOST, False),
        (INGRESS, {**INGRESS, "protocol": "udp"}, False),
        (INGRESS, {**INGRESS, "published": 8081}, False),
        (INGRESS, {"target": 80}, False),
    ],
)
def test_a_published_port_is_one_services(first, second, clash):
    found = refused(
        f"services: {{a: {{image: x, ports: [{first}]}}, b: {{image: y, ports: [{second}]}}}}".replace("'", "")
    )
    assert bool(found) is clash
    assert not clash or (found[0][0], found[0][1]) == ("b", "ports[80/tcp]")
    assert not clash or "'a'" in found[0][2]


def test_a_port_is_published_once():
    assert "twice" in refused("services: {a: {image: x, ports: ['8080:80', '8080:81']}}")[0][2]


def test_an_alias_is_one_services():
    text = """
services:
  a: {image: x, networks: {n: {aliases: [db]}}}
  b: {image: x, networks: {n: {aliases: [db, a]}}}
networks: {n: }
"""
    assert [note for _service, _key, note in refused(text)] == [
        "the name 'db' is that of the service 'a' too; a cluster has it once",
        "the name 'a' is that of the service 'a' too; a cluster has it once",
    ]


def test_two_mounts_at_one_path():
    found = refused("services: {a: {image: x, volumes: ['/a:/d', '/b:/d/']}}")
    assert found[0][2] == "/d is mounted twice; mount one thing there"


@pytest.mark.parametrize("section", ["volumes", "networks"])
def test_names_that_are_one_in_kubernetes(section):
    found = refused(f"services: {{a: {{image: x}}}}\n{section}: {{Data_1: , data-1: }}")
    assert found == [
        ("(stack)", f"{section}.data-1", "'data-1' and 'Data_1' are both data-1 in Kubernetes; rename one")
    ]


@pytest.mark.parametrize("name", ["host", "bridge", "none"])
def test_the_networks_of_the_node_are_refused(name):
    text = f"services: {{a: {{image: x, networks: [n]}}}}\nnetworks: {{n: {{external: true, name: {name}}}}}"
    assert refused(text)[0][1] == "networks.n"


def test_a_network_must_be_declared():
    with pytest.raises(StackError, match="network 'n' is not under 'networks'"):
        refused("services: {a: {image: x, networks: [n]}}")


@pytest.mark.parametrize(
    "mount", ["{type: cluster, source: group:a, target: /d}", "{type: npipe, target: /d}", "'/{{.Node.ID}}:/d'"]
)
def test_mounts_that_are_elsewhere_are_refused(mount):
    assert refused(f"services: {{a: {{image: x, volumes: [{mount}]}}}}")[0][1] == "volumes[/d]"


def test_encrypted_internal_and_external_networks_are_told_apart():
    text = """
services: {a: {image: x, networks: [in, out, plain]}, b: {image: y}}
networks:
  in: {internal: true, driver_opts: {encrypted: ""}}
  out: {external: true, name: far}
  plain:
  unused:
"""
    stack = load_stack({"s.yml": text}, {}, "shop", lambda file: "")
    values = convert(stack, Options(workload_keys=True)).values
    assert values["networks"] == {
        "default": {"internal": False, "encrypted": False, "external": False},
        "in": {"internal": True, "encrypted": True, "external": False},
        "out": {"internal": False, "encrypted": False, "external": True},
        "plain": {"internal": False, "encrypted": False, "external": False},
    }
    assert values["services"]["a"]["networks"] == ["in", "out", "plain"]
    assert values["services"]["b"]["networks"] == ["default"]
    assert "networks" not in convert(stack, Options()).values


@given(st.text(min_size=1), st.text())
def test_no_verdict_and_no_error_has_two_lines(key, value):
    import json

    document = {"services": {"app": {"image": "a", key: value, "hostname": value, "labels": {key: value}}}}
    try:
        found = convert(load_stack({"s.yml": json.dumps(document)}, {}, "shop", lambda file: value), Options()).verdicts
    except StackError as error:
        assert len(str(error).splitlines()) == 1
        return
    for item in found:
        assert len(item.key.splitlines()) <= 1 and len(item.note.splitlines()) <= 1
