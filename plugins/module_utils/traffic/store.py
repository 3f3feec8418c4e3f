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

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import Route, parse, render
from ansible_collections.sophia.replatform.plugins.module_utils.whole_file import replace_file


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
        """Replaces the dynamic file in one rename: Traefik takes a half-written or empty file for its whole truth."""
        replace_file(self.path, render(route), 0o644)

    def remove(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)

    def read_safe(self, route: Route) -> int | None:
        """The weight that last passed its watch with the canary that O(route) has now."""
        try:
            with open(self._safe, encoding="utf-8") as handle:
                note = json.load(handle)
        except (FileNotFoundError, ValueError):
            return None
        return note["weight"] if note.get("canary") == _canary(route) else None

    def write_safe(self, route: Route) -> None:
        replace_file(self._safe, json.dumps({"weight": route.weight, "canary": _canary(route)}) + "\n", 0o640)
        replace_file(self.last_good, render(route), 0o640)

    def safe_route(self, route: Route) -> Route:
        """O(route) as it was last known to be safe: all on the primary side when no weight of this canary is."""
        return replace(route, weight=self.read_safe(route) or 0, tail=False, mirror=0)

    def call_back(self) -> None:
        """Asks a run that holds the lock to end, since somebody wants all traffic back."""
        replace_file(self._called_back, "", 0o640, durable=False)

    def called_back(self) -> bool:
        return os.path.exists(self._called_back)

    def answer_call(self) -> None:
        """Forgets the wish, once its own run holds the lock or when it is of a run that never did."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._called_back)

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
            handle.truncate(0)
            handle.write(str(os.getpid()))
            handle.flush()
            yield


def _canary(route: Route) -> list[str]:
    return list(route.canary.servers) if route.canary else []
