# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Edits: files whose content a run changes: looking at them, and replacing them whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat

from ansible_collections.sophia.replatform.plugins.module_utils.repository.model import SYMLINK, Edit
from ansible_collections.sophia.replatform.plugins.module_utils.whole_file import sync_folder

BEFORE = "before"
AFTER = "after"
OTHER = "other"


def read_content(full: str) -> bytes | None:
    """The bytes of a file, or the text of a link; None where neither is."""
    try:
        found = os.lstat(full)
        if stat.S_ISLNK(found.st_mode):
            return os.fsencode(os.readlink(full))
        if not stat.S_ISREG(found.st_mode):
            return None
        with open(os.open(full, os.O_RDONLY | os.O_NOFOLLOW), "rb") as handle:
            return handle.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def state_of(full: str, edit: Edit) -> str:
    """Whether an edit's file is as C(before) it, as C(after) it, or C(other)."""
    try:
        is_link: bool | None = stat.S_ISLNK(os.lstat(full).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        is_link = None
    content = read_content(full)
    if is_link is not None and (content is None or is_link != (edit.mode == SYMLINK)):
        return OTHER
    if content == edit.after:
        return AFTER
    return BEFORE if content == edit.before else OTHER


def put_content(full: str, content: bytes | None, mode: str) -> None:
    """Make O(content) what is at a path, or nothing: at every moment it is there whole, the old or the new.

    It is written beside under a name that is always the same, so that a run that was killed leaves nothing behind when
    it goes on. A file that is there keeps its mode and owner.
    """
    folder = os.path.dirname(full)
    if content is None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(full)
        return
    os.makedirs(folder, exist_ok=True)
    beside = os.path.join(folder, f".replatform-{hashlib.sha256(os.fsencode(full)).hexdigest()[:16]}")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(beside)
    if mode == SYMLINK:
        os.symlink(os.fsdecode(content), beside)
    else:
        _write(beside, content, full, 0o777 if mode == "100755" else 0o666)
    os.rename(beside, full)
    sync_folder(folder)


def _write(beside: str, content: bytes, like: str, mode: int) -> None:
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as handle:
        with contextlib.suppress(FileNotFoundError):
            found = os.lstat(like)
            # Only the owner of all may give a file away; for others, the file is theirs already.
            with contextlib.suppress(PermissionError):
                os.fchown(handle.fileno(), found.st_uid, found.st_gid)
            os.fchmod(handle.fileno(), stat.S_IMODE(found.st_mode))
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
