# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts as trees of files.

The trees in C(trees/) were B(written after the documented formats) of sysfs, procfs, efivarfs and kernel modules; they were
B(not recorded) on machines with these GPUs. Addresses and what stands around the GPUs are made up; the ids are those of
pci.ids. A value is the text of a file, C(!!binary) its bytes, C({link}) a symbolic link, C({module}) the fields that a kernel
module tells of itself, compressed as its name says.
"""

from __future__ import annotations

import gzip
import json
import lzma
import os
import pathlib
import shutil
import struct

import pytest
import yaml
import zstandard
from ansible.module_utils.testing import patch_module_args
from ansible_collections.sophia.replatform.plugins.modules import gpu_info

TREES = pathlib.Path(__file__).parent / "trees"
DEVICES = "sys/bus/pci/devices"
COMPRESS = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
}


def elf(fields):
    """A relocatable ELF file of 64 bits with a section .modinfo, and a signature behind it, as a signed module has."""
    titles = b"\0.text\0.modinfo\0.shstrtab\0"
    modinfo = b"".join(f"{name}={value}".encode() + b"\0" for name, value in fields.items())
    contents = [b"", b"\x90version=1.2.3\0", modinfo, titles]
    offsets = [64 + sum(map(len, contents[:index])) for index in range(len(contents))]
    start = 64 + sum(map(len, contents))
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 1, 62, 1, 0, 0, start, 0, 64, 0, 0, 64, len(contents), 3)
    table = b"".join(
        struct.pack("<IIQQQQIIQQ", titles.index(title), 1, 0, 0, offset, len(content), 0, 0, 1, 0)
        for title, offset, content in zip((b"\0", b".text", b".modinfo", b".shstrtab"), offsets, contents)
    )
    return header + b"".join(contents) + table + b"~Module signature appended~\n"


class Host:
    """A tree of files in a folder, to be changed by a test."""

    def __init__(self, root):
        self.root = root

    def write(self, path, value):
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(target):
            self.remove(path)
        if isinstance(value, bytes):
            target.write_bytes(value)
        elif isinstance(value, str):
            target.write_text(value if value.endswith("\n") else value + "\n")
        elif "link" in value:
            target.symlink_to(value["link"])
        else:
            target.write_bytes(COMPRESS.get(target.suffix, bytes)(elf(value["module"])))

    def remove(self, path):
        target = self.root / path
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink()

    def device(self, address, vendor, device, pci_class):
        """Adds a device, as sysfs shows it."""
        folder = f"sys/devices/pci0000:00/{address}"
        for name, value in (("vendor", vendor), ("device", device), ("class", pci_class)):
            self.write(f"{folder}/{name}", value)
        self.write(f"{DEVICES}/{address}", {"link": f"../../../devices/pci0000:00/{address}"})

    def install(self, version, licence, name="updates/dkms/nvidia.ko", release=None):
        """Puts a module for a kernel where modprobe finds it, in place of those that were there."""
        folder = f"lib/modules/{release or self.release}"
        self.write(f"{folder}/{name}", {"module": {"license": licence, "srcversion": "0" * 23, "version": version}})
        self.write(f"{folder}/modules.dep", f"kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko\n{name}:\n")

    @property
    def release(self):
        return (self.root / "proc/sys/kernel/osrelease").read_text().strip()


@pytest.fixture
def host(tmp_path):
    def make(name):
        made = Host(tmp_path / name)
        for path, value in yaml.safe_load((TREES / f"{name}.yml").read_text()).items():
            made.write(path, value)
        return made

    return make


@pytest.fixture
def info(capsys):
    """Runs the module on a host."""

    def run(host, **args):
        with patch_module_args({"root": str(host.root), **args}), pytest.raises(SystemExit):
            gpu_info.main()
        return json.loads(capsys.readouterr().out)

    return run
