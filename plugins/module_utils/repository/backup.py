# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The backup of a repository: its work tree in one compressed tar, a SHA-256 manifest, and a git bundle of its history.

It can be restored with tar and git alone. Files are streamed, so memory does not grow with their size.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import typing as t
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.repository.bundle import read_bundle
from ansible_collections.sophia.replatform.plugins.module_utils.repository.files import (
    CHUNK,
    Hashed,
    hash_whole,
    write_whole,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import display
from ansible_collections.sophia.replatform.plugins.module_utils.repository.tarball import (
    Member,
    read_tar,
    write_tar,
)
from ansible_collections.sophia.replatform.plugins.module_utils.whole_file import sync_folder

TAR = "worktree.tar.zst"
MANIFEST = "manifest.jsonl"
BUNDLE = "history.bundle"
VERIFIED = "verified.json"
PARTIAL = ".partial"
# What follows the prefix in a folder's name: time, commit, and a number where that was taken.
_NAME = r"\d{8}T\d{6}Z-[0-9a-f]{12}(-\d+)?"


@dataclass(frozen=True)
class Backup:
    """A whole backup folder. O(header) is the manifest's first line; O(verified) what re-reading found, or empty."""

    folder: str
    header: t.Mapping[str, t.Any]
    verified: t.Mapping[str, t.Any]


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


def hash_file(path: str) -> Member:
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
        for chunk in iter(lambda: handle.read(CHUNK), b""):
            digest.update(chunk)
    mode = f"{stat.S_IMODE(found.st_mode):04o}"
    return {"type": "file", "mode": mode, "size": found.st_size, "sha256": digest.hexdigest()}


def write_backup(
    root: str, paths: t.Sequence[str], folder: str, header: t.Mapping[str, t.Any], bundle: t.Callable[[str], None]
) -> None:
    """Write tar, manifest and bundle into O(folder), which appears only when all is on disk.

    O(paths) are sorted; folders and special files among them are left out, and the repositories in them are listed in the
    manifest's header as C(submodules). O(bundle) writes the history to a file; it runs in a thread beside the tar.
    """
    partial = folder + PARTIAL
    os.makedirs(partial, mode=0o700)
    try:
        with _marked(partial), concurrent.futures.ThreadPoolExecutor(1) as beside:
            history = beside.submit(_write_bundle, os.path.join(partial, BUNDLE), bundle)
            with open(os.path.join(partial, TAR), "wb") as raw:
                out = Hashed(raw)
                members, submodules = write_tar(root, paths, out)
                raw.flush()
                os.fsync(raw.fileno())
            known = {"members": len(members), "submodules": submodules, "tar": out.facts, "bundle": history.result()}
        encode = json.JSONEncoder(sort_keys=True).encode
        write_whole(os.path.join(partial, MANIFEST), map(encode, [{**header, **known}, *members]))
        os.rename(partial, folder)
        sync_folder(os.path.dirname(folder))
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _write_bundle(path: str, bundle: t.Callable[[str], None]) -> dict[str, t.Any]:
    bundle(path)
    with open(path, "rb") as handle:
        os.fsync(handle.fileno())
    return hash_whole(path)


@contextlib.contextmanager
def _marked(folder: str) -> t.Iterator[bool]:
    """Tell others, for as long as this process lives, that a folder is in use. Yields whether it was free."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(fd)


def read_manifest(folder: str) -> tuple[dict[str, t.Any], t.Iterator[Member]]:
    """The header of a backup's manifest, and its members one by one."""

    def lines() -> t.Iterator[Member]:
        with open(os.path.join(folder, MANIFEST), encoding="utf-8") as handle:
            for line in handle:
                yield json.loads(line)

    members = lines()
    return next(members, {}), members


def verify_backup(folder: str, check_bundle: t.Callable[[str], None]) -> dict[str, t.Any]:
    """Read every member of the tar and the whole bundle back, compare, and write down that they hold.

    Returns C(sha256) and C(bytes) of the tar, the number of its C(members), and C(bundle_sha256). Raises
    C(ReplatformError) at the first difference; the folder is then marked as half-written, so that the next run makes
    another.
    """
    try:
        header, expected = read_manifest(folder)
        with concurrent.futures.ThreadPoolExecutor(1) as beside:
            history = beside.submit(_read_bundle_back, os.path.join(folder, BUNDLE), header["bundle"], check_bundle)
            read_back = _read_tar_back(os.path.join(folder, TAR), header["tar"], expected)
            result = {**read_back, "bundle_sha256": history.result()}
    except (ReplatformError, OSError, LookupError, ValueError) as exc:
        os.rename(folder, folder + PARTIAL)
        raise ReplatformError(f"the backup {folder} could not be read back, run again to make another: {exc}") from exc
    write_whole(os.path.join(folder, VERIFIED), [json.dumps(result, sort_keys=True)])
    return result


def _read_bundle_back(path: str, written: t.Mapping[str, t.Any], check_bundle: t.Callable[[str], None]) -> str:
    check_bundle(path)
    if read_bundle(path) != written:
        raise ReplatformError("the bundle differs from what was written")
    return t.cast("str", written["sha256"])


def _read_tar_back(path: str, written: t.Mapping[str, t.Any], expected: t.Iterator[Member]) -> dict[str, t.Any]:
    count = 0
    with open(path, "rb") as raw:
        source = Hashed(raw)
        for member in read_tar(source):
            if member != next(expected, None):
                raise ReplatformError(f"{display(member['path'])} differs from the manifest")
            count += 1
    missing = next(expected, None)
    if missing:
        raise ReplatformError(f"{display(missing['path'])} is missing")
    if source.facts != written:
        raise ReplatformError("the tar differs from what was written")
    return {**source.facts, "members": count}


def find_backup(store: str, wanted: t.Mapping[str, t.Any]) -> Backup | None:
    """The newest whole backup whose header says what is O(wanted), or None."""
    names = sorted(os.listdir(store), reverse=True) if os.path.isdir(store) else []
    for name in names:
        found = read_backup(os.path.join(store, name))
        if found and all(found.header.get(key) == value for key, value in wanted.items()):
            return found
    return None


def read_backup(folder: str) -> Backup | None:
    """The backup in a folder; None when it is not whole, or is none."""
    if folder.endswith(PARTIAL):
        return None
    try:
        header, _members = read_manifest(folder)
    except (OSError, ValueError):
        return None
    try:
        with open(os.path.join(folder, VERIFIED), encoding="utf-8") as handle:
            verified = json.load(handle)
    except (OSError, ValueError):
        verified = {}
    return Backup(folder, header, verified)


def named(store: str, prefix: str, ending: str = "") -> list[str]:
    """The folders of the backups that begin with O(prefix) and a time, oldest first: those of C(a-b-) are not C(a-)'s."""
    pattern = re.compile(re.escape(prefix) + _NAME + re.escape(ending))
    return sorted(name for name in (os.listdir(store) if os.path.isdir(store) else ()) if pattern.fullmatch(name))


def drop_partial(store: str, prefix: str) -> None:
    """Remove what a killed run left half-written. Whole backups, and one that is just being written, are never touched."""
    for name in named(store, prefix, PARTIAL):
        folder = os.path.join(store, name)
        with _marked(folder) as free:
            if free:
                shutil.rmtree(folder)
