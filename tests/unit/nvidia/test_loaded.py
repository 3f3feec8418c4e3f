from __future__ import annotations

import hosts
import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.gpu.loaded import driver_faults, kernels_without

GH200 = {"profile": hosts.GH200, "coherent_memory_mode": "driver"}


@pytest.mark.parametrize(
    "gpu, asked, said",
    [
        (hosts.gpu(driver="580.1"), {}, []),
        (hosts.gpu(driver="580.1", **GH200), {}, []),
        (hosts.gpu(installed="580.1"), {}, ["no driver is loaded in the kernel"]),
        (hosts.gpu(), {"modules": "none"}, ["no driver is loaded in the kernel"]),
        (
            hosts.gpu(loaded="570.1", installed="580.1", flavour="open", reboot_needed=True),
            {},
            ["570.1 is loaded and 580.1"],
        ),
        (hosts.gpu(loaded="580.1", flavour="open"), {}, ["no module is installed for the kernel"]),
        (hosts.gpu(loaded="580.1", flavour="open"), {"modules": "none"}, []),
        (hosts.gpu(driver="580.1", nouveau_loaded=True, reboot_needed=True), {}, ["nouveau is loaded"]),
        (hosts.gpu(driver="580.1", nouveau_loaded=True), {"modules": "none"}, ["nouveau is loaded"]),
        (hosts.gpu(driver="580.1", flavour="proprietary"), {}, ["the modules that are loaded are proprietary"]),
        (hosts.gpu(driver="580.1", flavour="proprietary"), {"ours": False}, []),
        (hosts.gpu(driver="580.1", flavour="proprietary"), {"modules": "none"}, []),
        (
            hosts.gpu(driver="580.1", flavour="proprietary", **GH200),
            {"ours": False},
            ["the modules that are loaded are proprietary"],
        ),
        (
            hosts.gpu(hosts.GH200, driver="580.1", coherent_memory_mode="numa"),
            {},
            ["the coherent memory mode is numa, not driver"],
        ),
        (hosts.gpu(driver="580.1"), {"arguments": ["iommu=pt"]}, ["started without iommu=pt"]),
    ],
)
def test_what_keeps_the_gpus_from_running(gpu, asked, said):
    faults = driver_faults(gpu, **asked)
    assert len(faults) == len(said)
    assert all(words in fault for words, fault in zip(said, faults))


@pytest.mark.parametrize(
    "gpu, missing",
    [
        (hosts.gpu(driver="580.1"), []),
        (hosts.gpu(), [hosts.KERNEL]),
        (hosts.gpu(driver="580.1", next="6.8.0-1", module_next=None), ["6.8.0-1"]),
        (hosts.gpu(driver="580.1", next="6.8.0-1", module_next="570.1"), ["6.8.0-1"]),
        (hosts.gpu(driver="570.1", next="6.8.0-1", module_next="580.1"), [hosts.KERNEL]),
        (hosts.gpu(next="6.8.0-1"), [hosts.KERNEL, "6.8.0-1"]),
        (hosts.gpu(driver="580.1", next=None), []),
    ],
)
def test_the_kernels_that_have_no_module_of_the_branch(gpu, missing):
    assert kernels_without(gpu, "580") == missing
