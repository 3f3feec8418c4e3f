# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writing files that are whole after a crash, and hashing what is written and read."""

from __future__ import annotations

import hashlib
import os
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.whole_file import sync_folder

CHUNK = 1 << 20


class Hashed:
    """A file, read or written once from end to end, with the SHA-256 and the number of the bytes that have passed."""

    def __init__(self, inner: t.BinaryIO) -> None:
        self._inner = inner
        self._digest = hashlib.sha256()
        self._count = 0

    def read(self, size: int = -1) -> bytes:
        return self._seen(self._inner.read(size))

    def line(self, most: int) -> bytes:
        return self._seen(self._inner.readline(most))

    def write(self, data: bytes) -> int:
        return self._inner.write(self._seen(data))

    def _seen(self, data: bytes) -> bytes:
        self._digest.update(data)
        self._count += len(data)
        return data

    @property
    def facts(self) -> dict[str, t.Any]:
        return {"sha256": self._digest.hexdigest(), "bytes": self._count}


def write_whole(path: str, lines: t.Iterable[str]) -> None:
    """Write a file of lines so that it is there whole, or not at all."""
    partial = path + ".partial"
    with open(partial, "w", encoding="utf-8") as handle:
        handle.writelines(line + "\n" for line in lines)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(partial, path)
    sync_folder(os.path.dirname(path))


def hash_whole(path: str) -> dict[str, t.Any]:
    """The SHA-256 and the size of a file."""
    with open(path, "rb") as handle:
        passed = Hashed(handle)
        while passed.read(CHUNK):
            pass
    return passed.facts


def append_line(path: str, line: str) -> None:
    """Append a line and make it durable; a line torn by a crash is closed first."""
    fd = os.open(path, os.O_RDWR | os.O_APPEND)
    try:
        size = os.fstat(fd).st_size
        torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
        os.write(fd, (("\n" if torn else "") + line + "\n").encode())
        os.fsync(fd)
    finally:
        os.close(fd)


def free_bytes(path: str) -> int:
    """Bytes that this user may still write on the file system where O(path) is, or will be."""
    while not os.path.isdir(path):
        path = os.path.dirname(path) or "."
    stat = os.statvfs(path)
    return stat.f_bavail * stat.f_frsize
