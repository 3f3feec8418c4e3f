# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nobody may see two servers at once that take an application's writes: what was read from both says whether somebody could.

Of nothing but the standard library: molecule/migration has it on a host.
"""

from __future__ import annotations

import itertools
import threading
import time
import typing as t

READ = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')"
TAKES_WRITES = "f|off"
# A read is a process of its own and a login: more of them would slow down what they look at.
PAUSE_S = 0.4
# In less than that a server of this kind does not lose and regain its writes while the other one has them: each takes a run of the
# handover, a process of its own, and a restart.
BRIEF_S = 2.0


class Look(t.NamedTuple):
    """One read of one server: when it began and ended, and what was answered, nothing for none."""

    begun: float
    ended: float
    said: str


class Watch(threading.Thread):
    """Reads from two servers in turn, from when one of them follows the other; O(taking) is what one says that takes writes. Reads
    that took longer than O(brief_s) prove nothing.

    Where a server takes writes in two reads that follow each other, and the other one in its read between, there was a moment at
    which both did: all of the read between.
    """

    def __init__(
        self, reads: t.Iterable[t.Callable[[], str]], taking: str, pause_s: float = 0.02, brief_s: float = 1.0
    ) -> None:
        super().__init__(daemon=True)
        self.pause_s, self.brief_s = pause_s, brief_s
        self.turns, self.taking = itertools.cycle(reads), taking
        self.looks: list[Look] = []
        self.conclusive = 0
        self.both: list[tuple[Look, ...]] = []
        self.leave = threading.Event()

    def run(self) -> None:
        while not self.leave.wait(self.pause_s):
            self.look(next(self.turns))

    def look(self, read: t.Callable[[], str]) -> None:
        begun = time.monotonic()
        try:
            said = read()
        except RuntimeError:
            said = ""
        look = Look(begun, time.monotonic(), said)
        if self.looks or said not in ("", self.taking):
            self.looks = [*self.looks[-2:], look]
        self.judge()

    def judge(self) -> None:
        if len(self.looks) < 3:
            return
        before, between, after = self.looks
        if after.ended - before.begun > self.brief_s:
            return
        self.conclusive += all(look.said for look in self.looks)
        if all(look.said == self.taking for look in self.looks):
            self.both.append((before, between, after))
