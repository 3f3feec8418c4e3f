# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Copying files that only grow: what a copy lacks is read, packed, checked and appended.

A copy is described by its size and the SHA-256 of its content. Where the original no longer begins with that content
(the host was made anew, the file was rotated) the whole file is sent again.
"""

from __future__ import annotations

import base64
import contextlib
import glob
import hashlib
import os
import re
import typing as t
import zlib

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError

# A host names the files that are written on the controller, so a name must not lead out of the host's folder.
SAFE_NAME = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._-]*/)?[A-Za-z0-9_][A-Za-z0-9._-]*\Z")
BLOCK = 1 << 20


def describe(path: str) -> dict[str, t.Any]:
    """C(size) in bytes and C(sha256) of the file at O(path); a missing file is an empty one."""
    size, digest = 0, hashlib.sha256()
    try:
        with open(path, "rb") as handle:
            for block in iter(lambda: handle.read(BLOCK), b""):
                size += len(block)
                digest.update(block)
    except FileNotFoundError:
        pass
    return {"size": size, "sha256": digest.hexdigest()}


def read_tails(
    root: str, patterns: t.Sequence[str], have: t.Mapping[str, t.Mapping[str, t.Any]], limit: int
) -> dict[str, t.Any]:
    """What copies described in O(have) (by name below O(root)) lack, at most O(limit) bytes in all.

    Returns C(files), a list of C({name, offset, content}) with the content packed, and C(more), whether something is
    left to be read by another call.
    """
    files: list[dict[str, t.Any]] = []
    for name in sorted(_names(root, patterns)):
        copy = have.get(name, {"size": 0, "sha256": ""})
        with open(os.path.join(root, name), "rb") as handle:
            offset = int(copy["size"]) if _begins_with(handle, copy) else 0
            handle.seek(offset)
            content = handle.read(limit)
            more = bool(handle.read(1))
        if content or offset != copy["size"]:
            files.append({"name": name, "offset": offset, "content": pack(content)})
        limit -= len(content)
        if more or limit <= 0:
            return {"files": files, "more": True}
    return {"files": files, "more": False}


def write_tail(root: str, tail: t.Mapping[str, t.Any]) -> int:
    """Put one tail of RV(read_tails) into the copy below O(root); returns the bytes written."""
    name = str(tail["name"])
    if not SAFE_NAME.match(name):
        raise ReplatformError(f"the host names a file '{name}', which is not taken: it could lie outside of its folder")
    path = os.path.join(root, name)
    content = unpack(tail["content"])
    make_folders(os.path.dirname(path))
    if tail["offset"] == 0:
        _replace(path, content)
    else:
        _append(path, int(tail["offset"]), content)
    return len(content)


def make_folders(path: str) -> None:
    """Make a folder and those above it that are missing, closed to others."""
    if path and not os.path.isdir(path):
        make_folders(os.path.dirname(path))
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o750)


def pack(content: bytes) -> str:
    """Bytes as compressed text."""
    return base64.b64encode(zlib.compress(content)).decode("ascii")


def unpack(text: str) -> bytes:
    """The bytes that RV(pack) was given."""
    return zlib.decompress(base64.b64decode(text))


def _names(root: str, patterns: t.Sequence[str]) -> set[str]:
    found = {path for pattern in patterns for path in glob.glob(os.path.join(glob.escape(root), pattern))}
    names = {os.path.relpath(path, root) for path in found if os.path.isfile(path)}
    return {name for name in names if SAFE_NAME.match(name)}


def _begins_with(handle: t.BinaryIO, copy: t.Mapping[str, t.Any]) -> bool:
    left, digest = int(copy["size"]), hashlib.sha256()
    while left:
        block = handle.read(min(left, BLOCK))
        if not block:
            return False
        left -= len(block)
        digest.update(block)
    return copy["size"] == 0 or digest.hexdigest() == copy["sha256"]


def _append(path: str, offset: int, content: bytes) -> None:
    with open(path, "r+b") as handle:
        handle.seek(0, os.SEEK_END)
        if handle.tell() != offset:
            raise ReplatformError(f"the copy {path} was changed while it was brought up to date: fetch again")
        handle.write(content)


def _replace(path: str, content: bytes) -> None:
    fresh = path + ".new"
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
    with os.fdopen(fd, "wb") as handle:
        handle.write(content)
    os.replace(fresh, path)
