from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.gpu.packages import (
    branch_of,
    compiler_of,
    driver_packages,
    install_faults,
    installed,
    is_driver,
    module_form,
    partly,
    source_of,
    unfinished,
    version_faults,
)

KERNEL = "5.15.0-105-generic"


def names(source, branch, modules="dkms", distribution="Ubuntu", fabric=False, compiler="", kernels=(KERNEL,)):
    return driver_packages(source, distribution, branch, modules, kernels, compiler, fabric)


def test_ubuntus_names_carry_the_branch_and_server():
    found = names("ubuntu", 580)
    assert found["leading"] == "nvidia-headless-580-server-open"
    assert found["install"] == [
        f"linux-headers-{KERNEL}",
        "dkms",
        "nvidia-headless-580-server-open",
        "nvidia-utils-580-server",
        "nvidia-compute-utils-580-server",
    ]


def test_prebuilt_modules_are_those_of_the_kernel_that_runs_and_want_no_compiler():
    found = names("ubuntu", 580, "prebuilt", compiler="gcc-12")
    assert f"linux-modules-nvidia-580-server-open-{KERNEL}" in found["install"]
    assert not {"dkms", "gcc-12", f"linux-headers-{KERNEL}"} & set(found["install"])


@pytest.mark.parametrize(
    "distribution, branch, first, leading",
    [
        ("Ubuntu", 570, [], "nvidia-open-570"),
        ("Ubuntu", 580, [], "nvidia-open-580"),
        ("Ubuntu", 590, ["nvidia-driver-pinning-590"], "nvidia-open"),
        ("Ubuntu", 615, ["nvidia-driver-pinning-615"], "nvidia-open"),
        ("Debian", 580, ["nvidia-driver-pinning-580"], "nvidia-open"),
    ],
)
def test_the_cuda_repository_dropped_the_branch_from_its_names(distribution, branch, first, leading):
    found = names("cuda", branch, distribution=distribution)
    assert (found["first"], found["leading"]) == (first, leading)


def test_debian_comes_without_a_desktop_and_with_the_firmware():
    found = names("debian", 535, distribution="Debian")
    assert {"nvidia-open-kernel-dkms", "firmware-nvidia-gsp", "nvidia-smi", "libcuda1"} <= set(found["install"])
    assert not {"nvidia-driver", "nvidia-kernel-dkms"} & set(found["install"])


def test_the_fabric_manager_has_the_drivers_branch():
    assert "nvidia-fabricmanager-580" in names("ubuntu", 580, fabric=True)["install"]
    assert "nvidia-fabricmanager-580" in names("cuda", 580, fabric=True)["install"]
    assert "nvidia-fabricmanager" in names("cuda", 590, fabric=True)["install"]
    assert not any("fabric" in name for name in names("ubuntu", 580)["install"])
    with pytest.raises(RefusedError, match="no fabric manager; set nvidia_driver_source: cuda"):
        names("debian", 535, distribution="Debian", fabric=True)


def test_none_installs_no_kernel_package():
    for source, distribution in (("ubuntu", "Ubuntu"), ("debian", "Debian")):
        found = names(source, 535, "none", distribution, compiler="gcc-12")
        assert not any("dkms" in name or "linux-" in name or "gsp" in name for name in found["install"])


@pytest.mark.parametrize(
    "source, distribution, said",
    [
        ("auto", "Rocky", "not on Rocky"),
        ("debian", "Ubuntu", "take auto, ubuntu or cuda"),
        ("ubuntu", "Debian", "auto, debian"),
    ],
)
def test_a_foreign_source_is_refused(source, distribution, said):
    with pytest.raises(RefusedError, match=said):
        source_of(source, distribution)


def test_auto_is_the_distributions_own():
    assert (source_of("auto", "Ubuntu"), source_of("auto", "Debian")) == ("ubuntu", "debian")
    assert (source_of("cuda", "Ubuntu"), source_of("cuda", "Debian")) == ("cuda", "cuda")


@pytest.mark.parametrize(
    "modules, source, secure_boot, enrolled, form",
    [
        ("auto", "ubuntu", False, False, "dkms"),
        ("auto", "ubuntu", True, False, "prebuilt"),
        ("auto", "ubuntu", True, True, "dkms"),
        ("auto", "debian", None, False, "dkms"),
        ("auto", "debian", True, True, "dkms"),
        ("none", "debian", True, False, "none"),
        ("prebuilt", "ubuntu", False, False, "prebuilt"),
    ],
)
def test_the_form_of_the_modules(modules, source, secure_boot, enrolled, form):
    assert module_form(modules, source, secure_boot, enrolled) == form


@pytest.mark.parametrize("modules, source", [("auto", "debian"), ("auto", "cuda"), ("dkms", "ubuntu")])
def test_an_unsigned_module_under_secure_boot_is_refused(modules, source):
    with pytest.raises(RefusedError, match="Secure Boot is on .* nvidia_driver_key_enrolled"):
        module_form(modules, source, True, False)


def test_only_ubuntu_has_prebuilt_modules():
    with pytest.raises(RefusedError, match="nvidia_driver_modules"):
        module_form("prebuilt", "cuda", False, False)


@pytest.mark.parametrize(
    "text, package",
    [
        ("Linux version 6.8.0-40-generic (x86_64-linux-gnu-gcc-12 (Ubuntu 12.3.0-1ubuntu1~22.04) 12.3.0", "gcc-12"),
        ("Linux version 6.1.0-21-amd64 (gcc-12 (Debian 12.2.0-14) 12.2.0", "gcc-12"),
        ("Linux version 5.15.0-105-generic (gcc (Ubuntu 11.4.0-1ubuntu1~22.04) 11.4.0", ""),
        ("Linux version 6.6.0 (clang version 17)", ""),
    ],
)
def test_dkms_gets_the_compiler_that_built_the_kernel(text, package):
    assert compiler_of(text) == package


def test_what_is_half_installed_or_removed_is_not_there():
    text = "a ii  1-1\nb rc  1-1\nc iU  2-1\nlib:amd64 hi  3-1\nd un  \n"
    assert installed(text) == {"a": "1-1", "lib": "3-1"}


@pytest.mark.parametrize(
    "name",
    [
        "nvidia-headless-580-server-open",
        "libnvidia-compute-580-server",
        "linux-modules-nvidia-580-server-open-5.15.0-105-generic",
        "linux-objects-nvidia-580-server-open-5.15.0-105-generic",
        "nvidia-fabricmanager-580",
        "libcuda1",
        "nvidia-open",
        "firmware-nvidia-gsp",
        "nvidia-persistenced",
        "cuda-drivers-580",
    ],
)
def test_what_must_not_move_alone(name):
    assert is_driver(name)


@pytest.mark.parametrize(
    "name",
    [
        "nvidia-container-toolkit",
        "nvidia-container-toolkit-base",
        "libnvidia-container1",
        "libnvidia-container-tools",
        "nvidia-cuda-toolkit",
        "nvidia-driver-pinning-590",
        "libnvidia-egl-wayland1",
        "linux-image-5.15.0-105-nvidia",
        "linux-nvidia",
        "cuda-toolkit-12-4",
        "bash",
    ],
)
def test_what_may(name):
    assert not is_driver(name)


@pytest.mark.parametrize(
    "version, branch",
    [("580.95.05", 580), ("580.95.05-0ubuntu0.22.04.1", 580), ("1:590.1", 590), ("", 0), ("(none)", 0)],
)
def test_the_branch_of_a_version(version, branch):
    assert branch_of(version) == branch


# As apt-cache of apt 2.4 prints it, with a transitional package whose version is of the next branch.
POLICY = """\
nvidia-headless-565-server-open:
  Installed: (none)
  Candidate: 580.95.05-0ubuntu0.22.04.1
  Version table:
     580.95.05-0ubuntu0.22.04.1 500
        500 http://archive.example/ubuntu jammy-updates/restricted amd64 Packages
 *** 565.57.01-0ubuntu0.22.04.4 -1
        100 /var/lib/dpkg/status
dkms:
  Installed: (none)
  Candidate: 2.8.7-2ubuntu2.2
  Version table:
     2.8.7-2ubuntu2.2 500
nvidia-utils-565-server:
  Installed: (none)
  Candidate: (none)
  Version table:
     580.95.05-0ubuntu0.22.04.1 -1
"""


OLD = "nvidia-headless-565-server-open"


def test_a_name_that_has_jumped_to_another_branch_is_refused_with_what_there_is():
    (fault,) = install_faults(POLICY.replace(" *** 565.57.01-0ubuntu0.22.04.4 -1\n", ""), [OLD, "none"], OLD, "565")
    assert fault.startswith(f"nvidia_driver_branch: the archives offer no {OLD} of branch 565")
    assert "they have 580.95.05-0ubuntu0.22.04.1" in fault
    (fault,) = install_faults("", [OLD], OLD, 565)
    assert "they have none at all" in fault


def test_a_version_behind_a_pin_of_ours_counts_since_the_pin_will_follow():
    assert install_faults(POLICY, [OLD, "dkms", "nvidia-utils-565-server"], OLD, "565") == []


def test_packages_that_can_not_be_had_are_named():
    (fault,) = install_faults(POLICY, ["dkms", "linux-headers-9", "gcc-99"], "dkms", 2)
    assert fault.startswith("the archives do not have linux-headers-9, gcc-99;")


def test_a_version_of_the_toolkit_that_can_not_be_had_is_named_with_what_there_is():
    assert version_faults(POLICY, ["dkms=2.8.7-2ubuntu2.2"]) == []
    (fault,) = version_faults(POLICY, ["dkms=9-1", "x=9-1"])
    assert fault.endswith("the archives do not have dkms, x in 9-1; they have 2.8.7-2ubuntu2.2")
    assert version_faults("", ["x=9-1"])[0].endswith("they have none at all")


def test_every_kernel_that_may_boot_gets_what_its_module_needs():
    kernels = (KERNEL, "6.8.0-45-generic")
    assert {f"linux-headers-{kernel}" for kernel in kernels} <= set(names("ubuntu", 580, kernels=kernels)["install"])
    prebuilt = names("ubuntu", 580, "prebuilt", kernels=kernels)["install"]
    assert {f"linux-modules-nvidia-580-server-open-{kernel}" for kernel in kernels} <= set(prebuilt)


@pytest.mark.parametrize("state", ["iU ", "iF ", "iH ", "iHR", "iW ", "it ", "hF ", "iiR"])
def test_a_run_of_dpkg_that_was_cut_off_is_seen(state):
    assert unfinished(f"bash ii  5.1\nnvidia-smi {state} 535.1\n", 0) == "dpkg was interrupted with nvidia-smi"


def test_unmerged_records_alone_are_an_interruption_as_for_apt():
    assert unfinished("bash ii  5.1\n", 2) == "dpkg was interrupted"


@pytest.mark.parametrize("state", ["ii ", "hi ", "rc ", "un "])
def test_a_whole_dpkg_is_not_interrupted(state):
    assert unfinished(f"nvidia-smi {state} 535.1\nlibc6:amd64 ii  2.36\nempty\n", 0) == ""


def test_what_is_half_there_is_there_but_not_installed():
    listing = "a ii  1\nb iF  1\nc iHR \nd rc  1\ne un \nlibc6:amd64 hi  2\n"
    assert partly(listing) == ["a", "b", "c", "libc6"]
    assert set(installed(listing)) == {"a", "libc6"}
