# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A process of its own that acts where the one that it stands by ends, or is silent for too long, before it has said that all is well.

It is a fork, so it has all of the code that it needs, whatever becomes of the files that this process was started from. It hears of
the end by a pipe that the system closes, so there is no moment between the two.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
import typing as t

# What it is told where it has not killed the run.
ENDED = "the run has ended"


class DeadMan:
    """O(act) is called there with the reason, once; O(patience_s) is counted from when it was armed. What is frozen is killed before."""

    def __init__(self, act: t.Callable[[str], None], patience_s: float) -> None:
        self._act = act
        self._patience_s = patience_s
        self._pipe: int | None = None
        self._armed_at = 0.0

    def arm(self) -> None:
        """Where it is armed, it stays so."""
        if self._pipe is not None:
            return
        run = os.getpid()
        reading, self._pipe = os.pipe()
        self._armed_at = time.monotonic()
        first = os.fork()
        if first == 0:
            self._stand_by(run, reading)
        os.close(reading)
        os.waitpid(first, 0)

    def disarm(self) -> None:
        """Where it is not armed, nothing is done."""
        if self._pipe is not None:
            with contextlib.suppress(BrokenPipeError):  # it has been killed
                os.write(self._pipe, b".")
            os.close(self._pipe)
            self._pipe = None

    def overdue(self) -> bool:
        """Whether it is about to act though this process lives."""
        return self._pipe is not None and time.monotonic() - self._armed_at > self._patience_s * 0.9

    def _stand_by(self, run: int, reading: int) -> t.NoReturn:
        try:
            os.setsid()
            if os.fork() == 0:
                _let_go_of_all_but(reading)
                heard, _none, _nothing = select.select([reading], [], [], self._patience_s)
                if not heard:
                    os.kill(run, signal.SIGKILL)
                    self._act(f"the run has not ended within {self._patience_s:g} s, and was killed")
                elif not os.read(reading, 1):
                    self._act(ENDED)
        finally:
            # No handler of this process' may run twice.
            os._exit(0)


def _let_go_of_all_but(kept: int) -> None:
    """Whoever waits for the end of this process' output, or for a lock of it, must not wait for the fork."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        if number > 2 and number != kept:
            with contextlib.suppress(OSError):  # that of the list itself
                os.close(number)
