"""The pins, asked of apt itself: an archive of empty packages, and what apt would take from it."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.gpu.host_files import (
    driver_pin,
    toolkit_pin,
    unattended_blacklist,
)

pytestmark = pytest.mark.skipif(not shutil.which("apt-get"), reason="apt is not on this machine")


class Archives:
    """Archives on disk, by the name of who makes them, and an apt of its own that knows nothing else."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("lists/partial", "cache/archives/partial", "preferences.d", "parts"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        self.sources = []

    def offer(self, origin, **versions):
        archive = self.folder / f"archive-{origin}"
        archive.mkdir()
        (archive / "Packages").write_text(
            "".join(
                f"Package: {name.replace('_', '-')}\nVersion: {version}\nArchitecture: all\nMaintainer: x <x@y>\n"
                f"Filename: ./x.deb\nSize: 1\nMD5sum: {'0' * 32}\nDescription: x\n\n"
                for name, several in versions.items()
                for version in several
            )
        )
        (archive / "Release").write_text(
            f"Origin: {origin}\nLabel: {origin}\nSuite: x\nDate: Mon, 01 Jan 2024 00:00:00 UTC\n"
        )
        self.sources.append(f"deb [trusted=yes] copy:{archive} ./\n")

    def apt(self, *words):
        options = {
            "Dir::Etc::SourceList": self.folder / "sources.list",
            "Dir::Etc::SourceParts": self.folder / "parts",
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": self.folder / "preferences.d",
            "Dir::State": self.folder,
            "Dir::State::Lists": self.folder / "lists",
            "Dir::State::status": self.folder / "status",
            "Dir::Cache": self.folder / "cache",
            "APT::Sandbox::User": "root",
            "Debug::NoLocking": "1",
        }
        call = [words[0], *(f"-o{name}={value}" for name, value in options.items()), *words[1:]]
        return subprocess.run(
            call, capture_output=True, text=True, check=True, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
        ).stdout

    def candidates(self, pin, *names):
        (self.folder / "sources.list").write_text("".join(self.sources))
        (self.folder / "preferences.d/pin").write_text(pin)
        self.apt("apt-get", "update")
        told = self.apt("apt-cache", "policy", *names)
        return dict(zip(re.findall(r"^(\S+):$", told, re.MULTILINE), re.findall(r"Candidate: (\S+)", told)))


@pytest.fixture
def archives(tmp_path):
    return Archives(tmp_path)


def test_ubuntu_a_transitional_package_is_no_candidate_and_modules_keep_their_kernels_version(archives):
    archives.offer(
        "Ubuntu",
        nvidia_headless_565_server_open=["580.95.05-0ubuntu1"],
        nvidia_utils_565_server=["565.57.01-0ubuntu1", "580.95.05-0ubuntu1"],
        linux_modules_nvidia_565_server_open_generic=["5.15.0-105.115+1"],
        nvidia_settings=["510.47.03-0ubuntu1"],
    )
    assert archives.candidates(
        driver_pin("ubuntu", "Ubuntu", 565),
        "nvidia-headless-565-server-open",
        "nvidia-utils-565-server",
        "linux-modules-nvidia-565-server-open-generic",
        "nvidia-settings",
    ) == {
        "nvidia-headless-565-server-open": "(none)",
        "nvidia-utils-565-server": "565.57.01-0ubuntu1",
        "linux-modules-nvidia-565-server-open-generic": "5.15.0-105.115+1",
        "nvidia-settings": "510.47.03-0ubuntu1",
    }


def test_cuda_nothing_of_the_driver_comes_from_ubuntu(archives):
    archives.offer("Ubuntu", nvidia_dkms_580_open=["580.126.09-0ubuntu1"], nvidia_open_580=["580.999-1"])
    archives.offer(
        "NVIDIA", nvidia_dkms_580_open=["580.95.05-1ubuntu1"], nvidia_open_580=["580.95.05-1ubuntu1", "590.44-1"]
    )
    assert archives.candidates(driver_pin("cuda", "Ubuntu", 580), "nvidia-dkms-580-open", "nvidia-open-580") == {
        "nvidia-dkms-580-open": "580.95.05-1ubuntu1",
        "nvidia-open-580": "580.95.05-1ubuntu1",
    }


def test_cuda_from_590_on_the_versions_are_left_to_nvidias_pinning_package(archives):
    archives.offer("Ubuntu", nvidia_open=["590.1-0ubuntu1"])
    archives.offer("NVIDIA", nvidia_open=["590.44-1", "600.1-1"], nvidia_driver_pinning_590=["590-1"])
    found = archives.candidates(driver_pin("cuda", "Ubuntu", 590), "nvidia-open", "nvidia-driver-pinning-590")
    assert found == {"nvidia-open": "600.1-1", "nvidia-driver-pinning-590": "590-1"}


def test_debian_helpers_with_versions_of_their_own_stay_available(archives):
    archives.offer(
        "Debian",
        nvidia_open_kernel_dkms=["535.261.03-1", "550.163.01-1"],
        nvidia_persistenced=["535.171.04-1~deb12u1"],
        nvidia_support=["20220217+3~deb12u1"],
        nvidia_kernel_common=["20220217+3~deb12u1"],
        libnvidia_container1=["1.20.0-1"],
        libcuda1=["550.163.01-1"],
    )
    names = [
        "nvidia-open-kernel-dkms",
        "nvidia-persistenced",
        "nvidia-support",
        "nvidia-kernel-common",
        "libnvidia-container1",
        "libcuda1",
    ]
    assert archives.candidates(driver_pin("debian", "Debian", 535), *names) == {
        "nvidia-open-kernel-dkms": "535.261.03-1",
        "nvidia-persistenced": "535.171.04-1~deb12u1",
        "nvidia-support": "20220217+3~deb12u1",
        "nvidia-kernel-common": "20220217+3~deb12u1",
        "libnvidia-container1": "1.20.0-1",
        "libcuda1": "(none)",
    }


def test_the_toolkits_four_packages_stay_at_one_version(archives):
    archives.offer(
        "NVIDIA",
        nvidia_container_toolkit=["1.19.0-1", "1.20.0-1", "1.21.0-1"],
        libnvidia_container1=["1.21.0-1", "1.20.0-1"],
    )
    found = archives.candidates(toolkit_pin("1.20.0-1"), "nvidia-container-toolkit", "libnvidia-container1")
    assert set(found.values()) == {"1.20.0-1"}


@pytest.mark.parametrize("kernels", [True, False])
def test_apt_reads_the_blacklist_and_unattended_upgrades_would_leave_the_driver_alone(archives, kernels):
    (archives.folder / "52").write_text(unattended_blacklist(kernels))
    told = archives.apt("apt-config", f"-c={archives.folder / '52'}", "dump", "Unattended-Upgrade::Package-Blacklist")
    patterns = re.findall(r'Blacklist:: "(.+)";', told)

    def left_alone(name):
        return any(re.match(pattern, name) for pattern in patterns)  # as unattended-upgrades matches

    assert all(
        map(
            left_alone,
            ["nvidia-utils-580-server", "libnvidia-compute-580", "linux-modules-nvidia-580-server-open-generic"],
        )
    )
    assert not any(map(left_alone, ["openssl", "bash", "linux-firmware"]))
    assert left_alone("linux-image-generic") is kernels
