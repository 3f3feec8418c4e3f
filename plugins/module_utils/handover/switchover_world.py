# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is seen of two PostgreSQL instances and the PgBouncer in front of them, what is wanted of them, and what follows from that. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.sophia.replatform.plugins.module_utils.handover.pooler_file import PoolerFile
from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_checks import Facts

STATES = ("standby", "primary", "released", "alone")


@dataclass(frozen=True)
class Server:
    """What is seen of an instance however it is handed over; positions in the WAL are in bytes.

    O(system) is its identifier. O(follows) is the C(host:port) that it follows, or will. O(slot) is whether it keeps WAL for the other
    one; O(credentials) is whether it has what it takes to connect to the other one.
    """

    address: str
    system: str
    lsn: int = 0
    follows: str = ""
    read_only: bool = False
    slot: bool = False
    credentials: bool = False


@dataclass(frozen=True)
class Instance(Server):
    """One that is a primary, or O(standby).

    O(lsn) is the end of the WAL of a primary, and what a standby has replayed. O(flushed) is from where a restart would replay.
    O(shut_down) is the end of the last checkpoint that is flushed, if it was written by a shutdown, else 0. O(streaming) is whether it
    follows now. O(condemned) is whether it will be a
    standby after its next start; O(marked) and O(marked_timeline) are what the mark of a fence says, if there is one. O(oldest) is where
    the WAL begins that it still has. O(asked) is up to where it has asked for WAL since its start, which a standby does when it has replayed its
    own; else 0. O(followed) is
    whether the other one takes what O(slot) keeps. O(seeding) is whether a copy is being made over it. O(timeline) is that of a primary's WAL and of a
    standby's last checkpoint, O(received) the newest of which it has WAL at all; O(forks) maps a timeline to where the present one of
    a primary left it.

    O(lost) is whether O(slot) no longer keeps WAL, for it would have been more than the server's limit for that. O(retained) is how much a
    primary keeps for it, O(room) what is free on the disk of its WAL, None where it was not asked, and O(disk) the size of that.
    """

    standby: bool = False
    flushed: int = 0
    shut_down: int = 0
    streaming: bool = False
    condemned: bool = False
    marked: str = ""
    marked_timeline: int = 0
    oldest: int = 0
    asked: int = 0
    followed: bool = False
    seeding: bool = False
    clients: int = 0
    timeline: int = 1
    received: int = 1
    lost: bool = False
    retained: int = 0
    room: int | None = None
    disk: int = 0
    forks: t.Mapping[int, int] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)

    @property
    def fenced(self) -> bool:
        """Whether anything is left of a fence; a standby takes no writes anyway."""
        return not self.standby and (self.read_only or self.condemned or self.marked != "")


@dataclass(frozen=True)
class Beside:
    """Another database of the pooler; O(database) is its name at the instance that it leads to."""

    name: str
    leads_to: str
    database: str


@dataclass(frozen=True)
class Pooler:
    """PgBouncer; O(leads_to) is a C(host:port), O(servers) is how many connections to it are open.

    O(beside) is what else it has. O(file) is None where it was not asked for; O(tried) is whether this run has seen that the pooler follows it.
    """

    leads_to: str
    paused: bool = False
    servers: int = 0
    pool_mode: str = "transaction"
    query_wait_s: float = 0
    beside: t.Sequence[Beside] = ()
    file: PoolerFile | None = None
    tried: bool = False


AnyInstance = t.TypeVar("AnyInstance", bound=Server)


@dataclass(frozen=True)
class Seen(t.Generic[AnyInstance]):
    """An instance that does not answer is None."""

    pooler: Pooler
    target: AnyInstance | None
    other: AnyInstance | None


World = Seen[Instance]


@dataclass(frozen=True)
class Wanted:
    """O(state) is one of RV(STATES) and speaks of O(target); O(other) is what is beside it. Both are C(host:port).

    O(other) is empty where it is gone for good, which C(alone) may say.

    O(max_lag) is in bytes; O(grace_s) is how long open transactions are waited for while new ones are held.
    """

    state: str
    target: str
    other: str
    overwrite: bool = False
    max_lag: int = 1 << 20
    grace_s: float = 2


def proven(standby: Instance, primary: str) -> bool:
    """Whether O(standby) has all that the instance at O(primary) ever wrote, and that one was fenced and is shut down.

    A standby that is read-only has a proof that was made void, for that instance may have been promoted again.
    """
    return not standby.read_only and has_mark(standby, primary) and 0 != standby.shut_down == standby.lsn


def has_mark(standby: Instance, primary: str) -> bool:
    """Whether O(standby) has the mark of the last fence of the instance at O(primary), so that it has the proof or may come to it."""
    return standby.standby and (standby.marked, standby.marked_timeline) == (primary, standby.timeline)


def diverged(standby: Instance, primary: Instance) -> bool:
    """Whether O(standby) has WAL that O(primary) has not, so that it can never follow it."""
    timeline = max(standby.timeline, standby.received)
    if timeline == primary.timeline:
        return standby.lsn > primary.lsn
    return standby.lsn > primary.forks.get(timeline, standby.lsn)


def left_behind(standby: Instance, primary: Instance) -> bool:
    """Whether O(primary) no longer has the WAL that O(standby) asks for, as after a time without a slot, and has all that O(standby) has."""
    timeline = max(standby.timeline, standby.received)
    known = timeline == primary.timeline or timeline in primary.forks
    return known and bool(standby.asked) and max(standby.lsn, standby.asked) < primary.oldest


def ready(target: Instance, other: Instance) -> bool:
    """Whether the standby O(target) follows the primary O(other), and each has what it takes to follow the other."""
    both = (target, other)
    return (
        target.streaming
        and not target.read_only
        and target.follows == other.address
        and all(one.slot and one.credentials for one in both)
    )


def text_lsn(lsn: int) -> str:
    """A position in the WAL as PostgreSQL writes it, e.g. C(0/3000148)."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def parse_lsn(text: str) -> int:
    """The inverse of RV(text_lsn); empty is 0."""
    high, _slash, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16) if low else 0


def end_of_checkpoint(start: int, segment: int, page: int = 8192) -> int:
    """Where the record of a checkpoint that starts at O(start) ends.

    24 bytes of header, 2 of the data's header and the 88 of C(CheckPoint), rounded up to 8; where it runs into the next page, that
    page's header lies in between. Source: C(access/xlogrecord.h), C(catalog/pg_control.h), C(access/xlog_internal.h); the same in
    PostgreSQL 13 to 17. Were it another one day, the proof would fail and the other instance would be waited for.
    """
    size = 24 + 2 + 88
    room = page - start % page
    if size > room:
        following = start + room
        start += 40 if following % segment == 0 else 24
    return (start + size + 7) // 8 * 8
