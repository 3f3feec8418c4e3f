from __future__ import annotations

import inspect
import pathlib

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.sophia.replatform.plugins.filter import k3s
from ansible_collections.sophia.replatform.plugins.filter.k3s import FilterModule, newer_than

START = "Mon 2026-11-23 10:17:39 UTC"
EPOCH = 1795429059


def test_only_a_later_change_asks_for_a_restart():
    assert newer_than([EPOCH - 100.0, EPOCH + 0.9], START) is False
    assert newer_than([EPOCH - 100.0, EPOCH + 1.0], START) is True
    assert newer_than([], START) is False


def test_what_never_started_is_not_stale():
    assert newer_than([EPOCH + 1.0], "") is False


def test_a_refusal_becomes_a_filter_error_of_one_line():
    with pytest.raises(AnsibleFilterError, match="does not list 'k3s'"):
        FilterModule().filters()["k3s_checksum"]("", "k3s")


def test_a_file_that_is_no_yaml_is_named_by_its_line_and_not_shown():
    text = "users:\n- name: a\n  client-key-data: c2VjcmV0: c2VjcmV0\n"
    with pytest.raises(AnsibleFilterError) as raised:
        FilterModule().filters()["k3s_yaml"](text, "k3s_kubeconfig_dest")
    assert str(raised.value) == (
        "k3s_kubeconfig_dest: the file is no YAML (line 3); mend it, or set another k3s_kubeconfig_dest"
    )
    assert raised.value.__cause__.__cause__ is None
    assert FilterModule().filters()["k3s_yaml"]("a: [1]\n", "x") == {"a": [1]}


def test_the_fleets_faults_are_those_of_servers_and_of_addresses():
    servers = [
        {"inventory_hostname": "a", "k3s_server_config": {"flannel-external-ip": True}},
        {"inventory_hostname": "b", "k3s_node_config": {"node-external-ip": "192.0.2.2"}},
    ]
    lines = FilterModule().filters()["k3s_fleet_faults"](servers, servers)
    assert [line.split(" ")[0] for line in lines] == ["flannel-external-ip", "a:"]


def test_versions_are_asked_of_the_listing():
    listing = {"items": [{"metadata": {"name": "a"}, "status": {"nodeInfo": {"kubeletVersion": "v1.35.6+k3s1"}}}]}
    assert FilterModule().filters()["k3s_version_faults"](listing, "v1.36.0+k3s1") == []
    assert len(FilterModule().filters()["k3s_version_faults"](listing, "v1.37.0+k3s1")) == 1


def test_every_filter_is_documented_under_its_name_and_with_its_arguments():
    folder = pathlib.Path(k3s.__file__).parent
    documented = {path.stem for path in folder.glob("k3s_*.yml")}
    assert documented == set(FilterModule().filters())
    for name, function in FilterModule().filters().items():
        spec = yaml.safe_load((folder / f"{name}.yml").read_text())["DOCUMENTATION"]
        arguments = list(inspect.signature(inspect.unwrap(function)).parameters)[1:]
        assert spec["name"] == name
        assert [word for word in spec.get("positional", "").split(", ") if word] == arguments
        assert set(spec["options"]) == {"_input", *arguments}
