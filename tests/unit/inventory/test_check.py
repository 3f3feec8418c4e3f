"""Each test breaks one thing in a sound inventory and asks for the one line that names it."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.inventory.check import VARIABLES, faults
from ansible_collections.sophia.replatform.plugins.module_utils.inventory.hosts import Inventory

SHARED = {
    "replatform_environment": "production",
    "replatform_groups": ["backend", "data"],
    "replatform_services": [
        {"name": "backend", "group": "backend", "kind": "http", "host": "backend.example.org", "port": 8001},
        {"name": "postgres", "group": "data", "kind": "postgres", "port": 5432},
    ],
    "replatform_kubeconfig": "/srv/artifacts/production/kubeconfig",
    "k3s_version": "v1.35.6+k3s1",
    "k3s_server_config": {"cluster-init": True, "disable": ["traefik"]},
    "repository_protected": ["docs/*.md", "/config/"],
    "edge_analysis": {"interval": 5, "threshold": 3, "step_weights": [5, 50, 100], "max_weight": 100},
    "platform_secrets": {"postgres_password": "x"},
}


@pytest.fixture
def sound():
    hosts = {
        name: {**copy.deepcopy(SHARED), "ansible_host": f"198.18.0.{n}", "replatform_arch": "amd64", "k3s_gpu_count": 1}
        for n, name in enumerate(["one", "two", "three"], start=1)
    }
    groups = {
        "swarm_manager": ["one"],
        "swarm_worker": ["two", "three"],
        "k3s_server": ["one"],
        "k3s_agent": ["two", "three"],
        "gpu": ["one", "two", "three"],
        "edge": ["one"],
    }
    return Inventory(hosts, groups, "production", file_mode=lambda path: 0o600)


def everywhere(inventory, **variables):
    for host in inventory.hosts.values():
        host.update(copy.deepcopy(variables))


def only(inventory):
    found = faults(inventory)
    assert len(found) == 1, found
    return found[0]


def test_a_sound_inventory_has_no_fault(sound):
    assert faults(sound) == []


def test_every_variable_that_is_checked_is_asked_for(sound):
    assert set(SHARED) <= set(VARIABLES)


def test_no_hosts():
    assert faults(Inventory({}, {})) == ["the inventory has no hosts"]


def test_a_host_in_no_group(sound):
    sound.hosts["stray"] = {**SHARED, "ansible_host": "198.18.0.9"}
    assert "stray is in no known group" in only(sound)


def test_a_host_in_swarm_alone_would_be_left_behind(sound):
    sound.groups["k3s_agent"].remove("three")
    assert "three is in swarm_worker, gpu but in neither k3s_server nor k3s_agent" in only(sound)


def test_a_host_in_both_k3s_groups(sound):
    sound.groups["k3s_agent"].append("one")
    assert only(sound) == "one is in k3s_server and in k3s_agent; leave it in one of them"


def test_a_host_in_both_swarm_groups(sound):
    sound.groups["swarm_worker"].append("one")
    assert "one is in swarm_manager and in swarm_worker" in only(sound)


@pytest.mark.parametrize("group", ["swarm_manager", "edge"])
def test_an_empty_required_group(sound, group):
    sound.groups[group] = []
    assert only(sound) == f"group {group} is empty; put at least one host in it"


def test_no_server_is_said_once(sound):
    sound.groups["k3s_agent"] += sound.groups.pop("k3s_server")
    assert only(sound) == "group k3s_server is empty; put at least one host in it"


def test_two_servers_without_cluster_init(sound):
    sound.groups.update(k3s_server=["one", "two", "three"], k3s_agent=[])
    everywhere(sound, k3s_server_config={"disable": ["traefik"]})
    assert "3 servers without cluster-init: true in k3s_server_config" in only(sound)


def test_an_even_number_of_servers(sound):
    sound.groups.update(k3s_server=["one", "two"], k3s_agent=["three"])
    assert "2 servers with embedded etcd" in only(sound)


def test_servers_with_a_datastore_of_their_own_may_be_two(sound):
    sound.groups.update(k3s_server=["one", "two"], k3s_agent=["three"])
    everywhere(sound, k3s_server_config={"datastore-endpoint": "postgres://"})
    assert faults(sound) == []


def test_a_host_without_an_address(sound):
    del sound.hosts["two"]["ansible_host"]
    assert "two has no ansible_host" in only(sound)


def test_two_hosts_with_one_address(sound):
    sound.hosts["two"]["ansible_host"] = sound.hosts["one"]["ansible_host"]
    assert "ansible_host 198.18.0.1 is shared by one, two" in only(sound)


@pytest.mark.parametrize("address", ["192.0.2.1", "203.0.113.7", "2001:db8::1", "127.0.0.1", "0.0.0.0"])
def test_an_address_that_cannot_be_meant(sound, address):
    sound.hosts["two"]["ansible_host"] = address
    assert only(sound).startswith(f"two: ansible_host {address} is")


def test_a_host_name_is_an_address_too(sound):
    sound.hosts["two"]["ansible_host"] = "two.example.org"
    assert faults(sound) == []


def test_an_address_inside_the_pods_range(sound):
    sound.hosts["two"]["ansible_host"] = "10.42.3.4"
    assert "two: ansible_host 10.42.3.4 lies in K3s' cluster-cidr 10.42.0.0/16" in only(sound)


def test_another_range_gives_way(sound):
    sound.hosts["two"]["ansible_host"] = "10.42.3.4"
    everywhere(sound, k3s_server_config={"cluster-cidr": "10.52.0.0/16"})
    assert faults(sound) == []


def test_a_range_that_is_none(sound):
    everywhere(sound, k3s_server_config={"service-cidr": "10.43.0.0/99"})
    assert "service-cidr '10.43.0.0/99' is not an address range" in only(sound)


@pytest.mark.parametrize("value", ["prod uction", "", 7])
def test_an_environment_that_is_no_name(sound, value):
    everywhere(sound, replatform_environment=value)
    assert "is not a name" in only(sound)


def test_an_environment_of_another_folder(sound):
    everywhere(sound, replatform_environment="staging")
    assert only(sound) == "replatform_environment: 'staging' is unknown here; this is the inventory 'production'"


def test_one_host_with_another_environment_is_named(sound):
    sound.hosts["two"]["replatform_environment"] = "staging"
    assert only(sound).startswith("replatform_environment (two): 'staging'")


def test_no_environment(sound):
    for host in sound.hosts.values():
        del host["replatform_environment"]
    assert "replatform_environment is not set" in only(sound)


@pytest.mark.parametrize(
    "change, said",
    [
        ({"group": "bakend"}, "backend is in group 'bakend', which is not in replatform_groups"),
        ({"group": None}, "backend has no group"),
        ({"port": 5432}, "port 5432 is used by 2 services"),
        ({"port": 70000}, "backend has the port 70000"),
        ({"port": "8001"}, "backend has the port '8001'"),
        ({"port": True}, "backend has the port True"),
        ({"kind": "htpp"}, "backend is of kind 'htpp'; known are http, postgres, pgbouncer, redis, files, tcp"),
        ({"host": None}, "backend is of kind http and needs a host name"),
        ({"host": "back end"}, "backend is of kind http and needs a host name"),
        ({"path": "health"}, "backend has the path 'health'"),
        ({"name": "Back_End"}, "'Back_End' is not a name that Kubernetes takes"),
        ({"name": None}, "a service without a name has no name"),
    ],
)
def test_a_service_that_is_wrong(sound, change, said):
    services = copy.deepcopy(SHARED["replatform_services"])
    services[0] = {k: v for k, v in {**services[0], **change}.items() if v is not None}
    everywhere(sound, replatform_services=services)
    assert any(said in line for line in faults(sound)), faults(sound)


@pytest.mark.parametrize(
    ("port", "settings", "variable"),
    [
        (80, {}, "edge_http_port"),
        (8099, {}, "edge_api_port"),
        (8443, {"edge_https_port": 8443}, "edge_https_port"),
        (8080, {"edge_http_port": 8080}, "edge_http_port"),
    ],
)
def test_a_tcp_service_at_a_port_of_the_edge(sound, port, settings, variable):
    services = SHARED["replatform_services"] + [{"name": "feed", "group": "backend", "kind": "tcp", "port": port}]
    everywhere(sound, replatform_services=services, **settings)
    assert f"feed of kind tcp has port {port}, which is {variable} of the edge; give" in only(sound)


@pytest.mark.parametrize(
    ("port", "settings"), [(9010, {}), (80, {"edge_http_port": 81}), (80, {"edge_state": "adopted"})]
)
def test_a_tcp_service_at_a_port_of_its_own(sound, port, settings):
    services = SHARED["replatform_services"] + [{"name": "feed", "group": "backend", "kind": "tcp", "port": port}]
    everywhere(sound, replatform_services=services, **settings)
    assert faults(sound) == []


def test_two_services_with_one_host_name(sound):
    services = SHARED["replatform_services"] + [
        {"name": "other", "group": "backend", "kind": "http", "host": "backend.example.org", "port": 8002}
    ]
    everywhere(sound, replatform_services=services)
    assert "host backend.example.org is used by 2 services" in only(sound)


def test_a_group_without_a_service(sound):
    everywhere(sound, replatform_groups=["backend", "mcp", "data"])
    assert "'mcp' has no service" in only(sound)


def test_a_group_that_stands_twice(sound):
    everywhere(sound, replatform_groups=["backend", "data", "backend"])
    assert "'backend' stands there 2 times" in only(sound)


@pytest.mark.parametrize("value", ["backend", [], [1], None])
def test_groups_of_the_wrong_type(sound, value):
    everywhere(sound, replatform_groups=value, replatform_services=[])
    assert "replatform_groups: a list of names is wanted" in only(sound)


def test_services_of_the_wrong_type(sound):
    everywhere(sound, replatform_services={"backend": 8001})
    assert "replatform_services: a list of mappings is wanted" in only(sound)


def test_a_typo_in_k3s_keys(sound):
    everywhere(sound, k3s_server_config={"cluster-init": True, "disabel": ["traefik"]})
    assert "k3s_server_config: K3s knows no configuration key 'disabel'" in only(sound)


def test_a_hosts_own_keys_are_checked_for_its_own_part(sound):
    sound.hosts["one"]["k3s_node_config"] = {"tls-san": ["api.example.org"]}
    assert faults(sound) == []
    sound.hosts["two"]["k3s_node_config"] = {"tls-san": ["api.example.org"]}
    assert "two: k3s_node_config: 'tls-san' is a key of servers alone" in only(sound)


@pytest.mark.parametrize("version", ["1.35.6", "v1.35", "latest", "v1.35.6-k3s1", 1.35])
def test_a_version_that_is_no_release(sound, version):
    everywhere(sound, k3s_version=version)
    assert "is not a release such as v1.35.6+k3s1" in only(sound)


def test_a_label_that_kills_the_kubelet(sound):
    sound.hosts["two"]["k3s_node_labels"] = {"node-role.kubernetes.io/worker": ""}
    assert "k3s_node_labels (two)" in only(sound)


@pytest.mark.parametrize("count, said", [(0, "is in group gpu"), (-1, "not a number"), ("many", "not a number")])
def test_gpus_and_their_group_agree(sound, count, said):
    sound.hosts["two"]["k3s_gpu_count"] = count
    assert said in only(sound)


def test_gpus_outside_their_group(sound):
    sound.groups["gpu"].remove("two")
    assert "two: k3s_gpu_count is 1 but the host is not in group gpu" in only(sound)


def test_an_unknown_architecture(sound):
    sound.hosts["two"]["replatform_arch"] = "riscv64"
    assert "two: replatform_arch 'riscv64'" in only(sound)


def test_two_nodes_with_one_name(sound):
    sound.hosts["two"]["k3s_node_name"] = "three"
    assert "k3s_node_name three is shared by two, three" in only(sound)


@pytest.mark.parametrize(
    "variable, value",
    [
        ("edge_analysis", {"interval": 0}),
        ("edge_analysis", {"interval": "10s"}),
        ("edge_analysis", {"threshold": 0}),
        ("edge_analysis", {"threshold": True}),
        ("edge_analysis", {"max_weight": 101}),
        ("edge_analysis", {"step_weights": [50, 5]}),
        ("edge_analysis", {"step_weights": [0, 100]}),
        ("edge_analysis", {"step_weights": []}),
        ("edge_analysis", {"step_weights": 10}),
        ("edge_analysis", {"metrics": [{"name": "request-success-rate", "threshold_range": {"min": 101}}]}),
        ("edge_analysis", {"metrics": [{"name": "request-success-rate", "threshold_range": {"max": 99}}]}),
        ("edge_analysis", {"metrics": 101}),
        ("edge_analysis", {"metrics": [{"name": "request-duration", "threshold_range": {"max": 0}}]}),
        ("edge_analysis", {"metrics": [{"name": "cpu", "threshold_range": {"max": 1}}]}),
        ("edge_analysis", {"metrics": [{"name": "cpu", "query": "1", "threshold_range": {}}]}),
        ("edge_analysis", {"mirror_weight": 101}),
        ("prober_rate", 0),
        ("repository_root_limit", "many"),
        ("edge_http_port", 0),
        ("k3s_start_timeout", -1),
    ],
)
def test_a_threshold_out_of_range(sound, variable, value):
    everywhere(sound, **{variable: value})
    assert only(sound).startswith(variable)


def test_a_last_step_above_the_top(sound):
    everywhere(sound, edge_analysis={"step_weights": [5, 60], "max_weight": 50})
    assert "the last step 60 is above max_weight 50" in only(sound)


def test_a_protected_path_outside_the_repository(sound):
    everywhere(sound, repository_protected=["docs/../../etc"])
    assert "repository_protected: 'docs/../../etc' leaves the repository" in only(sound)


@pytest.mark.parametrize("value", ["docs/*.md", [1], [""], {"docs": True}])
def test_protected_paths_of_the_wrong_type(sound, value):
    everywhere(sound, repository_protected=value)
    assert "repository_protected: a list of path patterns is wanted" in only(sound)


@pytest.mark.parametrize("variable", ["k3s_token_file", "ansible_ssh_private_key_file", "k3s_airgap_dir"])
def test_a_file_that_is_missing(sound, variable):
    everywhere(sound, **{variable: "/nowhere"})
    sound.file_mode = lambda path: None
    assert only(sound) == f"{variable}: /nowhere does not exist on the controller"


def test_a_secret_that_others_may_read(sound):
    everywhere(sound, k3s_token_file="/srv/token")
    sound.file_mode = lambda path: 0o644
    assert "k3s_token_file: /srv/token can be read by others (mode 0644)" in only(sound)


def test_an_empty_file_name_is_no_file(sound):
    everywhere(sound, k3s_token_file="", k3s_airgap_dir="")
    sound.file_mode = lambda path: None
    assert faults(sound) == []


def test_a_persons_own_kubeconfig_is_not_ours_to_write(sound):
    everywhere(sound, replatform_kubeconfig="/home/me/x/../.kube/config")
    assert "is a person's own file" in only(sound)


def test_a_variable_that_cannot_be_resolved_is_a_fault(sound):
    sound.unresolved = [("two", "k3s_node_labels", "'gpu_model'\n is undefined")]
    assert only(sound) == "k3s_node_labels (two) can't be resolved: 'gpu_model' is undefined"


def test_a_secret_without_content(sound):
    everywhere(sound, platform_secrets={"postgres_password": ""})
    assert only(sound) == "platform_secrets: the secret 'postgres_password' is empty"


def test_all_faults_come_at_once(sound):
    sound.groups["edge"] = []
    sound.hosts["two"]["ansible_host"] = "192.0.2.1"
    everywhere(sound, k3s_version="latest", edge_http_port=0)
    assert len(faults(sound)) == 4


def test_a_shared_fault_is_said_once(sound):
    everywhere(sound, k3s_version="latest")
    assert len(faults(sound)) == 1
