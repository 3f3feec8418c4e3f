# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The place of the one guard of an edge: who has it, who is to have it, and what the guard tells.

Whoever is to be the guard writes its id into C(guard.json); the one that guards looks there, ends when it finds another id or no file,
and gives the lock C(guard.lock) up. The kernel does so for one that was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.store import is_locked
from ansible_collections.sophia.replatform.plugins.module_utils.whole_file import remove_if_there, replace_file

_LOOK_S = 0.1


class Place:
    """The place in O(state_dir)."""

    def __init__(self, state_dir: str) -> None:
        self._state_dir = state_dir
        self._lock = os.path.join(state_dir, "guard.lock")
        self._wanted = os.path.join(state_dir, "guard.json")
        self._told = os.path.join(state_dir, "guard.progress.json")

    def claim(self, guard: str) -> None:
        """From now on O(guard) is the one that is wanted."""
        os.makedirs(self._state_dir, mode=0o750, exist_ok=True)
        replace_file(self._wanted, json.dumps({"id": guard}) + "\n", 0o640)

    def wants(self, guard: str) -> bool:
        return _read(self._wanted).get("id") == guard

    @contextlib.contextmanager
    def taken(self, guard: str, patience_s: float) -> t.Iterator[None]:
        """Holds the place; the guard before may still be bringing something back, and is waited for.

        Raises C(RefusedError) when it does not end within O(patience_s), or when yet another is wanted.
        """
        with open(self._lock, "a+", encoding="utf-8") as handle:
            end = time.monotonic() + patience_s
            while not _try(handle.fileno()):
                if not self.wants(guard):
                    raise RefusedError("another guard has been begun on this edge: this one ends")
                if time.monotonic() >= end:
                    raise RefusedError(
                        f"the guard before does not end ({self._lock} is locked); end its process, and run again"
                    )
                time.sleep(_LOOK_S)  # flock knows no deadline
            os.ftruncate(handle.fileno(), 0)
            os.write(handle.fileno(), guard.encode())
            yield

    def guarded_by(self) -> str:
        """The id of the guard that guards now and is to go on, empty without one."""
        if not is_locked(self._lock):
            return ""
        with open(self._lock, encoding="utf-8") as handle:
            guard = handle.read()
        return guard if guard and self.wants(guard) else ""

    def await_guard(self, guard: str, patience_s: float) -> None:
        """Raises C(ReplatformError) when O(guard) has not begun within O(patience_s), or has said why it does not."""
        end = time.monotonic() + patience_s
        while self.guarded_by() != guard:
            told = self.told()
            if told.get("id") == guard and told.get("fault"):
                raise ReplatformError(f"no guard on this edge: {told['fault']}")
            if time.monotonic() >= end:
                raise ReplatformError(
                    f"no guard has begun on this edge within {patience_s:g} s; see the jobs of Ansible there (async_dir)"
                )
            time.sleep(_LOOK_S)  # another process tells nobody that it has a lock

    def give_up(self, patience_s: float) -> None:
        """Ends the guard and waits until it has; C(RefusedError) when it does not end within O(patience_s)."""
        remove_if_there(self._wanted)
        end = time.monotonic() + patience_s
        while is_locked(self._lock):
            if time.monotonic() >= end:
                raise RefusedError(f"the guard does not end ({self._lock} is locked); end its process, and run again")
            time.sleep(_LOOK_S)  # flock knows no deadline

    def tell(self, guard: str, **figures: t.Any) -> None:
        """Replaces what the guard says of itself."""
        with contextlib.suppress(ReplatformError):  # a full disk: what is only shown must not end a guard
            replace_file(self._told, json.dumps({"id": guard, **figures}, sort_keys=True) + "\n", 0o640, durable=False)

    def told(self) -> dict[str, t.Any]:
        return _read(self._told)


def _read(path: str) -> dict[str, t.Any]:
    try:
        with open(path, encoding="utf-8") as handle:
            return dict(json.load(handle))
    except (OSError, ValueError):
        return {}


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
