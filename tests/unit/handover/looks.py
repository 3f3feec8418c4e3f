# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Of some things two sides may never both have one, as the writes of an application: what was read from both says whether they had.

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


Read = t.Callable[[], frozenset[str]]


class Look(t.NamedTuple):
    """One read of one side: when it began and ended, and what the side had; None where there was no answer."""

    begun: float
    ended: float
    has: frozenset[str] | None


def takes(read: t.Callable[[], str], word: str) -> Read:
    """A read of a server, which has C(writes) where it says O(word); where it says nothing there is no answer."""

    def has() -> frozenset[str]:
        said = read()
        if not said:
            raise RuntimeError
        return frozenset({"writes"} if said == word else ())

    return has


class Watch(threading.Thread):
    """Reads in turn what two sides have of that which only one may have, from when one of them has nothing. Reads that took longer
    than O(brief_s) prove nothing.

    Where a side has something in two reads that follow each other, and the other one in its read between, there was a moment at
    which both had it: all of the read between.
    """

    def __init__(self, reads: t.Iterable[Read], pause_s: float = 0.02, brief_s: float = 1.0) -> None:
        super().__init__(daemon=True)
        self.pause_s, self.brief_s = pause_s, brief_s
        self.turns = itertools.cycle(reads)
        self.looks: list[Look] = []
        self.conclusive = 0
        self.both: list[tuple[Look, ...]] = []
        self.leave = threading.Event()

    def run(self) -> None:
        while not self.leave.wait(self.pause_s):
            self.look(next(self.turns))

    def look(self, read: Read) -> None:
        begun = time.monotonic()
        try:
            has = read()
        except RuntimeError:
            has = None
        look = Look(begun, time.monotonic(), has)
        if self.looks or has == frozenset():
            self.looks = [*self.looks[-2:], look]
        self.judge()

    def judge(self) -> None:
        if len(self.looks) < 3:
            return
        before, _between, after = self.looks
        all_have = [look.has for look in self.looks if look.has is not None]
        if len(all_have) < 3 or after.ended - before.begun > self.brief_s:
            return
        self.conclusive += 1
        if frozenset.intersection(*all_have):
            self.both.append(tuple(self.looks))
