# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which of the slow tests a commit runs."""

from __future__ import annotations

import zlib

ONE_OF = 20


def drawn(seed: str, nodeid: str) -> bool:
    """Whether the test O(nodeid), by pytest's name for it, is one of those that O(seed) draws."""
    return zlib.crc32(f"{seed} {nodeid}".encode()) % ONE_OF == 0
