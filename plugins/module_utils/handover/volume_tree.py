# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a folder holds: how much, and whether another holds the same. Names are bytes; no link is followed."""

from __future__ import annotations

import concurrent.futures
import errno
import hashlib
import os
import stat
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover.volume import Comparison

_CHUNK = 1 << 20
_SHOWN = 5
_SECTOR = 512  # the unit of st_blocks, see stat(2)
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
Entry = t.Dict[str, t.Any]
Found = t.Tuple[bytes, os.stat_result]


class Amount(t.NamedTuple):
    """O(size) bytes that the entries take on the disk; O(largest) file, in bytes."""

    size: int
    largest: int


def amount(folder: str) -> Amount:
    """What O(folder) takes; a file with several names counts once. Entries may come and go meanwhile."""
    size = largest = 0
    seen = set()
    for _name, info in walk(folder):
        if info.st_ino not in seen:
            size += info.st_blocks * _SECTOR
            largest = max(largest, info.st_size if stat.S_ISREG(info.st_mode) else 0)
        if info.st_nlink > 1:
            seen.add(info.st_ino)
    return Amount(size, largest)


def walk(folder: str) -> t.Iterator[Found]:
    """Each entry below O(folder) with its C(lstat), a folder before what it holds, in an order that only the names decide; first the
    folder itself as C(.). Raises C(ReplatformError) for another filesystem that is mounted there."""
    root = os.fsencode(folder)
    top = os.lstat(root)
    yield b".", top
    waiting = [(b"", root)]
    while waiting:
        prefix, path = waiting.pop()
        for name, info in _entries(path):
            if info.st_dev != top.st_dev:
                raise ReplatformError(
                    f"{os.fsdecode(os.path.join(path, name))} is another filesystem, which is not carried"
                )
            yield prefix + name, info
            if stat.S_ISDIR(info.st_mode):
                waiting.append((prefix + name + b"/", os.path.join(path, name)))


def _entries(path: bytes) -> list[Found]:
    found = []
    try:
        with os.scandir(path) as listing:
            for item in listing:
                info = _lstat(item.path)
                if info:
                    found.append((item.name, info))
    except OSError as exc:
        if exc.errno not in _GONE:
            raise
    return sorted(found, key=lambda item: item[0])


def _lstat(path: bytes) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError as exc:
        if exc.errno not in _GONE:
            raise
        return None


class Reader:
    """Entries of one folder as they are compared. O(check) is called again and again and may raise."""

    def __init__(self, folder: str, check: t.Callable[[], None]) -> None:
        self.root = os.fsencode(folder)
        self.check = check
        self.first: dict[int, bytes] = {}
        self.digests: dict[int, str] = {}

    def entry(self, name: bytes) -> Entry | None:
        """Type, mode, owner, size, SHA-256, target of a link, extended attributes (ACLs are among them), and the first of its names."""
        path = os.path.join(self.root, name)
        info = _lstat(path)
        if info is None:
            return None
        kind = stat.S_IFMT(info.st_mode)
        found: Entry = {"type": kind, "mode": stat.S_IMODE(info.st_mode), "owner": (info.st_uid, info.st_gid)}
        try:
            attributes = os.listxattr(path, follow_symlinks=False)
            found["attributes"] = sorted(
                (key, os.getxattr(path, key, follow_symlinks=False).hex()) for key in attributes
            )
            if stat.S_ISREG(kind):
                found["size"] = info.st_size
                found["sha256"] = self._digest(path, info)
            elif stat.S_ISLNK(kind):
                found["target"] = os.readlink(path).hex()
            elif stat.S_ISBLK(kind) or stat.S_ISCHR(kind):
                found["device"] = info.st_rdev
        except OSError as exc:
            if exc.errno not in (*_GONE, errno.ENODATA):
                raise
            return None
        if info.st_nlink > 1 and not stat.S_ISDIR(kind):
            found["same as"] = self.first.setdefault(info.st_ino, name).hex()
        return found

    def _digest(self, path: bytes, info: os.stat_result) -> str:
        known = self.digests.get(info.st_ino) if info.st_nlink > 1 else None
        if known:
            return known
        digest = hashlib.sha256()
        with open(path, "rb", buffering=0, opener=_no_follow) as handle:
            chunk = handle.read(_CHUNK)
            while chunk:
                self.check()
                digest.update(chunk)
                chunk = handle.read(_CHUNK)
        if info.st_nlink > 1:
            self.digests[info.st_ino] = digest.hexdigest()
        return digest.hexdigest()


def _no_follow(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)


def compare(source: str, target: str, check: t.Callable[[], None] = lambda: None) -> Comparison:
    """Every entry of O(source) with that of O(target), and those that only O(target) has. C(seconds) is left at 0.

    What comes or goes meanwhile is a difference.
    """
    one, other = Reader(source, check), Reader(target, check)
    manifest = hashlib.sha256()
    differences: list[str] = []
    entries = 0
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        for name, _info in walk(source):
            check()
            theirs = beside.submit(other.entry, name)
            mine = one.entry(name)
            manifest.update(repr((name, mine)).encode())
            entries += 1
            _note(differences, name, mine, theirs.result())
    for name, _info in walk(target):
        check()
        if _lstat(os.path.join(one.root, name)) is None:
            _note(differences, name, None, {})
    return Comparison(0.0, tuple(differences), manifest.hexdigest(), entries)


def _note(differences: list[str], name: bytes, mine: Entry | None, theirs: Entry | None) -> None:
    if mine == theirs or len(differences) >= _SHOWN:
        return
    if mine is None or theirs is None:
        what = "missing" if theirs is None else "not in the source"
    else:
        what = ", ".join(key for key in sorted({*mine, *theirs}) if mine.get(key) != theirs.get(key))
    differences.append(f"{os.fsdecode(name)!r}: {what}")
