# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files, folders and links of a host, each brought to what it is to be in one step that can be cut off anywhere."""

from __future__ import annotations

import errno
import os
import stat
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.whole_file import (
    remove_if_there,
    replace_file,
)

Change = t.Dict[str, t.Any]


def write(path: str, content: str, mode: int, force: bool, secret: bool, check_mode: bool) -> Change | None:
    """Give a regular file this content, this mode and the user who runs this as its owner; returns a diff, or None if it has them.

    A new content is written beside the file and takes its name at once, so that a reader sees the old one or the new one, and a
    secret is never in a file that others may read. A link of that name is replaced, not followed. Without C(force) a file that is
    there keeps its content. Raises C(RefusedError) for anything else of that name.
    """
    status = _status(path)
    if status and not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
        raise RefusedError(f"{path} is there and is not a file; take it away")
    before = _read(path) if status and stat.S_ISREG(status.st_mode) else None
    after = content.encode() if before is None or force else before
    if after != before:
        if not check_mode:
            replace_file(path, after, mode)
        return _diff(path, None if before is None else before.decode(errors="replace"), content, secret)
    return _attributes(path, t.cast(os.stat_result, status), mode, check_mode)


def make_directory(path: str, mode: int, check_mode: bool) -> Change | None:
    """Make a folder of this mode, or give it the mode; returns a diff, or None. Raises C(RefusedError) if a file has its name."""
    status = _status(path, follow=True)
    if status is None:
        if not check_mode:
            os.makedirs(path, exist_ok=True)
            os.chmod(path, mode)
        return _diff(path, None, f"a folder of mode {mode:04o}\n")
    if not stat.S_ISDIR(status.st_mode):
        raise RefusedError(f"{path} is there and is not a folder; take it away")
    return _attributes(path, status, mode, check_mode)


def link(path: str, target: str, check_mode: bool) -> Change | None:
    """Make a symbolic link; returns a diff, or None if it is there. Raises C(RefusedError) if its name is not that of a link."""
    status = _status(path)
    before = None
    if status:
        if not stat.S_ISLNK(status.st_mode):
            raise RefusedError(f"{path} is there and is not a link; take it away")
        before = os.readlink(path)
    if before == target:
        return None
    if not check_mode:
        beside = f"{path}.new"
        remove_if_there(beside)
        os.symlink(target, beside)
        os.replace(beside, path)
    return _diff(path, None if before is None else f"a link to {before}\n", f"a link to {target}\n")


def remove(path: str, secret: bool, check_mode: bool) -> Change | None:
    """Take a file or a link away; returns a diff, or None if it is not there. Raises C(RefusedError) for a folder."""
    status = _status(path)
    if status is None:
        return None
    if stat.S_ISDIR(status.st_mode):
        raise RefusedError(f"{path} is a folder, and only files are taken away")
    before = (
        _read(path).decode(errors="replace") if stat.S_ISREG(status.st_mode) else f"a link to {os.readlink(path)}\n"
    )
    if not check_mode:
        os.unlink(path)
    return _diff(path, before, None, secret)


def _status(path: str, follow: bool = False) -> os.stat_result | None:
    try:
        return os.stat(path) if follow else os.lstat(path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _attributes(path: str, status: os.stat_result, mode: int, check_mode: bool) -> Change | None:
    owner = (os.geteuid(), os.getegid())
    before = (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
    after = (mode, *owner)
    if before == after:
        return None
    if not check_mode:
        os.chown(path, *owner)
        os.chmod(path, mode)
    seen, wanted = (f"mode {mode:04o}, owner {user}:{group}\n" for mode, user, group in (before, after))
    return _diff(path, seen, wanted)


def _diff(path: str, before: str | None, after: str | None, secret: bool = False) -> Change:
    shown = ["" if text is None else "(a content that is not shown)\n" if secret else text for text in (before, after)]
    headers = [path if text is not None else f"{path} (not there)" for text in (before, after)]
    return {
        "path": path,
        "before_header": headers[0],
        "after_header": headers[1],
        "before": shown[0],
        "after": shown[1],
    }
