# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The NVIDIA devices on the PCI bus, and which GPUs are known by their ids."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.gpu.sysfs import Tree

DEVICES = "/sys/bus/pci/devices"
NVIDIA = "10de"

# A GPU with a display is a VGA controller, one without a 3D controller. Its sound (0x0403) and USB are functions of their own.
GPU_CLASSES = ("0x0300", "0x0302")
NVSWITCH_CLASS = "0x0680"


class Device(t.NamedTuple):
    address: str
    vendor: str
    device: str
    pci_class: str

    @property
    def is_gpu(self) -> bool:
        return self.vendor == NVIDIA and self.pci_class.startswith(GPU_CLASSES)

    @property
    def is_nvswitch(self) -> bool:
        return self.vendor == NVIDIA and self.pci_class.startswith(NVSWITCH_CLASS)


class Model(t.NamedTuple):
    """What an id stands for; C(branch) is the oldest driver branch that runs it in each flavour that it has."""

    name: str
    architecture: str
    branch: int
    mig_capable: bool = False


# Ids and names: U(https://pci-ids.ucw.cz/read/PC/10de). MIG: U(https://docs.nvidia.com/datacenter/tesla/mig-user-guide/).
# Branches: the open modules run data centre GPUs since 515 and workstation GPUs since 545
# (U(https://github.com/NVIDIA/open-gpu-kernel-modules/releases/tag/545.23.06)); newer GPUs need the branch that brought them.
# Data centre Blackwell with NVLink is not here: its switches aren't NVSwitch devices on the PCI bus.
MODELS = {
    "1e30": Model("Quadro RTX 6000/8000", "Turing", 545),
    "1e36": Model("Quadro RTX 6000", "Turing", 545),
    "1e78": Model("Quadro RTX 6000/8000", "Turing", 545),
    "1eb0": Model("Quadro RTX 5000", "Turing", 545),
    "1eb1": Model("Quadro RTX 4000", "Turing", 545),
    "1eb4": Model("T4G", "Turing", 515),
    "1eb8": Model("Tesla T4", "Turing", 515),
    "20b0": Model("A100 SXM4 40GB", "Ampere", 515, True),
    "20b1": Model("A100 PCIe 40GB", "Ampere", 515, True),
    "20b2": Model("A100 SXM4 80GB", "Ampere", 515, True),
    "20b3": Model("A100 SXM 64GB", "Ampere", 515, True),
    "20b5": Model("A100 PCIe 80GB", "Ampere", 515, True),
    "20b7": Model("A30 PCIe", "Ampere", 515, True),
    "20f1": Model("A100 PCIe 40GB", "Ampere", 515, True),
    "2230": Model("RTX A6000", "Ampere", 545),
    "2231": Model("RTX A5000", "Ampere", 545),
    "2232": Model("RTX A4500", "Ampere", 545),
    "2233": Model("RTX A5500", "Ampere", 545),
    "2235": Model("A40", "Ampere", 515),
    "2236": Model("A10", "Ampere", 515),
    "2237": Model("A10G", "Ampere", 515),
    "2238": Model("A10M", "Ampere", 515),
    "24b0": Model("RTX A4000", "Ampere", 545),
    "25b6": Model("A2/A16", "Ampere", 515),
    "26b1": Model("RTX 6000 Ada Generation", "Ada", 545),
    "26b2": Model("RTX 5000 Ada Generation", "Ada", 545),
    "26b3": Model("RTX 5880 Ada Generation", "Ada", 545),
    "26b5": Model("L40", "Ada", 525),
    "26b8": Model("L40G", "Ada", 525),
    "26b9": Model("L40S", "Ada", 535),
    "27b8": Model("L4", "Ada", 525),
    "2321": Model("H100 NVL 94GB", "Hopper", 535, True),
    "2330": Model("H100 SXM5 80GB", "Hopper", 525, True),
    "2331": Model("H100 PCIe", "Hopper", 525, True),
    "2335": Model("H200 SXM 141GB", "Hopper", 550, True),
    "233b": Model("H200 NVL", "Hopper", 550, True),
    "2342": Model("GH200 120GB/480GB", "Grace Hopper", 535, True),
    "2348": Model("GH200 144G HBM3e", "Grace Hopper", 535, True),
    "2bb1": Model("RTX PRO 6000 Blackwell Workstation Edition", "Blackwell", 575, True),
    "2bb4": Model("RTX PRO 6000 Blackwell Max-Q Workstation Edition", "Blackwell", 575, True),
    "2bb5": Model("RTX PRO 6000 Blackwell Server Edition", "Blackwell", 575, True),
}


def devices(tree: Tree) -> list[Device]:
    """The devices on the PCI bus, by address. The virtual functions of a device belong to a guest and are left out."""
    found = []
    for address in tree.names(DEVICES):
        folder = f"{DEVICES}/{address}"
        vendor, device, pci_class = (tree.text(f"{folder}/{name}") for name in ("vendor", "device", "class"))
        if vendor and device and pci_class and not tree.exists(f"{folder}/physfn"):
            found.append(Device(address, _id(vendor), _id(device), pci_class.lower()))
    return sorted(found, key=lambda device: _order(device.address))


def _id(text: str) -> str:
    return text.lower().replace("0x", "", 1).zfill(4)


def _order(address: str) -> list[int]:
    """A domain may have more than four digits, so addresses don't sort as text."""
    return [int(part, 16) for part in address.replace(".", ":").split(":")]
