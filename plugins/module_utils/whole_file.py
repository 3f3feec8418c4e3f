# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that are never seen half written."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError


def replace_file(path: str, content: str | bytes, mode: int, *, durable: bool = True) -> None:
    """Writes O(content) aside and renames it; C(ReplatformError) when it can't. O(durable) waits for the disk."""
    with taking_its_place(path, mode, durable=durable) as handle:
        handle.write(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def taking_its_place(path: str, mode: int, *, durable: bool = True) -> t.Iterator[t.BinaryIO]:
    """A file open for writing, with a name that no service reads, that takes the place of O(path) when the block ends well.

    It has its mode before it has its name. What a run that was killed has left aside is written over, and a link there is not
    followed. The block may close it. Raises C(ReplatformError) when it can't be written; then, and when the block fails, it is gone.
    """
    folder, name = os.path.split(path)
    aside = os.path.join(folder, f".{name}.new")
    try:
        remove_if_there(aside)
        with open(aside, "xb", opener=_private) as handle:
            os.fchmod(handle.fileno(), mode)
            yield handle
        if durable:
            _sync(aside)
        os.replace(aside, path)
        if durable:
            sync_folder(folder)
    except BaseException as exc:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        if isinstance(exc, OSError):
            raise ReplatformError(f"{path} can not be written: {exc}") from exc
        raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def remove_if_there(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def read_bytes(path: str) -> bytes:
    """What the file holds; nothing when it is not there or can not be read."""
    try:
        with open(path, "rb") as handle:
            return handle.read()
    except OSError:
        return b""


def sync_folder(path: str) -> None:
    """Makes the names in a folder durable."""
    _sync(path or ".", os.O_DIRECTORY)


def _sync(path: str, flags: int = 0) -> None:
    opened = os.open(path, os.O_RDONLY | flags)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
