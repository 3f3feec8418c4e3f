# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the kernel says in C(/sys) and C(/proc) about a host. Nothing is run, nothing is written."""

from __future__ import annotations

import errno
import os
import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError

# The GUID is EFI_GLOBAL_VARIABLE of the UEFI specification.
SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

# ENODEV is how the kernel answers for a device that went away between listing and reading.
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ENODEV)
_ARGUMENT = re.compile(r'(?:[^\s"]|"[^"]*"?)+')
_PAGE_SIZE = re.compile(r"^KernelPageSize:\s+(\d+) kB$", re.MULTILINE)
_IMAGE = re.compile(r"vmlinu[xz]-(\d[\w.+~-]*)")
_NO_IMAGE = re.compile(r"\.(old|bak|sig|signed|hmac|dpkg-\w+)$|~$")


class Tree:
    """The files of a host below C(root).

    What is not there is an ordinary answer. What is there and can't be read raises C(ReplatformError), since a GPU that is
    overlooked is worse than a run that stops.
    """

    def __init__(self, root: str = "/") -> None:
        self._root = root
        if not os.path.isdir(self.path("/sys/bus")):
            raise ReplatformError(f"root: {root} is not the root of a host, it has no sys/bus; mount /sys below it")

    def path(self, path: str) -> str:
        return os.path.join(self._root, path.lstrip("/"))

    def data(self, path: str) -> bytes | None:
        try:
            with open(self.path(path), "rb") as file:
                return file.read()
        except OSError as exc:
            self._must_be_absent(exc, path)
            return None

    def text(self, path: str) -> str | None:
        data = self.data(path)
        return None if data is None else data.decode("utf-8", "replace").strip()

    def names(self, path: str) -> list[str]:
        try:
            return sorted(os.listdir(self.path(path)))
        except OSError as exc:
            self._must_be_absent(exc, path)
            return []

    def exists(self, path: str) -> bool:
        return os.path.lexists(self.path(path))

    def _must_be_absent(self, exc: OSError, path: str) -> None:
        if exc.errno not in _GONE:
            raise ReplatformError(
                f"{self.path(path)} can't be read ({exc.strerror}); run as root (become: true)"
            ) from exc


def kernel(tree: Tree) -> dict[str, t.Any]:
    """C({release, page_size, command_line, next}); the page size is in bytes."""
    page_size = _PAGE_SIZE.search(tree.text("/proc/self/smaps") or "")
    return {
        "release": tree.text("/proc/sys/kernel/osrelease") or os.uname().release,
        "page_size": int(page_size.group(1)) * 1024 if page_size else os.sysconf("SC_PAGE_SIZE"),
        "command_line": _ARGUMENT.findall(tree.text("/proc/cmdline") or ""),
        "next": next_kernel(tree),
    }


def next_kernel(tree: Tree) -> str | None:
    """The kernel that the next boot takes: the newest below C(/boot), as GRUB sorts them; None where none is there.

    GRUB's menu begins with the newest (C(version_sort) in U(https://git.savannah.gnu.org/cgit/grub.git/tree/util/grub.d/10_linux.in)).
    """
    found = [match.group(1) for match in map(_IMAGE.fullmatch, tree.names("/boot")) if match]
    releases = [release for release in found if not _NO_IMAGE.search(release)]
    return max(releases, key=_release_order, default=None)


def _release_order(release: str) -> list[tuple[str, int]]:
    """What stands between the numbers is compared as text, and the numbers as numbers."""
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", release)]


def machine(tree: Tree) -> str:
    """The kernel's name of the processor. Kernels before 6.1 tell it by uname alone."""
    return tree.text("/proc/sys/kernel/arch") or os.uname().machine


def secure_boot(tree: Tree) -> bool | None:
    """Whether Secure Boot is on; None without EFI or without its variables.

    Four bytes of attributes come before the value (U(https://docs.kernel.org/filesystems/efivarfs.html)).
    """
    data = tree.data(SECURE_BOOT)
    return data[4] == 1 if data and len(data) == 5 else None
