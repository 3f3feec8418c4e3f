# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looking at something again and again beside a watch, so that what hangs does not hold up the look at Traefik's counters."""

from __future__ import annotations

import contextlib
import threading
import typing as t


class Beside:
    """Calls O(look) every O(every_s) seconds in a thread; it returns what is wrong, an empty string for nothing.

    O(said) is what it said last.
    """

    def __init__(self, look: t.Callable[[], str], every_s: float) -> None:
        self._look, self._every_s = look, every_s
        self.said = self._fault = ""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @contextlib.contextmanager
    def running(self) -> t.Iterator[None]:
        """Looks within; a look on its way at the end is not waited for."""
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()

    def take_fault(self) -> str:
        """The last fault, once for each; else an empty string."""
        with self._lock:
            fault, self._fault = self._fault, ""
            return fault

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            said = self._look()
            with self._lock:
                self.said, self._fault = said, said or self._fault
