from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.settings import server_count_faults, setting_faults

SETTINGS = {
    "k3s_version": "v1.35.6+k3s1",
    "k3s_install_method": "binary",
    "k3s_install_script_checksum": "",
    "k3s_config": {},
    "k3s_server_config": {"cluster-init": True},
    "k3s_agent_config": {},
    "k3s_node_config": {},
    "k3s_node_labels": {},
    "k3s_node_taints": [],
    "k3s_node_roles": [],
    "k3s_token_file": "",
    "missing": [],
}


def faults(name="a", node_role="server", servers=("a",), names=("a", "b"), **changes):
    return setting_faults({**SETTINGS, **changes}, name, node_role, servers, names)


def test_sound_settings():
    assert faults() == []


def test_a_missing_token_file_is_one_clear_line():
    (line,) = faults(k3s_token_file="/nowhere", missing=["k3s_token_file"])
    assert line == (
        "k3s_token_file: /nowhere does not exist on the controller; create it, or leave k3s_token_file empty"
    )


def test_a_host_outside_the_groups():
    (line,) = faults(name="c")
    assert "neither k3s_server_group nor k3s_agent_group" in line


def test_a_name_that_two_hosts_have():
    (line,) = faults(names=("a", "b", "a"))
    assert "k3s_node_name: a is the name of more than one host" in line


def test_a_servers_settings_are_checked_on_an_agent_too():
    (line,) = faults(name="b", node_role="agent", k3s_server_config={"disabel": []})
    assert "'disabel'" in line


def test_a_script_is_not_run_unseen():
    (line,) = faults(k3s_install_method="script")
    assert line.startswith("k3s_install_script_checksum: ")
    assert faults(k3s_install_method="script", k3s_install_script_checksum="ab" * 32) == []


def test_taints_roles_and_keys_of_another_minor_are_looked_at():
    lines = faults(
        k3s_node_taints=["x"],
        k3s_node_roles=["etcd"],
        k3s_server_config={"cluster-init": True, "multi-cluster-cidr": True},
    )
    assert [line.split(":")[0] for line in lines] == ["k3s_server_config", "k3s_node_taints", "k3s_node_roles"]


@pytest.mark.parametrize(
    "count, config, said",
    [
        (0, {}, ["empty"]),
        (1, {}, []),
        (2, {}, ["without cluster-init", "odd number"]),
        (2, {"cluster-init": True}, ["odd number"]),
        (3, {}, ["without cluster-init"]),
        (3, {"cluster-init": True}, []),
        (2, {"datastore-endpoint": "postgres://"}, []),
        (3, "not a mapping", ["without cluster-init"]),
    ],
)
def test_how_many_servers(count, config, said):
    found = server_count_faults(count, config)
    assert len(found) == len(said)
    for line, words in zip(found, said):
        assert words in line
