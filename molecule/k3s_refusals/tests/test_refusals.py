"""Each refusal is one line that names what is wrong, and leaves hosts and cluster as they were."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess

import pytest
import yaml

PROJECT = pathlib.Path(__file__).parents[3]
K3S, REBOOT, PREFLIGHT = (f"playbooks/{name}.yml" for name in ("k3s", "reboot", "preflight"))
BARE_AGENT, BARE_SERVER = "sophia-development", "sophia-mcp-orchestrator"
LATER = "2100-01-01T00:00:00Z"
MIRROR = "http://172.31.77.2/k3s-io/k3s/releases/download"

# On a cluster that runs, and on hosts that are bare: the playbook, what is given to it, and what its line says.
RUNNING = {
    "unknown key": (K3S, {"k3s_config": {"flanel-backend": "none"}}, "flanel-backend"),
    "key of another minor": (K3S, {"k3s_server_config": {"cluster-init": True, "no-such": 1}}, "no-such"),
    "two servers with one name": (K3S, {"k3s_node_name": "twin"}, "twin is the name of more than one host"),
    "skipped minor": (K3S, {"k3s_version": "v1.37.0+k3s1"}, "skips a minor"),
    "back": (K3S, {"k3s_version": "v1.20.2+k3s1"}, "going back to v1.20.2+k3s1 is not supported"),
    "release that is not there": (K3S, {"k3s_version": "v1.35.9+k3s1"}, "answered 404"),
    "wrong checksum": (
        K3S,
        {"k3s_version": "v1.35.7+k3s1", "k3s_checksums": {"k3s": "0" * 64}},
        "was not installed",
    ),
    "wrong architecture": (PREFLIGHT, {"replatform_arch": "arm64"}, "arm64"),
    "no such architecture": (
        K3S,
        {"__k3s_architectures": {"riscv64": {"name": "riscv64", "suffix": ""}}},
        "not for x86_64",
    ),
}


def play(playbook: str, variables: dict, *options: str, inventory: str = "inventories/lab-ha") -> str:
    """Run a playbook that must fail; what it printed."""
    command = ["ansible-playbook", "-i", inventory, playbook, "-e", json.dumps(variables), *options]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"}
    run = subprocess.run(command, check=False, cwd=PROJECT, env=environment, capture_output=True, text=True)
    assert run.returncode != 0, run.stdout[-2000:]
    return run.stdout


def said(output: str) -> str:
    """What came from the first task that failed on."""
    first = min((at for at in map(output.find, ("\nfatal: ", "\nfailed: ")) if at >= 0), default=None)
    assert first is not None, output[-2000:]
    return output[first:]


def look(fleet) -> dict:
    """All that a refusal must leave alone."""
    command = (
        "find /etc/rancher /etc/systemd/system /usr/local/bin -type f -exec sha256sum {} + 2>/dev/null | sort; "
        "systemctl show k3s.service k3s-agent.service --property ExecMainStartTimestamp,ActiveState"
    )
    seen = {name: fleet.on(name).run(command).stdout for name in fleet.hosts}
    seen["nodes"] = {name: node["spec"] for name, node in fleet.nodes().items()}
    return seen


@pytest.mark.parametrize("name", RUNNING)
def test_it_is_refused_and_nothing_has_changed(fleet, name):
    playbook, variables, words = RUNNING[name]
    before = look(fleet)
    assert words in said(play(playbook, variables))
    assert look(fleet) == before


def test_an_even_number_of_servers(fleet, tmp_path):
    groups = yaml.safe_load((PROJECT / "inventories/lab-ha/hosts.yml").read_text())
    del groups["all"]["children"]["k3s_server"]["hosts"][BARE_SERVER]
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(groups))
    (tmp_path / "group_vars").symlink_to(PROJECT / "inventories/lab-ha/group_vars")
    before = look(fleet)
    assert "2 servers with embedded etcd" in said(play(K3S, {}, inventory=str(tmp_path)))
    assert look(fleet) == before


def test_a_range_that_overlaps_with_the_swarms(fleet):
    ranges = {"cluster-init": True, "disable": ["traefik", "servicelb"], "cluster-cidr": "172.18.0.0/16"}
    before = look(fleet)
    line = said(play(K3S, {"k3s_server_config": ranges}, "--limit", BARE_SERVER))
    assert "cluster-cidr 172.18.0.0/16 overlaps Docker's network 'docker_gwbridge'" in line
    assert look(fleet) == before


def test_a_port_that_is_taken(fleet):
    host = fleet.on(BARE_AGENT)
    before = look(fleet)
    host.check_output("systemd-run --unit molecule-squatter python3 -m http.server 10250")
    try:
        host.run("timeout 10 sh -c 'until ss -Hlnt sport = :10250 | grep -q .; do :; done'")
        assert "port 10250/tcp (kubelet) is held by python3" in said(play(K3S, {}, "--limit", BARE_AGENT))
    finally:
        host.check_output("systemctl stop molecule-squatter")
    assert look(fleet) == before


def test_a_server_that_does_not_answer(fleet):
    before = look(fleet)
    line = said(play(K3S, {"k3s_api_address": "172.31.77.99"}, "--limit", BARE_AGENT))
    assert "no server answers this host" in line
    # Whether a server answers is known once the others' firewalls let the new host in, and that comes after its release.
    after = look(fleet)
    installed = after.pop(BARE_AGENT).replace(before.pop(BARE_AGENT), "").split()
    assert installed[1:] in ([], ["/usr/local/bin/k3s"])
    assert after == before


def test_a_server_that_is_unreachable(fleet):
    before = look(fleet)
    output = play(K3S, {"ansible_host": "172.31.77.99", "ansible_ssh_timeout": 3}, "--limit", BARE_SERVER)
    assert "UNREACHABLE!" in output
    assert look(fleet) == before


def test_a_reboot_under_tasks_of_the_swarm(fleet):
    before = look(fleet)
    line = said(play(REBOOT, {"reboot_booted_before": LATER}, "--limit", BARE_AGENT))
    assert "tasks of the Swarm run on sophia-development and would end" in line
    assert look(fleet) == before


def test_the_only_server_is_not_taken(fleet, tmp_path):
    groups = yaml.safe_load((PROJECT / "inventories/lab-ha/hosts.yml").read_text())
    only = fleet.servers[0]
    groups["all"]["children"]["k3s_server"]["hosts"] = {only: {"ansible_host": "172.31.77.11"}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(groups))
    (tmp_path / "group_vars").symlink_to(PROJECT / "inventories/lab-ha/group_vars")
    before = look(fleet)
    assert "is the only server" in said(play("playbooks/k3s_remove.yml", {"node": only}, inventory=str(tmp_path)))
    assert "run this without --limit" in said(
        play("playbooks/k3s_remove.yml", {"node": only}, "--limit", f"localhost,{only}")
    )
    assert look(fleet) == before


def test_a_rotation_that_a_server_would_miss(fleet):
    before = look(fleet)
    line = said(play("playbooks/k3s_token_rotate.yml", {}, "--limit", fleet.servers[0]))
    assert "would miss the rotation" in line
    assert look(fleet) == before


def test_a_drain_that_a_budget_holds_until_the_deadline(fleet):
    before = look(fleet)
    agent = "sophia-data-pipeline"
    variables = {"reboot_booted_before": LATER, "rolling_drain_timeout": 5, "rolling_stops_containers": False}
    line = said(play(REBOOT, variables, "--limit", agent))
    try:
        assert "default/kept" in line
        assert "disruptions allowed: 0" in line
        assert "It is left cordoned" in line
        node = fleet.nodes()[agent]
        assert node["spec"]["unschedulable"] is True
        assert "default/kept" in json.loads(node["metadata"]["annotations"]["replatform.sophia.ai/rolling"])["fault"]
        assert fleet.kubectl("get", "pods", "--selector", "app=kept")["items"][0]["status"]["phase"] == "Running"
    finally:
        fleet.on(fleet.servers[0]).check_output(f"k3s kubectl uncordon {agent}")
    assert {**look(fleet), "nodes": 0} == {**before, "nodes": 0}


def give_gpu(host, device: str, secure_boot: bool) -> dict:
    """Have a host show a GPU to whoever looks below /run/molecule-gpu; the variables with which the roles look there."""
    card = "/run/molecule-gpu/sys/bus/pci/devices/0000:01:00.0"
    variable = "/run/molecule-gpu/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
    host.check_output(f"rm -rf /run/molecule-gpu && mkdir -p {card} {os.path.dirname(variable)}")
    for name, value in {"vendor": "0x10de", "device": device, "class": "0x030200"}.items():
        host.check_output(f"echo {value} > {card}/{name}")
    host.check_output(f"printf '\\006\\000\\000\\000\\{int(secure_boot):03}' > {variable}")
    return {
        "nvidia_driver_root": "/run/molecule-gpu",
        "nvidia_driver_source": "debian",
        "nvidia_device_plugin_root": "/run/molecule-gpu",
        "nvidia_device_plugin_kubeconfig": "/run/no-kubeconfig",
        "nvidia_device_plugin_image": "registry.example/device-plugin@sha256:" + "0" * 64,
    }


@pytest.mark.parametrize(
    ("device", "secure_boot", "words"),
    [("0xffff", False, "10de:ffff"), ("0x2236", True, "Secure Boot is on and would reject the unsigned module")],
    ids=["unknown GPU", "Secure Boot"],
)
def test_a_gpu_that_cannot_be_driven(fleet, device, secure_boot, words):
    host = fleet.on(BARE_AGENT)
    variables = give_gpu(host, device, secure_boot)
    packages = host.check_output("dpkg-query --show; apt-mark showhold; find /etc/apt /etc/modprobe.d -type f")
    before = look(fleet)
    assert words in said(play("playbooks/nvidia_drivers.yml", variables, "--limit", BARE_AGENT))
    assert look(fleet) == before
    assert packages == host.check_output("dpkg-query --show; apt-mark showhold; find /etc/apt /etc/modprobe.d -type f")
