# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.gpu import driver
from ansible_collections.sophia.replatform.plugins.module_utils.gpu.driver import Driver
from ansible_collections.sophia.replatform.plugins.module_utils.gpu.sysfs import Tree

OPEN, PROPRIETARY = "Dual MIT/GPL", "NVIDIA"


def tree(host):
    return Tree(str(host.root))


def no_modinfo(path, field):
    raise AssertionError(f"modinfo was asked for {field} of {path}")


def installed(host):
    return driver.installed(tree(host), host.release, no_modinfo)


def state(host, coherent=False, following=None):
    return driver.state(tree(host), host.release, following, no_modinfo, coherent)


# What is loaded


@pytest.mark.parametrize(
    "line, told",
    [
        (
            "NVIDIA UNIX Open Kernel Module for x86_64  525.60.11  Release Build  (archlinux-builder@localhost)  ",
            Driver("525.60.11", "open"),
        ),
        (
            "NVIDIA UNIX Open Kernel Module for aarch64  580.65.06  Release Build  (dvs-builder@U22)  Sun Jul 27",
            Driver("580.65.06", "open"),
        ),
        (
            "NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024",
            Driver("535.183.01", "proprietary"),
        ),
        (
            "NVIDIA UNIX aarch64 Kernel Module  550.54.15  Tue Mar  5 22:15:33 UTC 2024",
            Driver("550.54.15", "proprietary"),
        ),
        ("something else 1.2.3 altogether", Driver("1.2.3", "proprietary")),
    ],
)
def test_the_running_driver_tells_version_and_flavour(host, line, told):
    made = host("no-nvidia")
    made.write("proc/driver/nvidia/version", f"NVRM version: {line}\nGCC version:  gcc version 12.2.0 (GCC) \n")
    assert driver.loaded(tree(made)) == told


@pytest.mark.parametrize("taint, flavour", [("POE", "proprietary"), ("OE", "open"), ("", "open")])
def test_without_procfs_the_taint_tells_the_flavour(host, taint, flavour):
    made = host("no-nvidia")
    made.write("sys/module/nvidia/version", "580.65.06")
    made.write("sys/module/nvidia/taint", taint)
    assert driver.loaded(tree(made)) == Driver("580.65.06", flavour)


def test_no_driver_is_loaded(host):
    assert driver.loaded(tree(host("a100-pcie-40gb"))) is None


# What is installed


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
@pytest.mark.parametrize("licence, flavour", [(OPEN, "open"), (PROPRIETARY, "proprietary")])
def test_a_module_tells_version_and_flavour(host, suffix, licence, flavour):
    made = host("a100-pcie-40gb")
    made.install("580.65.06", licence, f"updates/dkms/nvidia.ko{suffix}")
    assert installed(made) == Driver("580.65.06", flavour)


def test_modinfo_is_asked_for_what_python_can_t_decompress(host, monkeypatch):
    monkeypatch.setattr(driver, "_DECOMPRESS", {})
    made = host("a100-pcie-40gb")
    made.install("580.65.06", OPEN, "updates/dkms/nvidia.ko.zst")
    asked = []

    def modinfo(path, field):
        asked.append((path, field))
        return {"version": "580.65.06", "license": OPEN}[field]

    assert driver.installed(tree(made), made.release, modinfo) == Driver("580.65.06", "open")
    path = str(made.root / f"lib/modules/{made.release}/updates/dkms/nvidia.ko.zst")
    assert asked == [(path, "version"), (path, "license")]


@pytest.mark.skipif(driver.zstd is None, reason="zstd is in the standard library as of Python 3.14")
def test_a_module_compressed_with_zstd_is_read(host):
    made = host("a100-pcie-40gb")
    made.install("580.65.06", OPEN, "updates/dkms/nvidia.ko.zst")
    assert installed(made) == Driver("580.65.06", "open")


@pytest.mark.parametrize(
    "name",
    [
        "nvidia-current.ko",
        "nvidia-current-open.ko",
        "nvidia-tesla.ko",
        "nvidia-tesla-535-open.ko",
        "nvidia-tesla-470.ko.xz",
    ],
)
def test_debian_s_names_are_known(host, name):
    made = host("a100-pcie-40gb")
    made.install("535.247.01", PROPRIETARY, f"updates/dkms/{name}")
    assert installed(made) == Driver("535.247.01", "proprietary")


@pytest.mark.parametrize(
    "name", ["nvidia-uvm.ko", "nvidia-drm.ko", "nvidiafb.ko", "forcedeth.ko", "nvidia.ko.bak", "i2c-nvidia-gpu.ko"]
)
def test_other_modules_are_no_driver(host, name):
    made = host("a100-pcie-40gb")
    made.install("580.65.06", OPEN, f"kernel/x/{name}")
    assert installed(made) is None


def test_nvidia_ko_goes_before_debian_s_names(host):
    made = host("a100-pcie-40gb")
    made.install("535.247.01", PROPRIETARY, "updates/dkms/nvidia-current.ko")
    made.install("580.65.06", OPEN)
    listing = "updates/dkms/nvidia-current.ko:\nupdates/dkms/nvidia.ko:\n"
    made.write(f"lib/modules/{made.release}/modules.dep", listing)
    assert installed(made) == Driver("580.65.06", "open")


def test_a_module_that_is_listed_but_gone_is_not_installed(host):
    made = host("hgx-a100-8x80gb")
    made.remove(f"lib/modules/{made.release}/updates/dkms/nvidia.ko")
    assert installed(made) is None


def test_a_driver_for_another_kernel_is_not_installed_for_this_one(host):
    made = host("a100-pcie-40gb")
    made.install("580.65.06", OPEN, release="6.8.0-40-generic")
    assert installed(made) is None


@pytest.mark.parametrize("name", ["nvidia.ko", "nvidia.ko.gz", "nvidia.ko.xz"])
@pytest.mark.parametrize("keep", [0, 5, 40, 100])
def test_a_broken_module_is_named(host, name, keep):
    made = host("a100-pcie-40gb")
    made.install("580.65.06", OPEN, f"updates/dkms/{name}")
    path = made.root / f"lib/modules/{made.release}/updates/dkms/{name}"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ReplatformError, match=f"{name} (can't be read as a kernel module|tells no version)"):
        installed(made)


def test_a_module_of_32_bits_is_no_driver(host):
    made = host("a100-pcie-40gb")
    made.install("580.65.06", OPEN)
    path = made.root / f"lib/modules/{made.release}/updates/dkms/nvidia.ko"
    path.write_bytes(b"\x7fELF\x01\x01" + path.read_bytes()[6:])
    with pytest.raises(ReplatformError, match="no ELF file of 64 bits"):
        installed(made)


def test_a_module_without_a_version_is_named(host):
    made = host("a100-pcie-40gb")
    made.install("", OPEN)
    with pytest.raises(ReplatformError, match="nvidia.ko tells no version"):
        installed(made)


# Both together


@pytest.mark.parametrize(
    "name, loaded, found, flavour, reboot_needed",
    [
        ("quadro-rtx-6000", "535.183.01", "535.183.01", "proprietary", False),
        ("rtx-6000-ada", "580.65.06", "580.65.06", "open", False),
        ("a10", "535.183.01", "580.65.06", "proprietary", True),
        ("a100-pcie-40gb", None, None, None, False),
        ("rtx-a6000", None, None, None, False),
    ],
)
def test_a_driver_that_is_not_the_one_on_disk_needs_a_reboot(host, name, loaded, found, flavour, reboot_needed):
    told = state(host(name))
    assert (told["loaded"], told["installed"]) == (loaded, found)
    assert (told["flavour"], told["reboot_needed"]) == (flavour, reboot_needed)


def test_the_other_flavour_of_the_same_version_needs_a_reboot(host):
    made = host("rtx-6000-ada")
    made.install("580.65.06", PROPRIETARY)
    assert state(made)["reboot_needed"]


def test_a_driver_that_waits_behind_nouveau_needs_a_reboot(host):
    made = host("rtx-a6000")
    told = state(made)
    assert told["nouveau_loaded"] and not told["reboot_needed"]
    made.install("580.65.06", OPEN)
    told = state(made)
    assert told["nouveau_loaded"] and told["reboot_needed"]
    assert (told["loaded"], told["installed"], told["flavour"]) == (None, "580.65.06", "open")


def test_a_driver_that_only_has_to_be_loaded_needs_no_reboot(host):
    made = host("a100-pcie-40gb")
    made.install("580.65.06", OPEN)
    assert not state(made)["reboot_needed"]


def test_a_loaded_driver_without_a_file_waits_for_nothing(host):
    made = host("hgx-a100-8x80gb")
    made.remove(f"lib/modules/{made.release}/modules.dep")
    told = state(made)
    assert (told["loaded"], told["installed"], told["reboot_needed"]) == ("580.65.06", None, False)


# Memory that processor and GPU share


@pytest.mark.parametrize(
    "params, mode",
    [
        ('EnableUserNUMAManagement: 1\nCoherentGPUMemoryMode: ""\n', "numa"),
        ('EnableUserNUMAManagement: 0\nCoherentGPUMemoryMode: "driver"\n', "driver"),
        ('EnableUserNUMAManagement: 1\nCoherentGPUMemoryMode: "numa"\n', "numa"),
        # The option is what NVIDIA's documentation tells to look at.
        ('EnableUserNUMAManagement: 1\nCoherentGPUMemoryMode: "driver"\n', "driver"),
        # A branch that defaults to driver leaves the option empty.
        ('EnableUserNUMAManagement: 0\nCoherentGPUMemoryMode: ""\n', "driver"),
        # A branch without the option.
        ("EnableUserNUMAManagement: 1\nRmMsg: \n", "numa"),
    ],
)
def test_the_memory_mode_is_the_one_in_effect(host, params, mode):
    made = host("gh200")
    made.write("proc/driver/nvidia/params", params)
    assert driver.coherent_memory_mode(tree(made)) == mode
    assert state(made, coherent=True)["coherent_memory_mode"] == mode
    assert state(made, coherent=False)["coherent_memory_mode"] is None


def test_there_is_no_memory_mode_without_a_driver(host):
    made = host("gh200")
    made.remove("proc/driver")
    assert state(made, coherent=True)["coherent_memory_mode"] is None


def test_a_kernel_that_waits_for_the_reboot_has_a_module_of_its_own_or_none(host):
    made = host("a100-pcie-40gb")
    made.install("580.65.06", OPEN)
    assert state(made)["next"] == state(made, following=made.release)["next"] == "580.65.06"
    assert state(made, following="5.15.0-130-generic")["next"] is None
    made.install("580.95.05", OPEN, release="5.15.0-130-generic")
    told = state(made, following="5.15.0-130-generic")
    assert (told["installed"], told["next"], told["reboot_needed"]) == ("580.65.06", "580.95.05", False)
