from __future__ import annotations

import hosts
import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.gpu import host_files
from ansible_collections.sophia.replatform.plugins.module_utils.gpu.driver_plan import driver_plan, reboot_reasons
from hypothesis import given
from hypothesis import strategies as st


def plan(host, **settings):
    return driver_plan(host, {**hosts.SETTINGS, **settings})


def refusal(host, **settings):
    with pytest.raises(RefusedError) as refused:
        plan(host, **settings)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_bare_host_gets_the_open_modules_with_everything_around_them():
    found = plan(hosts.ubuntu())
    assert found["action"] == "install" and found["modules"] == "dkms"
    assert "nvidia-headless-580-server-open" in found["install"]
    assert set(found["files"]) == {host_files.PIN, host_files.BLACKLIST, host_files.NOUVEAU}
    assert found["initramfs"] == [hosts.KERNEL] and not found["grub"]
    assert found["needed"] and found["because"]


# Recorded shape of a Lambda image: a driver and its packages, from a repository of its own.
LAMBDA = [
    "lambda-stack-cuda",
    "nvidia-utils-570",
    "libnvidia-compute-570",
    "nvidia-dkms-570-open",
    "nvidia-container-toolkit",
]


def test_a_healthy_driver_is_adopted_held_and_not_replaced():
    found = plan(
        hosts.ubuntu(gpu=hosts.gpu(driver="570.148.08"), packages=hosts.listing(LAMBDA, "570.148.08-0lambda1"))
    )
    assert found["action"] == "adopt" and found["install"] == []
    assert found["hold"] == ["libnvidia-compute-570", "nvidia-dkms-570-open", "nvidia-utils-570"]
    assert host_files.PIN not in found["files"]


def test_a_proprietary_driver_is_adopted_where_the_gpu_runs_with_either():
    host = hosts.ubuntu(
        gpu=hosts.gpu(driver="535.183.01", flavour="proprietary"), packages=hosts.listing(["nvidia-utils-535"])
    )
    assert plan(host)["action"] == "adopt"


def test_what_is_not_to_be_adopted_is_replaced():
    host = hosts.ubuntu(gpu=hosts.gpu(driver="570.148.08"), packages=hosts.listing(["nvidia-utils-570"]))
    assert plan(host, adopt=False)["action"] == "install"


@pytest.mark.parametrize(
    "driver",
    [
        {"driver": "570.1", "flavour": "proprietary"},
        {"driver": "575.1"},
        {"driver": "580.1", "loaded": None},
        {"driver": "580.1", "loaded": "570.1", "reboot_needed": True},
    ],
)
def test_what_can_not_run_the_gpu_is_not_adopted(driver):
    profile = {**hosts.A100, "kernel_modules": "open", "minimum_branch": 580}
    host = hosts.ubuntu(gpu=hosts.gpu(profile, **driver), packages=hosts.listing(["nvidia-utils-570"]))
    assert plan(host)["action"] != "adopt"


def test_lambda_stacks_driver_is_never_replaced_behind_its_back():
    host = hosts.ubuntu(gpu=hosts.gpu(driver="570.1", loaded=None), packages=hosts.listing(LAMBDA, "570.1"))
    assert refusal(host).startswith("driver 570.1 belongs to lambda-stack-cuda and can't be adopted: it is not loaded")


def test_our_own_driver_follows_the_branch():
    host = hosts.ubuntu()
    settled = hosts.settle(host, plan(host), hosts.SETTINGS)
    later = plan(settled, branch="590")
    assert later["action"] == "install" and "nvidia-headless-590-server-open" in later["install"]
    assert "580 is older than the driver 590.95.05" in refusal(
        hosts.settle(settled, later, {**hosts.SETTINGS, "branch": "590"})
    )


def test_a_kernel_without_the_module_is_seen():
    host = hosts.ubuntu()
    settled = hosts.settle(host, plan(host), hosts.SETTINGS)
    settled = hosts.settle(settled, plan(settled), hosts.SETTINGS)
    assert not plan(settled)["needed"]
    settled["gpu"]["driver"].update(loaded=None, installed=None)
    assert plan(settled)["action"] == "install"


def test_a_run_that_was_cut_off_before_the_module_was_loaded_is_made_good():
    host = hosts.ubuntu()
    settled = hosts.settle(host, plan(host), hosts.SETTINGS)
    settled = hosts.settle(settled, plan(settled), hosts.SETTINGS)
    settled["gpu"]["driver"]["loaded"] = None
    found = plan(settled)
    assert found["action"] == "keep" and found["load"] and found["needed"]


def test_a_run_that_was_cut_off_before_the_ram_disk_was_made_again_is_made_good():
    host = hosts.ubuntu()
    first = plan(host)
    host["files"] += [hosts.file(path, text, 200.0) for path, text in first["files"].items()]
    assert plan(host)["initramfs"]


def test_gh200_gets_its_boot_arguments_and_its_memory_mode():
    gpu = hosts.gpu(hosts.GH200, machine="aarch64")
    found = plan(hosts.ubuntu(gpu=gpu), kernel_arguments=["hugepages=1"])
    assert found["files"][host_files.COHERENT].endswith("options nvidia NVreg_CoherentGPUMemoryMode=driver\n")
    assert (
        '$GRUB_CMDLINE_LINUX_DEFAULT init_on_alloc=0 memhp_default_state=online_movable hugepages=1"'
        in found["files"][host_files.GRUB]
    )
    assert found["grub"] and found["initramfs"]
    assert any("started without init_on_alloc=0" in line for line in found["reboot"])


def test_gh200_with_an_old_driver_is_refused():
    assert "take 580 or later" in refusal(hosts.ubuntu(gpu=hosts.gpu(hosts.GH200)), branch="570")


def test_boot_arguments_without_grub_are_refused():
    host = hosts.ubuntu(gpu=hosts.gpu(hosts.GH200), files=[])
    assert refusal(host).startswith("/boot/grub/grub.cfg is not there")


def test_debian_gets_what_its_sources_lack_with_its_own_mirror_and_key():
    found = plan(hosts.debian(), branch="535")
    assert found["sources"][host_files.SOURCE] == (
        "Types: deb\nURIs: http://archive.example/debian\nSuites: bookworm\nComponents: contrib non-free non-free-firmware\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )
    assert "gcc-12" in found["install"]


def test_the_cuda_repository_is_added_once_and_named_by_nvidias_rules():
    gpu = hosts.gpu(hosts.GH200, machine="aarch64")
    found = plan(hosts.ubuntu(gpu=gpu), source="cuda")
    path = "/etc/apt/sources.list.d/cuda-ubuntu2204-sbsa.list"
    assert "repos/ubuntu2204/sbsa/ /" in found["sources"][path]
    assert found["key"]["url"].endswith("/ubuntu2204/sbsa/cuda-archive-keyring.gpg")
    there = "https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2204/sbsa/|/||/etc/apt/sources.list.d/cuda.list:1\n"
    again = plan(hosts.ubuntu(gpu=gpu, targets=hosts.UBUNTU_TARGETS + there), source="cuda")
    assert path not in again["sources"] and again["key"] is None


@pytest.mark.parametrize(
    "host, settings, said",
    [
        (hosts.ubuntu(gpu=hosts.gpu(None)), {}, "no NVIDIA GPU is seen"),
        (hosts.ubuntu(), {"branch": "580.65"}, "nvidia_driver_branch: a branch is a number such as 580"),
        (
            hosts.ubuntu(),
            {"branch": "470"},
            "nvidia_driver_branch: 470 has no open modules for Ampere; take 515 or later",
        ),
        (hosts.ubuntu(gpu=hosts.gpu(driver="570.1", loaded=None)), {}, "driver 570.1 was not installed from packages"),
        (hosts.ubuntu(distribution="Rocky"), {}, "not on Rocky"),
        (hosts.debian(gpu=hosts.gpu(secure_boot=True)), {"branch": "535"}, "Secure Boot is on"),
        (
            hosts.ubuntu(gpu=hosts.gpu({**hosts.A100, "kernel_modules": "proprietary"})),
            {},
            "the open kernel modules can't run",
        ),
    ],
)
def test_what_can_not_work_is_refused_in_one_line(host, settings, said):
    assert said in refusal(host, **settings)


def test_persistence_keeps_the_packages_user_and_command():
    host = hosts.ubuntu()
    settled = hosts.settle(host, plan(host), hosts.SETTINGS)
    assert plan(settled)["files"] == {
        host_files.DROP_IN: "# Written by sophia.replatform.\n[Service]\nExecStart=\n"
        "ExecStart=/usr/bin/nvidia-persistenced --user nvidia-persistenced --persistence-mode --verbose\n"
    }
    assert host_files.DROP_IN not in plan(settled, persistence=False)["files"]
    settled["unit"] = "[Service]\nExecStart=/usr/bin/nvidia-persistenced --user nvpd\n"
    assert plan(settled)["files"] == {}


def test_why_a_host_must_boot_again():
    assert reboot_reasons(hosts.gpu(driver="580.1")) == []
    assert reboot_reasons(hosts.gpu(nouveau_loaded=True, reboot_needed=True)) == ["nouveau is loaded"]
    assert reboot_reasons(hosts.gpu(loaded="570.1", installed="580.1", reboot_needed=True)) == [
        "570.1 is loaded and 580.1 is installed"
    ]
    numa = hosts.gpu(hosts.GH200, driver="580.1", coherent_memory_mode="numa")
    assert reboot_reasons(numa, ["ro"]) == ["the coherent memory mode is numa, not driver"]
    assert reboot_reasons(hosts.gpu(), ["ro", "iommu=pt"]) == ["the kernel was started without iommu=pt"]
    assert reboot_reasons(hosts.gpu(nouveau_loaded=True), [], "none") == []


worlds = st.builds(
    lambda make, profile, driver, ours, secure, adopt, modules, source, arguments, nouveau: (
        make(
            gpu=hosts.gpu(profile, driver=driver, secure_boot=secure, nouveau_loaded=nouveau and not driver),
            packages=hosts.listing(["nvidia-utils-570"] if ours else []),
        ),
        {**hosts.SETTINGS, "adopt": adopt, "modules": modules, "source": source, "kernel_arguments": arguments},
    ),
    make=st.sampled_from([hosts.ubuntu, hosts.debian]),
    profile=st.sampled_from([hosts.A100, hosts.GH200, {**hosts.A100, "fabric_manager": True}]),
    driver=st.sampled_from([None, "570.1", "580.95.05"]),
    ours=st.booleans(),
    secure=st.booleans(),
    adopt=st.booleans(),
    modules=st.sampled_from(["auto", "dkms", "prebuilt", "none"]),
    source=st.sampled_from(["auto", "cuda"]),
    arguments=st.sampled_from([[], ["iommu=pt"]]),
    nouveau=st.booleans(),
)


@given(worlds)
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(world):
    host, settings = world
    try:
        first = driver_plan(host, settings)
    except RefusedError:
        return
    for _turn in range(2):  # the second time for what only the packages tell: holds, and the daemon's unit
        host = hosts.settle(host, driver_plan(host, settings), settings)
    again = driver_plan(host, settings)
    assert again["because"] == [] and not again["needed"], first["action"]
    assert again["action"] != "install"


@given(worlds)
def test_an_unsigned_module_is_never_built_under_secure_boot(world):
    host, settings = world
    try:
        found = driver_plan(host, settings)
    except RefusedError:
        return
    if host["gpu"]["secure_boot"] and found["action"] == "install":
        assert found["modules"] != "dkms" and "dkms" not in found["install"]


def test_a_newer_kernel_that_waits_gets_its_module_before_the_reboot():
    host = hosts.ubuntu()
    settled = hosts.settle(host, plan(host), hosts.SETTINGS)
    settled = hosts.settle(settled, plan(settled), hosts.SETTINGS)
    settled["gpu"]["kernel"]["next"] = "6.8.0-45-generic"
    settled["gpu"]["driver"]["next"] = None
    found = plan(settled)
    assert found["action"] == "install" and "linux-headers-6.8.0-45-generic" in found["install"]
    assert not any("6.8.0-45" in name for name in plan(settled, modules="none")["install"])
    done = hosts.settle(settled, found, hosts.SETTINGS)
    assert not plan(done)["needed"]
    done["gpu"]["driver"]["next"] = "570.1"  # the packages are there, and the build was cut off
    assert plan(done)["action"] == "install"


def test_the_ram_disk_of_a_kernel_that_waits_is_made_again_too():
    host = hosts.ubuntu(gpu=hosts.gpu(next="6.8.0-45-generic"))
    host["files"].append(hosts.file("/boot/initrd.img-6.8.0-45-generic", "disk", 50.0))
    assert plan(host)["initramfs"] == [hosts.KERNEL, "6.8.0-45-generic"]


def test_an_adopted_driver_is_not_rebooted_into_a_kernel_without_it():
    gpu = hosts.gpu(hosts.GH200, driver="580.1", coherent_memory_mode="numa", next="6.8.0-2", module_next=None)
    host = hosts.ubuntu(gpu=gpu, packages=hosts.listing(["nvidia-utils-580"], "580.1"))
    said = refusal(host)
    assert "the next boot takes the kernel 6.8.0-2, which has no nvidia module" in said and "dkms autoinstall" in said
    gpu["driver"]["next"] = "580.1"
    assert plan(host)["reboot"]


def test_a_key_that_nothing_vouches_for_is_refused_where_it_would_be_fetched():
    assert refusal(hosts.ubuntu(), source="cuda", cuda_key_checksum="").startswith(
        "nvidia_driver_cuda_key_checksum: ''"
    )
    assert plan(hosts.ubuntu(), cuda_key_checksum="")["key"] is None
    there = "https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2204/x86_64/|/||/etc/apt/sources.list.d/c.list:1\n"
    known = hosts.ubuntu(targets=hosts.UBUNTU_TARGETS + there)
    assert plan(known, source="cuda", cuda_key_checksum="")["key"] is None


def test_a_run_that_was_cut_off_in_dpkg_is_not_taken_for_a_foreign_driver():
    host = hosts.ubuntu(gpu=hosts.gpu(installed="580.1"), packages="nvidia-utils-580-server iF  580.1\n")
    found = plan(host)
    assert found["unfinished"] == "dpkg was interrupted with nvidia-utils-580-server"
    assert found["because"][0].startswith(found["unfinished"])


def test_dpkgs_own_records_alone_make_the_act_needed():
    host = hosts.ubuntu()
    for _turn in range(2):
        host = hosts.settle(host, plan(host), hosts.SETTINGS)
    assert not plan(host)["needed"]
    assert plan({**host, "updates": 1})["needed"]
