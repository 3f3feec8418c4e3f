# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that are never seen half written."""

from __future__ import annotations

import contextlib
import os

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError


def replace_file(path: str, content: str | bytes, mode: int, *, durable: bool = True) -> None:
    """Writes O(content) aside, with a name that no service reads, and renames it; C(ReplatformError) when it can't.

    The file has its mode before it has its name. What a run that was killed has left aside is written over, and a link there is not
    followed. O(durable) waits for the disk.
    """
    folder, name = os.path.split(path)
    aside = os.path.join(folder, f".{name}.new")
    try:
        remove_if_there(aside)
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
            os.fchmod(handle.fileno(), mode)
            handle.write(content.encode() if isinstance(content, str) else content)
            handle.flush()
            if durable:
                os.fsync(handle.fileno())
        os.replace(aside, path)
        if durable:
            sync_folder(folder)
    except OSError as exc:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise ReplatformError(f"{path} can not be written: {exc}") from exc


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
    folder = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
