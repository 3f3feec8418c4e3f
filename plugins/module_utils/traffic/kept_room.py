# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Room on the disk that is kept for the way back: a file of zeros beside the one that it is for, which takes its place when the disk is full.

It is written over as it lies, which needs no more room on a file system that writes in place (ext4, XFS, tmpfs).
"""

from __future__ import annotations

import os

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.whole_file import replace_file


def beside(path: str) -> str:
    """The file that keeps room for the one at O(path); Traefik does not read it. C(deadman.py) knows the name too."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.room")


def keep(path: str, size: int) -> None:
    """Sees to it that O(size) bytes are kept for O(path); C(ReplatformError) when the disk has not as many."""
    try:
        enough = os.path.getsize(beside(path)) >= size
    except OSError:
        enough = False
    if not enough:
        replace_file(beside(path), bytes(size), 0o600)


def replace_in_it(path: str, content: str, mode: int) -> None:
    """Replaces the file at O(path) in one rename, where there is room for it as well as where there is only what was kept.

    Raises C(ReplatformError) when it can't be replaced either way; it is as it was then.
    """
    try:
        replace_file(path, content, mode)
    except ReplatformError:
        if not _taken(path, content.encode(), mode):
            raise


def _taken(path: str, content: bytes, mode: int) -> bool:
    """Whether the room that was kept was there, and has become the file."""
    try:
        with open(beside(path), "r+b") as handle:
            handle.write(content)
            handle.truncate()
            os.fchmod(handle.fileno(), mode)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(beside(path), path)
    except OSError:
        return False
    return True
