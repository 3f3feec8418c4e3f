# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module on whole hosts, whose trees were written after the documented formats, not recorded; see conftest."""

from __future__ import annotations

import os
import pathlib

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sophia.replatform.plugins.module_utils.gpu import driver, profile
from ansible_collections.sophia.replatform.plugins.modules import gpu_info

NO_DRIVER = {
    "loaded": None,
    "installed": None,
    "next": None,
    "flavour": None,
    "reboot_needed": False,
    "coherent_memory_mode": None,
    "nouveau_loaded": False,
}
PLAIN = {
    "kernel_modules": "either",
    "coherent_memory_mode": None,
    "fabric_manager": False,
    "mig_capable": False,
    "kernel_arguments": [],
}
DRIVER = {**NO_DRIVER, "loaded": "580.65.06", "installed": "580.65.06", "next": "580.65.06", "flavour": "open"}
OLD_DRIVER = {
    **NO_DRIVER,
    "loaded": "535.183.01",
    "installed": "535.183.01",
    "next": "535.183.01",
    "flavour": "proprietary",
}


def state(root):
    """Every path below a folder with what it holds and when it was changed."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            status = os.lstat(path)
            content = pathlib.Path(path).read_bytes() if os.path.isfile(path) else b""
            found[path] = (status.st_mode, status.st_mtime_ns, content)
    return found


@pytest.mark.parametrize(
    "name, gpus, expected_driver, secure_boot, expected_profile",
    [
        (
            "quadro-rtx-6000",
            [("0000:17:00.0", "1e30", "Quadro RTX 6000/8000"), ("0000:65:00.0", "1e30", "Quadro RTX 6000/8000")],
            OLD_DRIVER,
            False,
            {**PLAIN, "architecture": "Turing", "minimum_branch": 545, "gpu_count": 2},
        ),
        (
            "rtx-6000-ada",
            [("0000:01:00.0", "26b1", "RTX 6000 Ada Generation")],
            DRIVER,
            True,
            {**PLAIN, "architecture": "Ada", "minimum_branch": 545, "gpu_count": 1},
        ),
        (
            "a100-pcie-40gb",
            [("0000:00:05.0", "20f1", "A100 PCIe 40GB")],
            NO_DRIVER,
            None,
            {**PLAIN, "architecture": "Ampere", "minimum_branch": 515, "mig_capable": True, "gpu_count": 1},
        ),
        (
            "hgx-a100-8x80gb",
            [
                (f"0000:{bus}:00.0", "20b2", "A100 SXM4 80GB")
                for bus in ("07", "0a", "44", "4a", "84", "8a", "c0", "c3")
            ],
            DRIVER,
            False,
            {
                **PLAIN,
                "architecture": "Ampere",
                "minimum_branch": 515,
                "fabric_manager": True,
                "mig_capable": True,
                "gpu_count": 8,
            },
        ),
        (
            "rtx-a6000",
            [("0000:21:00.0", "2230", "RTX A6000"), ("0000:41:00.0", "2230", "RTX A6000")],
            {**NO_DRIVER, "nouveau_loaded": True},
            True,
            {**PLAIN, "architecture": "Ampere", "minimum_branch": 545, "gpu_count": 2},
        ),
        (
            "a10",
            [("0000:31:00.0", "2236", "A10"), ("0000:b1:00.0", "2236", "A10")],
            {**OLD_DRIVER, "installed": "580.65.06", "next": "580.65.06", "reboot_needed": True},
            False,
            {**PLAIN, "architecture": "Ampere", "minimum_branch": 515, "gpu_count": 2},
        ),
        (
            "gh200",
            [("0009:01:00.0", "2342", "GH200 120GB/480GB")],
            {**DRIVER, "coherent_memory_mode": "numa"},
            False,
            {
                **PLAIN,
                "architecture": "Grace Hopper",
                "kernel_modules": "open",
                "minimum_branch": 580,
                "coherent_memory_mode": "driver",
                "kernel_arguments": ["init_on_alloc=0", "memhp_default_state=online_movable", "numa_balancing=disable"],
                "gpu_count": 1,
            },
        ),
        ("no-nvidia", [], NO_DRIVER, False, None),
    ],
)
def test_a_host_is_told_as_it_is(host, info, name, gpus, expected_driver, secure_boot, expected_profile):
    made = host(name)
    before = state(made.root)
    told = info(made)
    assert not told["changed"] and "failed" not in told
    assert [(gpu["address"], gpu["device"], gpu["name"]) for gpu in told["gpus"]] == gpus
    assert told["driver"] == expected_driver
    assert told["secure_boot"] is secure_boot
    assert told["profile"] == expected_profile
    assert state(made.root) == before


def test_a_gpu_has_the_fields_that_are_documented(host, info):
    assert info(host("a100-pcie-40gb"))["gpus"] == [
        {
            "address": "0000:00:05.0",
            "vendor": "10de",
            "device": "20f1",
            "class": "0x030200",
            "name": "A100 PCIe 40GB",
            "architecture": "Ampere",
            "mig_capable": True,
        }
    ]


def test_nvswitches_are_told_by_address(host, info):
    assert info(host("hgx-a100-8x80gb"))["nvswitches"] == [f"0000:c{bus}:00.0" for bus in range(4, 10)]
    assert info(host("a100-pcie-40gb"))["nvswitches"] == []


def test_the_kernel_is_told(host, info):
    told = info(host("gh200"))
    assert (told["kernel"]["release"], told["kernel"]["page_size"]) == ("6.8.0-1028-nvidia-64k", 65536)
    assert told["kernel"]["command_line"][-1] == "init_on_alloc=0"
    assert told["machine"] == "aarch64"
    told = info(host("rtx-6000-ada"))
    assert (told["kernel"]["page_size"], told["machine"]) == (4096, "x86_64")
    assert told["kernel"]["command_line"][-1] == 'dyndbg="file nvidia.c +p"'


def test_check_mode_tells_the_same(host, info):
    made = host("hgx-a100-8x80gb")
    told, checked = info(made), info(made, _ansible_check_mode=True)
    assert {**checked, "invocation": told["invocation"]} == told


def test_an_unknown_gpu_is_refused_until_it_is_accepted(host, info):
    made = host("no-nvidia")
    made.device("0000:01:00.0", "0x10de", "0x2B85", "0x030000")
    refused = info(made)
    assert refused["failed"]
    assert (
        refused["msg"]
        == "not a known NVIDIA GPU: 0000:01:00.0 (10de:2b85); name its architecture in accept_unknown to go on"
    )
    told = info(made, accept_unknown={"10de:2b85": "Blackwell"})
    assert (told["gpus"][0]["name"], told["profile"]["kernel_modules"]) == ("NVIDIA 2b85", "open")


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda host: host.write("sys/bus/pci/devices/0000:00:05.0/vendor", {"link": "vendor"}),
            "0000:00:05.0/vendor can't be read",
        ),
        (lambda host: host.remove("sys/bus"), "is not the root of a host"),
        (lambda host: host.device("0000:02:00.0", "0x10de", "0xffff", "0x030000"), "0000:02:00.0 (10de:ffff)"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(host, info, change, message):
    made = host("a100-pcie-40gb")
    change(made)
    told = info(made)
    assert told["failed"]
    assert message in told["msg"]
    assert "\n" not in told["msg"]


def test_modinfo_reads_the_very_file_that_python_can_t_decompress(host, info, monkeypatch):
    monkeypatch.setattr(driver, "_DECOMPRESS", {})
    made = host("a100-pcie-40gb")
    made.install("580.65.06", "NVIDIA", "updates/dkms/nvidia.ko.zst")
    ran = []

    def run_command(_module, command):
        ran.append(command)
        return 0, {"version": "580.65.06\n", "license": "NVIDIA\n"}[command[2]], ""

    monkeypatch.setattr(AnsibleModule, "get_bin_path", lambda _module, name: f"/sbin/{name}")
    monkeypatch.setattr(AnsibleModule, "run_command", run_command)
    told = info(made)
    assert (told["driver"]["installed"], told["driver"]["flavour"]) == ("580.65.06", "proprietary")
    path = str(made.root / f"lib/modules/{made.release}/updates/dkms/nvidia.ko.zst")
    assert ran == [["/sbin/modinfo", "-F", "version", path], ["/sbin/modinfo", "-F", "license", path]]


@pytest.mark.parametrize(
    "program, message",
    [
        (None, "nvidia.ko.zst is compressed with zstd, which this Python can't read; install kmod for modinfo"),
        ("/sbin/modinfo", "nvidia.ko.zst: modinfo: ERROR: broken"),
    ],
)
def test_a_module_that_nothing_can_read_is_named(host, info, monkeypatch, program, message):
    monkeypatch.setattr(driver, "_DECOMPRESS", {})
    made = host("a100-pcie-40gb")
    made.install("580.65.06", "NVIDIA", "updates/dkms/nvidia.ko.zst")
    monkeypatch.setattr(AnsibleModule, "get_bin_path", lambda _module, _name: program)
    monkeypatch.setattr(AnsibleModule, "run_command", lambda _module, _command: (1, "", "modinfo: ERROR:\n  broken\n"))
    told = info(made)
    assert told["failed"]
    assert message in told["msg"]


def test_nothing_is_run_where_python_can_read_everything(host, info, monkeypatch):
    def run_command(_module, command):
        raise AssertionError(command)

    monkeypatch.setattr(AnsibleModule, "run_command", run_command)
    for name in ("a10", "gh200", "hgx-a100-8x80gb"):
        assert info(host(name))["driver"]["installed"] == "580.65.06"


def test_the_documentation_names_what_is_returned_and_what_is_accepted(host, info):
    told = info(host("gh200"))
    documented = yaml.safe_load(gpu_info.RETURN)
    assert set(told) - {"changed", "invocation"} == set(documented)
    for name in ("driver", "profile"):
        assert set(told[name]) == set(documented[name]["contains"])
    assert set(told["gpus"][0]) == set(documented["gpus"]["sample"][0])
    assert set(told["kernel"]) == set(documented["kernel"]["sample"])
    text = " ".join(yaml.safe_load(gpu_info.DOCUMENTATION)["options"]["accept_unknown"]["description"])
    assert all(f"V({architecture})" in text for architecture in profile.ARCHITECTURES)
