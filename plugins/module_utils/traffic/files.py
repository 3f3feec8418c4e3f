# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that are never seen half written."""

from __future__ import annotations

import contextlib
import os

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError


def replace_file(path: str, content: str | bytes, mode: int, *, durable: bool = True) -> None:
    """Writes O(content) aside, with a name that Traefik does not read, and renames it; C(ReplatformError) when it can't.

    O(durable) waits for the disk.
    """
    aside = f"{path}.{os.getpid()}.new"
    try:
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with open(fd, "wb") as handle:
            os.fchmod(handle.fileno(), mode)
            handle.write(content.encode() if isinstance(content, str) else content)
            handle.flush()
            if durable:
                os.fsync(handle.fileno())
        os.rename(aside, path)
        if durable:
            _sync_folder(os.path.dirname(path))
    except OSError as exc:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise ReplatformError(f"{path} can not be written: {exc}") from exc


def read_bytes(path: str) -> bytes:
    """What the file holds; nothing when it is not there or can not be read."""
    try:
        with open(path, "rb") as handle:
            return handle.read()
    except OSError:
        return b""


def _sync_folder(path: str) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
