"""The real packages of one branch are there, none of them moves by itself, and no desktop came with them."""

from __future__ import annotations

import pytest

PACKAGES = ["nvidia-open-kernel-dkms", "firmware-nvidia-gsp", "nvidia-smi", "libcuda1"]
testinfra_hosts = ["docker://replatform-lab-sophia-development"]


@pytest.mark.parametrize("name", PACKAGES)
def test_the_package_is_there_and_held(host, name):
    assert host.package(name).version.split(":")[-1].startswith("535.")
    assert name in host.check_output("apt-mark showhold").split()


def test_every_package_of_the_driver_is_held(host):
    installed = host.check_output("dpkg-query --show --showformat '${Package} ${source:Package}\n'").splitlines()
    driver = {line.split()[0] for line in installed if line.split()[1].startswith("nvidia-graphics-drivers")}
    assert driver
    assert driver <= set(host.check_output("apt-mark showhold").split())


def test_apt_would_take_no_other_branch(host):
    policy = host.check_output("apt-cache policy nvidia-open-kernel-dkms")
    assert "Candidate: 535." in policy
    assert host.file("/etc/apt/preferences.d/replatform-nvidia-driver").exists


def test_unattended_upgrades_leave_it_alone(host):
    assert "nvidia" in host.file("/etc/apt/apt.conf.d/52replatform-nvidia").content_string


def test_nouveau_stays_away(host):
    assert "blacklist nouveau" in host.check_output("cat /etc/modprobe.d/replatform-*")


def test_no_desktop_came_with_it(host):
    assert not host.package("xserver-xorg-core").is_installed


def test_the_module_is_loaded(host):
    assert host.file("/var/lab/gpu/sys/module/nvidia/version").content_string.startswith("535.")
