# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of one route: the dynamic file, the note of the last safe weight, the lock."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
import typing as t
from dataclasses import replace

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic import kept_room
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import Route, parse, render
from ansible_collections.sophia.replatform.plugins.module_utils.whole_file import (
    remove_if_there,
    replace_file,
    sync_folder,
)

# What a weight with more digits, or the tail of a way back, may need beyond the file that is there.
_MORE = 64


class Store:
    """Where the route named O(name) is kept: C(dynamic_dir/name.yml), read by Traefik, and in O(state_dir) the lock, the note of
    the last safe weight and C(name.last-good), the dynamic file of that weight, for a person to copy back.
    """

    def __init__(self, name: str, dynamic_dir: str, state_dir: str) -> None:
        self.dynamic_dir = dynamic_dir
        self.state_dir = state_dir
        self.path = os.path.join(dynamic_dir, f"{name}.yml")
        self._safe = os.path.join(state_dir, f"{name}.json")
        self.last_good = os.path.join(state_dir, f"{name}.last-good")
        self._called_back = os.path.join(state_dir, f"{name}.back")
        self._lock = os.path.join(state_dir, f"{name}.lock")

    def read(self) -> Route | None:
        """The route in the dynamic file, None without one; C(ReplatformError) when another hand wrote it."""
        try:
            with open(self.path, encoding="utf-8") as handle:
                return parse(handle.read(), self.path)
        except FileNotFoundError:
            return None

    def write(self, route: Route) -> None:
        """Replaces the dynamic file in one rename: Traefik takes a half-written or empty file for its whole truth.

        Room for the way back is kept beside it first. Raises C(ReplatformError) when the disk has not enough; nothing is changed then.
        """
        text = render(route)
        try:
            kept_room.keep(self.path, max(len(text.encode()), self._size()) + _MORE)
        except ReplatformError as exc:
            raise ReplatformError(f"there is no room for a way back of service '{route.name}': {exc}") from exc
        replace_file(self.path, text, 0o644)

    def write_back(self, route: Route) -> None:
        """The same on the way back: where the disk is full, in the room that was kept.

        With O(route) at 0 the note of a weight above goes first: whoever is killed after this leaves none that the next run would trust.
        """
        text = render(route)
        if not route.weight:
            with contextlib.suppress(OSError):  # nothing may stand in the way back
                remove_if_there(self._safe)
        try:
            kept_room.replace_in_it(self.path, text, 0o644)
        except ReplatformError as exc:
            raise ReplatformError(
                f"the way back of service '{route.name}' to weight {route.weight} is NOT DONE, the old weight stands: {exc}"
            ) from exc
        with contextlib.suppress(ReplatformError):  # what the old file had may do for the next way back
            kept_room.keep(self.path, len(text.encode()) + _MORE)

    def remove(self) -> None:
        for path in (self.path, kept_room.beside(self.path)):
            remove_if_there(path)

    def _size(self) -> int:
        try:
            return os.path.getsize(self.path)
        except FileNotFoundError:
            return 0

    def read_safe(self, route: Route) -> int | None:
        """The weight that last passed its watch with the canary that O(route) has now."""
        note = self._note()
        return note["weight"] if note and note.get("canary") == _canary(route) else None

    def reached(self) -> int:
        """The weight that last passed its watch, whichever servers the canary had then."""
        note = self._note()
        return note["weight"] if note else 0

    def _note(self) -> dict[str, t.Any]:
        try:
            with open(self._safe, encoding="utf-8") as handle:
                return json.load(handle)
        except (FileNotFoundError, ValueError):
            return {}

    def write_safe(self, route: Route) -> None:
        replace_file(self._safe, json.dumps({"weight": route.weight, "canary": _canary(route)}) + "\n", 0o640)
        self.keep_good(route)

    def keep_good(self, route: Route) -> None:
        """Keeps what is served at a safe weight, for a person to copy back."""
        replace_file(self.last_good, render(route), 0o640)

    def forget_safe(self) -> None:
        """No weight is known to be safe any more; needs no room on the disk."""
        for path in (self._safe, self.last_good):
            remove_if_there(path)

    def forget_weight(self) -> None:
        """Before a weight is raised from 0: a note of one above is of another time, such as before the dead-man or a person wrote 0."""
        try:
            remove_if_there(self._safe)
            sync_folder(self.state_dir)
        except OSError as exc:
            raise ReplatformError(f"{self._safe} can not be removed: {exc}; nothing was changed") from exc

    def safe_route(self, route: Route) -> Route:
        """O(route) as it was last known to be safe: all on the primary side when no weight of this canary is; never above what it has."""
        return replace(route, weight=min(self.read_safe(route) or 0, route.weight), tail=False, mirror=0)

    def call_back(self) -> None:
        """Asks a run that holds the lock to end, since somebody wants all traffic back."""
        replace_file(self._called_back, "", 0o640, durable=False)

    def called_back(self) -> bool:
        return os.path.exists(self._called_back)

    def answer_call(self) -> None:
        """Forgets the wish, once its own run holds the lock or when it is of a run that never did."""
        remove_if_there(self._called_back)

    def held(self) -> bool:
        """Whether a run works on the route now."""
        return is_locked(self._lock)

    @contextlib.contextmanager
    def locked(self, timeout_s: float, waiting: t.Callable[[], None] = lambda: None) -> t.Iterator[None]:
        """Holds the route alone; a run whose controller was killed goes on by itself, and is waited for.

        O(waiting) is called again and again while another run holds it. Raises C(RefusedError) with the holder's process id after O(timeout_s).
        """
        os.makedirs(self.state_dir, mode=0o750, exist_ok=True)
        with open(self._lock, "a+", encoding="utf-8") as handle:
            end = time.monotonic() + timeout_s
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError as exc:
                    if time.monotonic() >= end:
                        handle.seek(0)
                        raise RefusedError(
                            f"process {handle.read().strip() or '?'} is still shifting this service ({self._lock}); "
                            "let it end, or end it, and run again"
                        ) from exc
                    waiting()
                    time.sleep(0.2)
            with contextlib.suppress(OSError):  # a full disk: only who waits would have read it
                os.ftruncate(handle.fileno(), 0)
                os.write(handle.fileno(), str(os.getpid()).encode())
            yield


def is_locked(path: str) -> bool:
    """Whether somebody holds the lock; one that nobody has ever held is not there."""
    try:
        with open(path, "rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _canary(route: Route) -> list[str]:
    return list(route.canary.servers) if route.canary else []
