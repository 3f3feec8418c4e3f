from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.config import (
    KEY_MINORS,
    SERVER_KEYS,
    config_faults,
    label_faults,
)


def test_the_plans_settings_are_fine():
    plan = {"cluster-init": True, "disable": ["traefik"], "write-kubeconfig-mode": "644"}
    assert config_faults(plan, "server", "k3s_server_config") == []


@pytest.mark.parametrize(
    "key, said",
    [
        ("disabel", "did you mean 'disable'?"),
        ("cluster_init", "did you mean 'cluster-init'?"),
        ("frobnicate-zzz", "K3s knows no configuration key 'frobnicate-zzz'"),
        ("token", "k3s_token_file"),
        ("server", "by probing"),
        ("node-label", "k3s_node_labels"),
    ],
)
def test_a_key_is_refused_by_name_with_its_mend(key, said):
    (fault,) = config_faults({key: "x"}, "server", "k3s_server_config")
    assert fault.startswith("k3s_server_config: ")
    assert key in fault and said in fault


def test_a_key_of_servers_on_an_agent_says_where_it_belongs():
    (fault,) = config_faults({"disable": ["traefik"]}, "agent", "k3s_agent_config")
    assert "'disable' is a key of servers alone; move it to k3s_server_config" in fault


def test_every_agent_key_is_a_server_key_too():
    assert config_faults({"kubelet-arg": ["max-pods=50"]}, "server", "x") == []
    assert config_faults({"kubelet-arg": ["max-pods=50"]}, "agent", "x") == []


def test_the_appending_form_of_a_key_is_known():
    assert config_faults({"kubelet-arg+": ["x=y"]}, "agent", "x") == []
    assert config_faults({"kubelet-agr+": ["x=y"]}, "agent", "x") != []


@pytest.mark.parametrize("mode", [420, 644, "rw-", "0888", True])
def test_an_octal_mode_that_yaml_has_eaten_is_refused(mode):
    (fault,) = config_faults({"write-kubeconfig-mode": mode}, "server", "x")
    assert "quoted octal" in fault


def test_all_faults_at_once():
    assert len(config_faults({"a1": 1, "b2": 2, "token": 3}, "server", "x")) == 3


def test_not_a_mapping():
    assert config_faults(["disable"], "server", "k3s_config") == [
        "k3s_config: a mapping of K3s' configuration keys is wanted, not list"
    ]


def test_a_node_role_label_is_refused():
    assert label_faults({"gpu-type": "A10"}, "x") == []
    assert "node-role.kubernetes.io/worker" in label_faults({"node-role.kubernetes.io/worker": "true"}, "x")[0]


@pytest.mark.parametrize(
    "key, version, said",
    [
        ("embedded-registry", "v1.25.9+k3s1", "'embedded-registry' came with v1.26"),
        ("multi-cluster-cidr", "v1.35.6+k3s1", "'multi-cluster-cidr' went after v1.29"),
    ],
)
def test_a_key_of_another_minor_is_refused(key, version, said):
    (fault,) = config_faults({key: True}, "server", "x", version)
    assert said in fault and version.rsplit(".", 1)[0] in fault


@pytest.mark.parametrize("version", ["", "v1.26.0+k3s1", "v1.35.6+k3s1", "v1.20.2+k3s1", "nonsense"])
def test_a_key_of_its_minor_or_of_one_that_is_not_told_apart(version):
    assert config_faults({"embedded-registry": True}, "server", "x", version) == []


def test_every_key_of_the_minors_is_a_key():
    assert set(KEY_MINORS) <= SERVER_KEYS
