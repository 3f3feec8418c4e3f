# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nobody may see two servers at once that take an application's writes."""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
import time
import typing as t

from .stores import Fleet, until

READ = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')"
TAKES_WRITES = "f|off"
# A server can't lose and regain its writes in between: each takes a run of the handover, a process of its own that looks at three
# servers again and again. Reads that took longer prove nothing.
BRIEF_S = 1.0
# Fewer looks that prove something are none.
ENOUGH = 10


class Look(t.NamedTuple):
    """One read of one server: when it began and ended, and what was answered, nothing for none."""

    begun: float
    ended: float
    said: str


class Watch(threading.Thread):
    """Reads from two servers in turn, from when one of them follows the other; O(taking) is what one says that takes writes.

    Where a server takes writes in two reads that follow each other, and the other one in its read between, there was a moment at
    which both did: all of the read between.
    """

    def __init__(self, reads: t.Iterable[t.Callable[[], str]], taking: str) -> None:
        super().__init__(daemon=True)
        self.turns, self.taking = itertools.cycle(reads), taking
        self.looks: list[Look] = []
        self.conclusive = 0
        self.both: list[tuple[Look, ...]] = []
        self.leave = threading.Event()

    def run(self) -> None:
        while not self.leave.wait(0.02):
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
        if after.ended - before.begun > BRIEF_S:
            return
        self.conclusive += all(look.said for look in self.looks)
        if all(look.said == self.taking for look in self.looks):
            self.both.append((before, between, after))


@contextlib.contextmanager
def watching(watch: Watch) -> t.Iterator[None]:
    """Fails where both were seen to take writes at the same time; one follows the other at the end, or before."""
    watch.start()
    try:
        yield
        until(lambda: watch.conclusive >= ENOUGH, "both were read, again and again")
    finally:
        watch.leave.set()
        watch.join()
        print(f"both read {watch.conclusive} times")
        # Also where the handover has failed: this is why.
        assert not watch.both, f"both took writes at the same time, {len(watch.both)} times: {watch.both[0]}"


def watched(fleet: Fleet) -> t.ContextManager[None]:
    """Both on new connections, with the defaults that an application gets."""
    return watching(
        Watch([functools.partial(one.sql, READ, options="") for one in (fleet.swarm, fleet.k3s)], TAKES_WRITES)
    )
