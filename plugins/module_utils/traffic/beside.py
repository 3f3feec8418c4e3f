# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looking at something again and again beside a watch, so that what hangs does not hold up the look at Traefik's counters."""

from __future__ import annotations

import contextlib
import threading
import typing as t


class Beside:
    """Calls O(look) every O(every_s) seconds in a thread; it returns what is wrong, an empty string for nothing.

    O(said) is what it said last, O(row) how many looks up to the last one found something wrong, O(looked) whether there was one.
    """

    def __init__(self, look: t.Callable[[], str], every_s: float) -> None:
        self._look, self._every_s = look, every_s
        self.said, self.row, self.looked = "", 0, False
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

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self.said = self._look()
            self.row = self.row + 1 if self.said else 0
            self.looked = True
