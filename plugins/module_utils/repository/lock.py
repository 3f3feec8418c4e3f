# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run a repository: an flock that the kernel drops when the last process of the run has ended, however it ended."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError


@contextlib.contextmanager
def hold(path: str, wait_s: float, sleep: t.Callable[[float], None] = time.sleep) -> t.Iterator[int]:
    """Hold the lock file O(path), waiting up to O(wait_s) seconds for it. Yields its descriptor, which child processes
    that must not outlive the lock are given too. Raises C(RefusedError) when another run keeps it."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        end = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() >= end:
                    raise RefusedError(f"another run holds {path}: wait until it has ended, then run again") from None
                sleep(0.2)
        yield fd
    finally:
        os.close(fd)
