"""The manifests, rendered as the role renders them, against the schemas of the Kubernetes versions that K3s has."""

from __future__ import annotations

import json
import pathlib

import kubernetes_validate
import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.sophia.replatform.plugins.filter.gpu import expected_resources
from ansible_collections.sophia.replatform.plugins.module_utils.gpu.resources import workload_resource

ROLE = pathlib.Path(__file__).parents[3] / "roles/nvidia_device_plugin"
IMAGE = "registry.example.com/device-plugin@sha256:" + "0" * 64
CONFIGS = {
    "plain": {"version": "v1", "flags": {"migStrategy": "none"}},
    "four": {
        "version": "v1",
        "sharing": {
            "timeSlicing": {
                "failRequestsGreaterThanOne": True,
                "resources": [{"name": "nvidia.com/gpu", "replicas": 4}],
            }
        },
    },
}


def render(template, **more):
    """The objects of a template with the role's own defaults and variables."""
    variables = {"inventory_hostname": "gpu-1", "groups": {}}
    for name in ("defaults/main.yml", "vars/main.yml"):
        for key, value in yaml.safe_load((ROLE / name).read_text()).items():
            variables[key] = trust_as_template(value) if isinstance(value, str) else value
    variables.update(nvidia_device_plugin_image=IMAGE, nvidia_device_plugin_verify_image=IMAGE, **more)
    # The filters of the collection that the templates reach; a Templar alone does not find collections.
    names = (f"nvidia_device_plugin_{name}" for name in ("configs", "default_config", "node_config"))
    expected = expected_resources({"gpu_count": 1}, *(variables[name] for name in names))
    node = {"status": {"allocatable": {"nvidia.com/mig-1g.5gb": "7", "nvidia.com/gpu": "0"}}}
    variables["__nvidia_device_plugin_resource"] = workload_resource(node, expected)
    text = (ROLE / "templates" / template).read_text()
    rendered = Templar(DataLoader(), variables=variables).template(trust_as_template(text))
    return [item for item in yaml.safe_load_all(str(rendered)) if item]


def pod(objects):
    (found,) = [item for item in objects if item["kind"] in ("DaemonSet", "Job")]
    return found["spec"]["template"]["spec"]


@pytest.mark.parametrize("version", ["1.29", "1.33", "1.37"])
@pytest.mark.parametrize(
    "template, more",
    [
        ("device_plugin.yml.j2", {}),
        (
            "device_plugin.yml.j2",
            {"nvidia_device_plugin_configs": CONFIGS, "nvidia_device_plugin_default_config": "plain"},
        ),
        ("device_plugin.yml.j2", {"nvidia_device_plugin_pass_device_specs": False}),
        ("configs.yml.j2", {"nvidia_device_plugin_configs": CONFIGS}),
        ("dcgm_exporter.yml.j2", {"nvidia_device_plugin_dcgm_image": IMAGE}),
        ("verify_job.yml.j2", {}),
        ("verify_job.yml.j2", {"nvidia_device_plugin_verify_command": ["nvidia-smi", "-L"]}),
    ],
)
def test_every_object_is_valid(template, more, version):
    for item in render(template, **more):
        kubernetes_validate.validate(json.loads(json.dumps(item)), version, strict=True)


@pytest.mark.parametrize(
    "more", [{}, {"nvidia_device_plugin_configs": CONFIGS, "nvidia_device_plugin_default_config": "plain"}]
)
def test_the_plugin_has_what_k3s_needs_and_is_only_where_the_gate_has_opened(more):
    spec = pod(render("device_plugin.yml.j2", **more))
    assert spec["runtimeClassName"] == "nvidia"
    assert spec["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    containers = spec["containers"] + spec.get("initContainers", [])
    assert {container["image"] for container in containers} == {IMAGE}


def test_a_plugin_without_a_driver_fails_instead_of_offering_nothing():
    (container,) = pod(render("device_plugin.yml.j2"))["containers"]
    assert {"name": "FAIL_ON_INIT_ERROR", "value": "true"} in container["env"]


@pytest.mark.parametrize("passed", [True, False])
def test_device_nodes_are_passed_with_the_privileges_that_it_takes(passed):
    (container,) = pod(render("device_plugin.yml.j2", nvidia_device_plugin_pass_device_specs=passed))["containers"]
    assert {"name": "PASS_DEVICE_SPECS", "value": str(passed).lower()} in container["env"]
    assert container["securityContext"].get("privileged", False) is passed


def test_the_configurations_come_whole_and_a_change_starts_the_plugin_again():
    (config,) = [
        item for item in render("configs.yml.j2", nvidia_device_plugin_configs=CONFIGS) if item["kind"] == "ConfigMap"
    ]
    assert {name: yaml.safe_load(text) for name, text in config["data"].items()} == CONFIGS

    def mark(configs):
        more = {"nvidia_device_plugin_configs": configs, "nvidia_device_plugin_default_config": "plain"}
        return render("device_plugin.yml.j2", **more)[0]["spec"]["template"]["metadata"]["annotations"]

    assert mark(CONFIGS) == mark(dict(reversed(CONFIGS.items()))) != mark({"plain": CONFIGS["plain"]})


def test_a_node_without_a_label_of_its_own_gets_the_default_configuration():
    spec = pod(
        render(
            "device_plugin.yml.j2", nvidia_device_plugin_configs=CONFIGS, nvidia_device_plugin_default_config="plain"
        )
    )
    for container in [*spec["initContainers"], spec["containers"][0]]:
        assert {"name": "DEFAULT_CONFIG", "value": "plain"} in container["env"]
    assert spec["serviceAccountName"] == "nvidia-device-plugin"


def test_the_workload_runs_on_its_node_even_while_that_is_cordoned():
    spec = pod(render("verify_job.yml.j2"))
    assert spec["nodeSelector"] == {"kubernetes.io/hostname": "gpu-1"}
    assert spec["runtimeClassName"] == "nvidia"
    assert {"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"} in spec[
        "tolerations"
    ]
    assert spec["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": 1}
    assert "command" not in spec["containers"][0]


def test_the_workload_asks_for_what_the_node_offers():
    slicing = {"renameByDefault": True, "resources": [{"name": "nvidia.com/gpu", "replicas": 4}]}
    shared = {"version": "v1", "sharing": {"timeSlicing": slicing}}
    (job,) = render(
        "verify_job.yml.j2", nvidia_device_plugin_configs={"s": shared}, nvidia_device_plugin_default_config="s"
    )
    assert job["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu.shared": 1}


def test_the_workload_asks_for_a_slice_where_there_is_no_whole_gpu():
    mixed = {"version": "v1", "flags": {"migStrategy": "mixed"}}
    (job,) = render(
        "verify_job.yml.j2", nvidia_device_plugin_configs={"m": mixed}, nvidia_device_plugin_default_config="m"
    )
    assert job["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] == {"nvidia.com/mig-1g.5gb": 1}


def test_a_jobs_name_is_valid_and_a_nodes_own():
    names = {
        render("verify_job.yml.j2", nvidia_device_plugin_node_name=name)[0]["metadata"]["name"]
        for name in ("a" * 80, "b")
    }
    assert len(names) == 2 and all(len(name) <= 63 for name in names)
