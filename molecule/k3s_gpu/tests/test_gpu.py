"""The driver's real packages are there and stay as they are; the kubelet hands the GPU out by the plugin, and the Swarm does not."""

from __future__ import annotations

import pytest

HOST = "sophia-development"
DRIVER = ["nvidia-open-kernel-dkms", "firmware-nvidia-gsp", "nvidia-smi", "libcuda1"]
TOOLKIT = [
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
]
testinfra_hosts = [f"docker://replatform-lab-{HOST}"]


@pytest.mark.parametrize("name", DRIVER)
def test_the_driver_is_there_and_held(host, name):
    assert host.package(name).version.split(":")[-1].startswith("535.")
    assert name in host.check_output("apt-mark showhold").split()


@pytest.mark.parametrize("name", TOOLKIT)
def test_the_toolkit_is_there_at_one_version_and_held(host, name):
    assert host.package(name).version == "1.19.1-1"
    assert name in host.check_output("apt-mark showhold").split()
    assert "Candidate: 1.19.1-1" in host.check_output(f"apt-cache policy {name}")  # and 1.20.0-1 is on offer


def test_every_package_of_the_driver_is_held(host):
    installed = host.check_output("dpkg-query --show --showformat '${Package} ${source:Package}\n'").splitlines()
    driver = {line.split()[0] for line in installed if line.split()[1].startswith("nvidia-graphics-drivers")}
    assert driver
    assert driver <= set(host.check_output("apt-mark showhold").split())


def test_apt_would_take_no_other_branch(host):
    assert "Candidate: 535." in host.check_output("apt-cache policy nvidia-open-kernel-dkms")


def test_unattended_upgrades_leave_it_alone(host):
    assert "nvidia" in host.file("/etc/apt/apt.conf.d/52replatform-nvidia").content_string


def test_nouveau_stays_away(host):
    assert "blacklist nouveau" in host.check_output("cat /etc/modprobe.d/replatform-*")


def test_no_desktop_came_with_it(host):
    assert not host.package("xserver-xorg-core").is_installed


def test_the_module_is_loaded(host):
    assert host.file("/run/lab-gpu/module/version").content_string.startswith("535.")


def test_k3s_knows_the_runtime(host):
    config = host.file("/var/lib/rancher/k3s/agent/etc/containerd/config.toml").content_string
    assert 'BinaryName = "/usr/bin/nvidia-container-runtime"' in config


def test_the_node_offers_what_its_host_has(fleet):
    node = fleet.nodes()[HOST]
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "1"
    assert node["metadata"]["labels"]["nvidia.com/gpu.present"] == "true"
    assert not node["spec"].get("unschedulable")


def test_the_plugin_runs_there_and_nowhere_else(fleet):
    pods = fleet.kubectl(
        "--namespace", "kube-system", "get", "pods", "--selector", "app.kubernetes.io/name=nvidia-device-plugin"
    )
    assert [pod["spec"]["nodeName"] for pod in pods["items"]] == [HOST]


def test_the_swarm_goes_on_elsewhere(fleet):
    listed = fleet.on(fleet.servers[0]).check_output("docker stack services sophia --format '{{.Name}} {{.Replicas}}'")
    counts = {name: count.split("/") for name, count, *_more in map(str.split, listed.splitlines())}
    assert {name for name, (running, wanted) in counts.items() if running != wanted} == {
        "sophia_notes"
    }  # it is bound to the host
