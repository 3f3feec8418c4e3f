# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ctrl-C and its like: the first time the running task ends first, the second time it does not, the third time nothing is waited for."""

from __future__ import annotations

import contextlib
import os
import signal
import types
import typing as t

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """How often a stop was asked for, and the way to the run that goes on.

    The handlers do no more than write a file or send a signal, which is safe at any moment; what is to be said about it is said by
    whoever looks at O(asked).
    """

    def __init__(self) -> None:
        self.asked = 0
        self._folder: str | None = None

    @contextlib.contextmanager
    def listening(self) -> t.Iterator[None]:
        """Signals mean a stop meanwhile, and what they meant before afterwards."""
        before = {number: signal.signal(number, self._ask) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def of(self, folder: str) -> t.Iterator[None]:
        """A run goes on whose callback looks into O(folder)."""
        self._folder = folder
        try:
            yield
        finally:
            self._folder = None

    @property
    def kill(self) -> bool:
        """Whether nothing is to be waited for."""
        return self.asked > 2

    def _ask(self, _number: int, _frame: types.FrameType | None) -> None:
        self.asked += 1
        if self._folder is None:
            return
        if self.asked == 1:
            os.close(os.open(os.path.join(self._folder, "stop"), os.O_WRONLY | os.O_CREAT, 0o600))
        elif self.asked == 2:
            self._interrupt(self._folder)

    @staticmethod
    def _interrupt(folder: str) -> None:
        with contextlib.suppress(OSError, ValueError), open(os.path.join(folder, "pid"), encoding="ascii") as handle:
            os.kill(int(handle.read()), signal.SIGINT)
