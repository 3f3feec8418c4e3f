# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import re

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.gpu import pci, profile
from ansible_collections.sophia.replatform.plugins.module_utils.gpu.sysfs import Tree


def gpus(host):
    return [device.address for device in pci.devices(Tree(str(host.root))) if device.is_gpu]


def test_devices_are_reached_through_links_as_sysfs_has_them(host):
    made = host("quadro-rtx-6000")
    assert all(path.is_symlink() for path in (made.root / "sys/bus/pci/devices").iterdir())
    assert gpus(made) == ["0000:17:00.0", "0000:65:00.0"]


def test_ids_in_capitals_are_the_same_ids(host):
    made = host("no-nvidia")
    made.device("0000:01:00.0", "0x10DE", "0x20B2", "0X030200")
    (found,) = (device for device in pci.devices(Tree(str(made.root))) if device.is_gpu)
    assert found == pci.Device("0000:01:00.0", "10de", "20b2", "0x030200")


@pytest.mark.parametrize(
    "pci_class", ["0x040300", "0x0c0330", "0x0c8000", "0x060400", "0x068000", "0x038000", "0x000300"]
)
def test_only_vga_and_3d_controllers_are_gpus(host, pci_class):
    made = host("no-nvidia")
    made.device("0000:01:00.0", "0x10de", "0x2236", pci_class)
    assert gpus(made) == []


@pytest.mark.parametrize("pci_class", ["0x030000", "0x030200"])
@pytest.mark.parametrize("vendor, count", [("0x10de", 1), ("0x1002", 0)])
def test_only_those_of_nvidia_count(host, pci_class, vendor, count):
    made = host("no-nvidia")
    made.device("0000:01:00.0", vendor, "0x2236", pci_class)
    assert len(gpus(made)) == count


def test_a_virtual_function_belongs_to_a_guest(host):
    made = host("no-nvidia")
    made.device("0000:01:00.0", "0x10de", "0x2236", "0x030200")
    made.device("0000:01:00.4", "0x10de", "0x2236", "0x030200")
    made.write("sys/devices/pci0000:00/0000:01:00.4/physfn", {"link": "../0000:01:00.0"})
    assert gpus(made) == ["0000:01:00.0"]


def test_a_device_that_went_away_between_listing_and_reading_is_left_out(host):
    made = host("a100-pcie-40gb")
    made.write("sys/bus/pci/devices/0000:00:09.0", {"link": "../../../devices/pci0000:00/0000:00:09.0"})
    assert gpus(made) == ["0000:00:05.0"]


def test_addresses_are_in_the_order_of_their_numbers(host):
    made = host("no-nvidia")
    for address in ("10000:01:00.0", "ffff:01:00.0", "0000:c1:00.0", "0000:0a:00.0"):
        made.device(address, "0x10de", "0x2236", "0x030200")
    assert gpus(made) == ["0000:0a:00.0", "0000:c1:00.0", "ffff:01:00.0", "10000:01:00.0"]


def test_the_table_has_ids_as_devices_tell_them_and_architectures_that_have_a_profile():
    for identifier, model in pci.MODELS.items():
        assert re.fullmatch("[0-9a-f]{4}", identifier)
        assert model.branch >= profile.ARCHITECTURES[model.architecture][1], model.name
