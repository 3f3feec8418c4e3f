# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The backup of a work tree: one compressed tar, a SHA-256 manifest, and a git bundle of the history.

It can be restored with tar and git alone. Files are streamed, so memory does not grow with their size.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import stat
import tarfile
import typing as t
import zlib
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.repository.files import sync_folder, write_whole
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import display

TAR = "worktree.tar.gz"
MANIFEST = "manifest.jsonl"
BUNDLE = "history.bundle"
VERIFIED = "verified.json"
PARTIAL = ".partial"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Backup:
    """A whole backup folder. O(header) is the manifest's first line; O(verified) what re-reading found, or empty."""

    folder: str
    header: t.Mapping[str, t.Any]
    verified: t.Mapping[str, t.Any]


class _Hashing(io.RawIOBase):
    """Passes on a stream and hashes and counts what passes."""

    def __init__(self, inner: t.BinaryIO) -> None:
        self._inner = inner
        self.digest = hashlib.sha256()
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        return self._seen(self._inner.read(size))

    def write(self, data: t.Any) -> int:
        self._inner.write(self._seen(data))
        return len(data)

    def _seen(self, data: t.Any) -> t.Any:
        self.digest.update(data)
        self.count += len(data)
        return data


def fingerprint(root: str, paths: t.Iterable[str]) -> str:
    """A digest of the paths with mode, size and time of change: equal as long as nothing was touched."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            found = os.lstat(os.path.join(root, path))
        except OSError:
            continue
        line = f"{path}\0{found.st_mode:o}\0{found.st_size}\0{found.st_mtime_ns}\0"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def hash_file(path: str) -> dict[str, t.Any]:
    """What a manifest says of a path: type, mode and content. Empty for what is neither file nor link."""
    try:
        found = os.lstat(path)
    except OSError:
        return {}
    if stat.S_ISLNK(found.st_mode):
        return {"type": "link", "target": os.readlink(path)}
    if not stat.S_ISREG(found.st_mode):
        return {}
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        for chunk in iter(lambda: handle.read(_CHUNK), b""):
            digest.update(chunk)
    mode = f"{stat.S_IMODE(found.st_mode):04o}"
    return {"type": "file", "mode": mode, "size": found.st_size, "sha256": digest.hexdigest()}


def write_backup(
    root: str, paths: t.Sequence[str], folder: str, header: t.Mapping[str, t.Any], bundle: t.Callable[[str], None]
) -> None:
    """Write tar, manifest and bundle into O(folder), which appears only when all is on disk.

    O(paths) are sorted; folders and special files among them are left out. O(bundle) writes the history to a file.
    """
    partial = folder + PARTIAL
    os.makedirs(partial, mode=0o700)
    try:
        members: list[dict[str, t.Any]] = []
        with open(os.path.join(partial, TAR), "wb") as raw:
            # No time in the header: the same tree makes the same bytes.
            with gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed, _open(packed, "w|") as tar:
                for path in paths:
                    member = _add(tar, root, path)
                    if member:
                        members.append(member)
            raw.flush()
            os.fsync(raw.fileno())
        bundle(os.path.join(partial, BUNDLE))
        lines = [{**header, "members": len(members)}, *members]
        write_whole(os.path.join(partial, MANIFEST), (json.dumps(line, sort_keys=True) for line in lines))
        os.rename(partial, folder)
        sync_folder(os.path.dirname(folder))
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _open(stream: t.Any, mode: str) -> tarfile.TarFile:
    # GNU's format keeps a name's bytes as they are, whatever their encoding. The stubs want a literal mode.
    return tarfile.open(  # type: ignore[call-overload, no-any-return]
        fileobj=stream, mode=mode, format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape", bufsize=_CHUNK
    )


def _add(tar: tarfile.TarFile, root: str, path: str) -> dict[str, t.Any] | None:
    full = os.path.join(root, path)
    try:
        found = os.lstat(full)
    except FileNotFoundError:
        return None
    info = tarfile.TarInfo(path)
    info.mode = stat.S_IMODE(found.st_mode)
    info.mtime = int(found.st_mtime)
    info.uid, info.gid = found.st_uid, found.st_gid
    member: dict[str, t.Any] = {"path": path}
    if stat.S_ISLNK(found.st_mode):
        info.type = tarfile.SYMTYPE
        info.linkname = os.readlink(full)
        tar.addfile(info)
        return {**member, "type": "link", "target": info.linkname}
    if not stat.S_ISREG(found.st_mode):
        return None
    info.size = found.st_size
    with open(os.open(full, os.O_RDONLY | os.O_NOFOLLOW), "rb") as handle:
        stream = _Hashing(handle)
        tar.addfile(info, t.cast("t.IO[bytes]", stream))
    return {
        **member, "type": "file", "mode": f"{info.mode:04o}", "size": info.size, "sha256": stream.digest.hexdigest()
    }  # fmt: skip


def read_manifest(folder: str) -> tuple[dict[str, t.Any], t.Iterator[dict[str, t.Any]]]:
    """The header of a backup's manifest, and its members one by one."""

    def lines() -> t.Iterator[dict[str, t.Any]]:
        with open(os.path.join(folder, MANIFEST), encoding="utf-8") as handle:
            for line in handle:
                yield json.loads(line)

    members = lines()
    return next(members), members


def verify_backup(folder: str, check_bundle: t.Callable[[str], None]) -> dict[str, t.Any]:
    """Read every member of the tar back, compare it with the manifest, and write down that it holds.

    Returns C(sha256) and C(bytes) of the tar and the number of C(members). Raises C(ReplatformError) at the first
    difference; the folder is then marked as half-written, so that the next run makes another.
    """
    try:
        result = _read_back(folder)
        check_bundle(os.path.join(folder, BUNDLE))
    except (ReplatformError, OSError, EOFError, zlib.error, tarfile.TarError) as exc:
        os.rename(folder, folder + PARTIAL)
        raise ReplatformError(f"the backup {folder} could not be read back, run again to make another: {exc}") from exc
    write_whole(os.path.join(folder, VERIFIED), [json.dumps(result, sort_keys=True)])
    return result


def _read_back(folder: str) -> dict[str, t.Any]:
    _header, expected = read_manifest(folder)
    count = 0
    with open(os.path.join(folder, TAR), "rb") as raw:
        whole = _Hashing(raw)
        with gzip.GzipFile(fileobj=t.cast("t.IO[bytes]", whole)) as packed, _open(packed, "r|") as tar:
            for info in tar:
                if _member(tar, info) != next(expected, None):
                    raise ReplatformError(f"{display(info.name)} differs from the manifest")
                count += 1
                tar.members = []  # type: ignore[attr-defined]  # A stream is read once; the list would only grow.
        while whole.read(_CHUNK):
            pass
    missing = next(expected, None)
    if missing:
        raise ReplatformError(f"{display(missing['path'])} is missing")
    return {"sha256": whole.digest.hexdigest(), "bytes": whole.count, "members": count}


def _member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> dict[str, t.Any]:
    if info.issym():
        return {"path": info.name, "type": "link", "target": info.linkname}
    digest = hashlib.sha256()
    handle = tar.extractfile(info)
    if handle is not None:
        for chunk in iter(lambda: handle.read(_CHUNK), b""):
            digest.update(chunk)
    mode = f"{info.mode:04o}"
    return {"path": info.name, "type": "file", "mode": mode, "size": info.size, "sha256": digest.hexdigest()}


def find_backup(store: str, wanted: t.Mapping[str, t.Any]) -> Backup | None:
    """The newest whole backup whose header says what is O(wanted), or None."""
    try:
        names = sorted(os.listdir(store), reverse=True)
    except FileNotFoundError:
        return None
    for name in names:
        folder = os.path.join(store, name)
        if name.endswith(PARTIAL) or not os.path.isfile(os.path.join(folder, MANIFEST)):
            continue
        header, _members = read_manifest(folder)
        if all(header.get(key) == value for key, value in wanted.items()):
            return Backup(folder, header, _read_verified(folder))
    return None


def _read_verified(folder: str) -> dict[str, t.Any]:
    try:
        with open(os.path.join(folder, VERIFIED), encoding="utf-8") as handle:
            return t.cast("dict[str, t.Any]", json.load(handle))
    except FileNotFoundError:
        return {}


def drop_partial(store: str, prefix: str) -> None:
    """Remove what a killed run left half-written. Whole backups are never touched."""
    for name in os.listdir(store) if os.path.isdir(store) else ():
        if name.startswith(prefix) and name.endswith(PARTIAL):
            shutil.rmtree(os.path.join(store, name))
