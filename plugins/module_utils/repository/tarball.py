# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tar of a work tree, compressed with Zstandard, written and read back as a stream.

GNU's format, which keeps a name's bytes whatever their encoding. The headers are made by tarfile, and read back by the few
lines below: tarfile's own streams take several times as long for a small file as reading and hashing it does.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.repository.files import CHUNK, Hashed
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import display, parents

try:
    import zstandard

    ZSTANDARD_ERROR = None
except ImportError as exc:
    ZSTANDARD_ERROR = exc

Member = t.Dict[str, t.Any]

_LEVEL = 3
_TEXT = ("utf-8", "surrogateescape")
_LONG = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)


def write_tar(root: str, paths: t.Iterable[str], out: Hashed) -> tuple[list[Member], list[str]]:
    """Write the files and links among O(paths) to O(out). Returns what a manifest says of each, and the paths of the
    repositories among them, submodules for the most part, which are not in the tar. Other folders, special files and
    what is gone are left out."""
    members: list[Member] = []
    repositories = []
    links: set[str] = set()
    # It compresses in a thread of its own, while this one reads and hashes. The same tree makes the same bytes.
    packer = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True, threads=1)
    packed = packer.stream_writer(t.cast("t.IO[bytes]", out), closefd=False, write_size=CHUNK)
    with io.BufferedWriter(t.cast("io.RawIOBase", packed), CHUNK) as tar:
        written = 0
        for path in paths:
            full = os.path.join(root, path)
            try:
                found = os.lstat(full)
            except (FileNotFoundError, NotADirectoryError):
                continue
            if links and not links.isdisjoint(parents(path)):
                continue  # A link has taken the place of a tracked folder; what is behind it is something else.
            if stat.S_ISREG(found.st_mode):
                member, size = _add_file(tar, path, full, found)
            elif stat.S_ISLNK(found.st_mode):
                member, size = _add_link(tar, path, full, found)
                links.add(path)
            else:
                if stat.S_ISDIR(found.st_mode) and _is_repository(full):
                    repositories.append(path)
                continue
            members.append(member)
            written += size
        end = 2 * tarfile.BLOCKSIZE
        tar.write(bytes(end + -(written + end) % tarfile.RECORDSIZE))
    return members, repositories


def _is_repository(folder: str) -> bool:
    # A submodule that was never fetched is an empty folder.
    names = os.listdir(folder)
    return not names or ".git" in names


def _info(path: str, found: os.stat_result) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.mode = stat.S_IMODE(found.st_mode)
    info.uid, info.gid = found.st_uid, found.st_gid
    info.mtime = found.st_mtime_ns // 10**9
    return info


def _header(info: tarfile.TarInfo) -> bytes:
    return info.tobuf(tarfile.GNU_FORMAT, *_TEXT)


def _add_file(tar: t.BinaryIO, path: str, full: str, found: os.stat_result) -> tuple[Member, int]:
    info = _info(path, found)
    info.size = left = found.st_size
    head = _header(info)
    tar.write(head)
    digest = hashlib.sha256()
    fd = os.open(full, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        while left:
            data = os.read(fd, min(left, CHUNK))
            if not data:
                raise ReplatformError(
                    f"{display(path)} became shorter while it was backed up: run again when it is at rest"
                )
            digest.update(data)
            tar.write(data)
            left -= len(data)
    finally:
        os.close(fd)
    padding = -info.size % tarfile.BLOCKSIZE
    tar.write(bytes(padding))
    member = {"path": path, "type": "file", "mode": f"{info.mode:04o}", "size": info.size, "sha256": digest.hexdigest()}
    return member, len(head) + info.size + padding


def _add_link(tar: t.BinaryIO, path: str, full: str, found: os.stat_result) -> tuple[Member, int]:
    info = _info(path, found)
    info.type = tarfile.SYMTYPE
    info.linkname = os.readlink(full)
    head = _header(info)
    tar.write(head)
    return {"path": path, "type": "link", "target": info.linkname}, len(head)


def read_tar(source: Hashed) -> t.Iterator[Member]:
    """Read a file to its last byte, and yield what a manifest says of each member of the tar in it.

    Raises C(ReplatformError) when it can't be read. An end that is missing shows in O(source)'s digest alone.
    """
    reader = zstandard.ZstdDecompressor().stream_reader(t.cast("t.IO[bytes]", source), read_size=CHUNK)
    try:
        with io.BufferedReader(t.cast("io.RawIOBase", reader), CHUNK) as tar:
            yield from _members(tar)
            for rest in iter(lambda: tar.read(CHUNK), b""):
                if rest.strip(b"\0"):
                    raise ReplatformError("something follows its last member")
            while source.read(CHUNK):
                pass
    except zstandard.ZstdError as exc:
        raise ReplatformError(str(exc)) from exc


class _Head(t.NamedTuple):
    """What is read of a member's header; POSIX names the fields, GNU's manual their longer forms."""

    name: str
    mode: int
    size: int
    typeflag: bytes
    linkname: str


def _read_head(block: bytes) -> _Head:
    if _number(block[148:156]) != sum(block) - sum(block[148:156]) + 8 * ord(" "):
        raise ReplatformError("bad checksum")
    mode, size = _number(block[100:108]), _number(block[124:136])
    return _Head(_text(block[:100]), mode, size, block[156:157], _text(block[157:257]))


def _number(field: bytes) -> int:
    if field[0] == 0x80:  # What has too many digits is binary.
        return int.from_bytes(field[1:], "big")
    try:
        return int(field.strip(b"\0 ") or b"0", 8)
    except ValueError:
        raise ReplatformError("a header holds something else than a number") from None


def _text(field: bytes) -> str:
    return os.fsdecode(field.partition(b"\0")[0])


def _members(tar: t.BinaryIO) -> t.Iterator[Member]:
    long: dict[bytes, str] = {}
    while True:
        block = _exactly(tar, tarfile.BLOCKSIZE)
        if not block.strip(b"\0"):
            return
        head = _read_head(block)
        if head.typeflag in _LONG:
            long[head.typeflag] = _text(_exactly(tar, head.size + -head.size % tarfile.BLOCKSIZE))
            continue
        path = long.pop(tarfile.GNUTYPE_LONGNAME, head.name)
        if head.typeflag == tarfile.SYMTYPE:
            yield {"path": path, "type": "link", "target": long.pop(tarfile.GNUTYPE_LONGLINK, head.linkname)}
        elif head.typeflag == tarfile.REGTYPE:
            digest = _content(tar, head.size)
            yield {"path": path, "type": "file", "mode": f"{head.mode:04o}", "size": head.size, "sha256": digest}
        else:
            raise ReplatformError(f"{display(path)} is neither file nor link")


def _content(tar: t.BinaryIO, size: int) -> str:
    digest = hashlib.sha256()
    left = size
    while left:
        data = _exactly(tar, min(left, CHUNK))
        digest.update(data)
        left -= len(data)
    _exactly(tar, -size % tarfile.BLOCKSIZE)
    return digest.hexdigest()


def _exactly(tar: t.BinaryIO, size: int) -> bytes:
    data = tar.read(size)
    if len(data) < size:
        raise ReplatformError("it is cut short")
    return data
