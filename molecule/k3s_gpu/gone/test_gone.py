"""Nothing is left of the driver, the toolkit or the plugin, and the node works."""

from __future__ import annotations

HOST = "sophia-development"
testinfra_hosts = [f"docker://replatform-lab-{HOST}"]


def test_no_package_is_left_or_held(host):
    names = host.check_output("dpkg-query --show --showformat '${Package} ${db:Status-Abbrev}\n'").splitlines()
    ours = ("nvidia-open-kernel-dkms", "nvidia-smi", "firmware-nvidia-gsp", "nvidia-container-toolkit")
    assert not [line for line in names if line.startswith(ours)]
    assert not [name for name in host.check_output("apt-mark showhold").split() if "nvidia" in name]


def test_no_file_is_left(host):
    assert not host.check_output("find /etc/apt /etc/modprobe.d /etc/systemd/system -name '*replatform*'")


def test_no_module_is_loaded(host):
    assert not host.file("/run/lab-gpu").exists


def test_the_node_offers_nothing_and_takes_pods(fleet):
    node = fleet.nodes()[HOST]
    assert "nvidia.com/gpu.present" not in node["metadata"]["labels"]
    assert not node["spec"].get("unschedulable")
    assert fleet.condition("Ready")[HOST] == "True"


def test_no_plugin_is_left(fleet):
    assert not fleet.kubectl(
        "--namespace", "kube-system", "get", "daemonsets", "--selector", "app.kubernetes.io/name=nvidia-device-plugin"
    )["items"]
