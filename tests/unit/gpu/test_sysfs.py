# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import errno
import os

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.gpu import sysfs


def tree(host):
    return sysfs.Tree(str(host.root))


@pytest.mark.parametrize(
    "data, told",
    [
        (b"\x06\0\0\0\x01", True),
        (b"\x06\0\0\0\x00", False),
        # The attributes are not the value.
        (b"\x01\0\0\0\x00", False),
        (b"\x06\0\0\0", None),
        (b"", None),
    ],
)
def test_secure_boot_is_the_byte_behind_the_attributes(host, data, told):
    made = host("a100-pcie-40gb")
    made.write(sysfs.SECURE_BOOT.lstrip("/"), data)
    assert sysfs.secure_boot(tree(made)) is told


def test_secure_boot_is_unknown_without_efi_and_where_efi_shows_no_variables(host):
    made = host("rtx-6000-ada")
    made.remove("sys/firmware/efi/efivars")
    assert (made.root / "sys/firmware/efi").is_dir()
    assert sysfs.secure_boot(tree(made)) is None
    made.remove("sys/firmware")
    assert sysfs.secure_boot(tree(made)) is None


def test_an_argument_of_the_kernel_may_hold_blanks(host):
    made = host("a10")
    made.write("proc/cmdline", 'ro dyndbg="file nvidia.c +p"  "a b"=c init=/x\ty="open end')
    arguments = sysfs.kernel(tree(made))["command_line"]
    assert arguments == ["ro", 'dyndbg="file nvidia.c +p"', '"a b"=c', "init=/x", 'y="open end']


def test_what_a_tree_does_not_tell_is_the_running_kernel_s(host):
    made = host("a10")
    for path in ("proc/self/smaps", "proc/sys/kernel/osrelease", "proc/cmdline"):
        made.remove(path)
    assert sysfs.kernel(tree(made)) == {
        "release": os.uname().release,
        "page_size": os.sysconf("SC_PAGE_SIZE"),
        "command_line": [],
        "next": None,
    }
    assert sysfs.machine(tree(made)) == os.uname().machine


def test_a_file_that_is_there_and_can_t_be_read_is_no_answer(host, monkeypatch):
    made = tree(host("a10"))

    def refuse(path, mode):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(ReplatformError, match=r"/sys/x can't be read \(Permission denied\); run as root"):
        made.text("/sys/x")


@pytest.mark.parametrize("gone", [errno.ENOENT, errno.ENODEV, errno.ENOTDIR])
def test_a_file_that_is_gone_is_an_ordinary_answer(host, monkeypatch, gone):
    made = tree(host("a10"))

    def refuse(path, mode):
        raise OSError(gone, "gone", path)

    monkeypatch.setattr("builtins.open", refuse)
    assert made.text("/sys/x") is None


def test_a_folder_that_can_t_be_listed_is_no_answer(host, monkeypatch):
    made = tree(host("a10"))
    assert made.names("/sys/absent") == []

    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(ReplatformError, match="can't be read"):
        made.names("/sys/bus/pci/devices")


def test_a_folder_that_is_no_host_is_refused(tmp_path):
    with pytest.raises(ReplatformError, match=f"root: {tmp_path} is not the root of a host"):
        sysfs.Tree(str(tmp_path))


def test_this_very_machine_can_be_looked_at():
    tree = sysfs.Tree()
    told = sysfs.kernel(tree)
    assert (told["release"], told["page_size"]) == (os.uname().release, os.sysconf("SC_PAGE_SIZE"))
    assert sysfs.machine(tree) == os.uname().machine
    assert sysfs.secure_boot(tree) in (True, False, None)


@pytest.mark.parametrize(
    "names, newest",
    [
        ([], None),
        (["initrd.img-6.8.0-1-generic", "config-6.8.0-1-generic", "vmlinuz", "vmlinuz-rescue"], None),
        (["vmlinuz-5.15.0-99-generic", "vmlinuz-5.15.0-122-generic"], "5.15.0-122-generic"),
        (["vmlinuz-6.8.0-45-generic", "vmlinuz-6.8.0-1028-nvidia-64k"], "6.8.0-1028-nvidia-64k"),
        (["vmlinuz-6.1.0-9-amd64", "vmlinuz-6.1.0-21-amd64.dpkg-new", "vmlinuz-6.1.0-21-amd64.old"], "6.1.0-9-amd64"),
        (["vmlinux-6.1.0-9-amd64"], "6.1.0-9-amd64"),
    ],
)
def test_the_next_boot_takes_the_newest_kernel(host, names, newest):
    made = host("a10")
    for name in names:
        made.write(f"boot/{name}", "image")
    assert sysfs.next_kernel(tree(made)) == newest
