# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A test fails where two servers were seen that take an application's writes."""

from __future__ import annotations

import contextlib
import functools
import typing as t

from .looks import BRIEF_S, PAUSE_S, READ, TAKES_WRITES, Watch, takes
from .stores import Fleet, until

# Fewer looks that prove something are none.
ENOUGH = 3


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
    reads = [takes(functools.partial(one.sql, READ, options=""), TAKES_WRITES) for one in (fleet.swarm, fleet.k3s)]
    return watching(Watch(reads, PAUSE_S, BRIEF_S))
