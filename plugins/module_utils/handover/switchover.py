# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do next so that one of two PostgreSQL instances is the primary and the other its standby. Pure.

Two instances and a PgBouncer in front of them. O(target) is the instance that is wanted as the standby, or as the primary;
O(other) is the one beside it. The way back is the same operation with the two exchanged.

Never two writers: the primary is fenced before it is stopped. Fenced means, in this order: C(default_transaction_read_only);
C(standby.signal), so that whatever starts it again starts a standby; and a mark with its address and timeline, which goes through
the WAL. A standby that has the mark, and whose last record is a shutdown checkpoint of that timeline, has all that the primary ever
wrote, and the primary can't come back as one: only then, or when both are seen to be standbys, is it promoted.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_checks import (
    Facts,
    handover_faults,
    seed_faults,
)
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Done, Refused, Step

STATES = ("standby", "primary", "released", "alone")
# A shutdown writes what has changed since the last checkpoint; clients wait for it.
MAX_UNFLUSHED = 64 << 20


@dataclass(frozen=True)
class Instance:
    """One instance; positions in the WAL are in bytes.

    O(lsn) is the end of the WAL of a primary, and what a standby has replayed. O(flushed) is from where a restart would replay.
    O(shut_down) is the end of the last checkpoint that is flushed, if it was written by a shutdown, else 0. O(follows) is the
    C(host:port) that it is a standby of, or will be; O(streaming) is whether it does now. O(condemned) is whether it will be a
    standby after its next start; O(marked) and O(marked_timeline) are what the mark of a fence says, if there is one. O(slot) is
    whether it keeps WAL for the other one, O(followed) whether that takes it now; O(credentials) is whether it has what it takes to
    connect to the other one. O(seeding) is whether a copy is being made over it. O(timeline) is that of a primary's WAL and of a
    standby's last checkpoint, O(received) the newest of which it has WAL at all; O(forks) maps a timeline to where the present one of
    a primary left it.
    """

    address: str
    system: str
    standby: bool
    lsn: int = 0
    flushed: int = 0
    shut_down: int = 0
    follows: str = ""
    streaming: bool = False
    read_only: bool = False
    condemned: bool = False
    marked: str = ""
    marked_timeline: int = 0
    slot: bool = False
    followed: bool = False
    credentials: bool = False
    seeding: bool = False
    clients: int = 0
    timeline: int = 1
    received: int = 1
    forks: t.Mapping[int, int] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)

    @property
    def fenced(self) -> bool:
        """Whether anything is left of a fence; a standby takes no writes anyway."""
        return not self.standby and (self.read_only or self.condemned or self.marked != "")


@dataclass(frozen=True)
class Pooler:
    """PgBouncer; O(leads_to) is a C(host:port), O(servers) is how many connections to it are open."""

    leads_to: str
    paused: bool = False
    servers: int = 0
    pool_mode: str = "transaction"
    query_wait_s: float = 0


@dataclass(frozen=True)
class World:
    """An instance that does not answer is None."""

    pooler: Pooler
    target: Instance | None
    other: Instance | None


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
    grace_s: float = 10


def next_step(world: World, wanted: Wanted) -> Decision:
    """The next step towards O(wanted)."""
    target, other = world.target, world.other
    if world.pooler.leads_to not in (wanted.target, wanted.other):
        return Refused(
            f"the pooler leads to {world.pooler.leads_to}, which is neither {wanted.target} nor {wanted.other}:"
            " name the two instances as its configuration does"
        )
    if wanted.state == "released":
        return _released(world, wanted)
    for instance in (target, other):
        if instance and instance.seeding:
            return Step("wait_for_copy", {"to": instance.address}, changes=False)
    if target is None:
        return _without_target(world, wanted)
    if other and other.system != target.system:
        return _unrelated(world, target, other, wanted)
    if not target.standby:
        return _target_is_primary(world, target, other, wanted)
    if other is None:
        return _without_other(world, target, wanted)
    if not other.standby:
        return _prepare(world, target, other, wanted)
    return _both_standbys(world, target, other, wanted)


def proven(standby: Instance, primary: str) -> bool:
    """Whether O(standby) has all that the instance at O(primary) ever wrote, and that one was fenced and is shut down.

    A standby that is read-only has a proof that was made void, for that instance may have been promoted again.
    """
    return not standby.read_only and has_proof(standby, primary)


def has_proof(standby: Instance, primary: str) -> bool:
    """The same, be it void or not."""
    marked = (standby.marked, standby.marked_timeline) == (primary, standby.timeline)
    return standby.standby and marked and 0 != standby.shut_down == standby.lsn


def diverged(standby: Instance, primary: Instance) -> bool:
    """Whether O(standby) has WAL that O(primary) has not, so that it can never follow it."""
    timeline = max(standby.timeline, standby.received)
    if timeline == primary.timeline:
        return standby.lsn > primary.lsn
    return standby.lsn > primary.forks.get(timeline, standby.lsn)


def ready(target: Instance, other: Instance) -> bool:
    """Whether the standby O(target) follows the primary O(other), and each has what it takes to follow the other."""
    both = (target, other)
    return (
        target.streaming
        and not target.read_only
        and target.follows == other.address
        and all(one.slot and one.credentials for one in both)
    )


def _released(world: World, wanted: Wanted) -> Decision:
    """Clients go on with the primary, whichever it is; nothing else is moved."""
    leads_to = world.pooler.leads_to
    seen = [one for one in (world.target, world.other) if one]
    primaries = [one for one in seen if not one.standby]
    # Without a sight of the other one, or its mark, one that is not led to may be of any origin.
    known = [
        one
        for one in primaries
        if one.address == leads_to
        or one.marked == leads_to
        or {two.system for two in seen if two.standby} == {one.system}
    ]
    serving = known if len(known) == 1 else [one for one in known if one.address == leads_to]
    if not serving:
        return Refused(
            f"no primary is seen that clients could be led to: bring {leads_to} back, or run the handover again"
        )
    one = serving[0]
    if one.read_only or one.condemned or one.marked == one.address:
        return Step("release", {"at": one.address})
    if leads_to != one.address:
        return Step("repoint", {"to": one.address})
    return Step("resume", {"to": one.address}) if world.pooler.paused else Done(f"clients are led to {one.address}")


def _without_target(world: World, wanted: Wanted) -> Decision:
    if wanted.state == "alone":
        return Refused(f"{wanted.target} does not answer: bring it back first")
    if world.other is None:
        return Refused(f"neither {wanted.target} nor {wanted.other} answers: bring them back first")
    if world.pooler.paused:
        return Refused(
            f"{wanted.target} does not answer and writes are held: bring it back, or make {wanted.other} the primary"
        )
    return Step("wait_for_instance", {"at": wanted.target}, changes=False)


def _unrelated(world: World, target: Instance, other: Instance, wanted: Wanted) -> Decision:
    """They are two databases of different origin: O(target) becomes a copy of O(other), unless it is what clients have."""
    if wanted.state == "primary" and not target.standby and world.pooler.leads_to == target.address:
        return _leftovers(world, target) or Done(
            f"{target.address} is the primary, and {other.address} has never followed it"
        )
    if other.standby or world.pooler.leads_to != other.address:
        return Refused(
            f"{target.address} and {other.address} are of different origin, and the pooler leads to {world.pooler.leads_to}:"
            " there is nothing to hand over"
        )
    return _seed(world, target, other, wanted)


def _seed(world: World, target: Instance, other: Instance, wanted: Wanted) -> Decision:
    faults = seed_faults(other.facts, target.facts, other.address, target.address)
    if faults:
        return Refused("; ".join(faults))
    if target.facts.tables and not wanted.overwrite:
        return Refused(
            f"{target.address} holds {target.facts.tables} tables of its own: set overwrite if they may be lost, or find"
            " out whose they are"
        )
    return (
        _leftovers(world, other)
        or _credentials(target, other)
        or _slot(other)
        or Step("seed", {"at": target.address, "from": other.address, "bytes": other.facts.size})
    )


def _leftovers(world: World, primary: Instance) -> Step | None:
    """What a handover that was given up has left on the one that stays the primary."""
    if primary.fenced:
        return Step("release", {"at": primary.address})
    if world.pooler.paused and world.pooler.leads_to == primary.address:
        return Step("resume", {"to": primary.address})
    return None


def _credentials(*instances: Instance) -> Step | None:
    for instance in instances:
        if not instance.credentials:
            return Step("give_credentials", {"at": instance.address})
    return None


def _slot(*instances: Instance) -> Step | None:
    for instance in instances:
        if not instance.slot:
            return Step("make_slot", {"at": instance.address})
    return None


def _prepare(world: World, target: Instance, other: Instance, wanted: Wanted) -> Decision:
    """O(other) is the primary and O(target) a standby."""
    pooler = world.pooler
    if wanted.state == "alone":
        return Refused(f"{target.address} is a standby: make it the primary first")
    held = pooler.paused and pooler.leads_to == other.address
    if wanted.state == "primary" and held and ready(target, other):
        return _hold(pooler, target, other)
    step = _leftovers(world, other) or _credentials(target, other) or _slot(target, other)
    if step:
        return step
    if target.follows != other.address:
        return Step("follow", {"at": target.address, "primary": other.address})
    if not target.streaming:
        return _wait_or_seed(world, target, other, wanted)
    if target.read_only and not has_proof(target, other.address):
        return Step("release", {"at": target.address})
    if target.read_only or other.lsn - target.lsn > wanted.max_lag:
        return Step("wait_for_lag", {"at": target.address}, changes=False)
    if pooler.leads_to != other.address:
        return Refused(
            f"the pooler leads to {pooler.leads_to}, which is a standby: make {other.address} the primary first"
        )
    if wanted.state == "standby":
        return Done(f"{target.address} is a standby of {other.address} and less than {wanted.max_lag} bytes behind")
    faults = handover_faults(pooler.pool_mode, pooler.query_wait_s, wanted.grace_s)
    if faults:
        return Refused("; ".join(faults))
    for instance in (other, target):
        if instance.lsn - instance.flushed > MAX_UNFLUSHED:
            return Step("checkpoint", {"at": instance.address})
    return Step("pause", {"grace_s": wanted.grace_s})


def _wait_or_seed(world: World, standby: Instance, primary: Instance, wanted: Wanted) -> Decision:
    if not diverged(standby, primary):
        return Step("wait_for_stream", {"at": standby.address}, changes=False)
    if wanted.overwrite:
        return _seed(world, standby, primary, wanted)
    return Refused(
        f"{standby.address} has WAL that {primary.address} has not, so it can't follow it: set overwrite if that may be lost"
    )


def _hold(pooler: Pooler, target: Instance, other: Instance) -> Decision:
    """Clients wait: no more than what has to be done."""
    if other.marked and (other.marked, other.marked_timeline) != (other.address, other.timeline):
        return Step("release", {"at": other.address})
    if pooler.servers:
        return Step("wait_for_transactions", {"servers": pooler.servers}, changes=False)
    return Step("fence", {"at": other.address, "direct_clients": other.clients})


def _without_other(world: World, target: Instance, wanted: Wanted) -> Decision:
    """O(target) is a standby and O(other) does not answer."""
    if wanted.state == "alone":
        return Refused(f"{target.address} is a standby: make it the primary first")
    if proven(target, wanted.other) and wanted.state == "primary":
        return Step("promote", {"at": target.address, "lsn": text_lsn(target.lsn)})
    if world.pooler.paused or target.marked:
        return Step("prove", {"at": target.address}, changes=False)
    return Refused(f"{wanted.other} does not answer and is not known to be fenced: bring it back first")


def _both_standbys(world: World, target: Instance, other: Instance, wanted: Wanted) -> Decision:
    if wanted.state == "alone":
        return Refused(f"{target.address} is a standby: make it the primary first")
    if wanted.state == "standby":
        return Refused(
            f"{target.address} and {other.address} are both standbys, for a handover was cut off: make one the primary"
        )
    promote = Step("promote", {"at": target.address, "lsn": text_lsn(target.lsn)})
    if proven(target, other.address):
        return promote
    for one, upstream in ((target, other), (other, target)):
        if one.follows != upstream.address:
            return Step("follow", {"at": one.address, "primary": upstream.address})
    # One that streams has nothing of its own left to replay.
    if other.streaming and target.lsn >= other.lsn:
        if target.marked == target.address and not other.read_only:
            return Step("void", {"at": other.address})
        return promote
    return Step("wait_for_replay", {"at": target.address}, changes=False)


def _target_is_primary(world: World, target: Instance, other: Instance | None, wanted: Wanted) -> Decision:
    pooler = world.pooler
    if other and not other.standby:
        return Refused(
            f"{target.address} and {other.address} are both primaries of one origin: stop the one whose writes are to be lost"
        )
    if wanted.state == "standby":
        if other is None:
            return Step("wait_for_instance", {"at": wanted.other}, changes=False)
        return Refused(f"{target.address} is the primary: make {other.address} the primary first")
    if pooler.leads_to != target.address and other is None and target.marked != wanted.other:
        # Without the other one's mark it may be of any origin.
        return Step("wait_for_instance", {"at": wanted.other}, changes=False)
    if target.read_only or target.condemned or target.marked == target.address:
        return Step("release", {"at": target.address})
    if pooler.leads_to != target.address:
        return Step("repoint", {"to": target.address})
    if pooler.paused:
        return Step("resume", {"to": target.address})
    if target.marked:
        return Step("release", {"at": target.address})
    if wanted.state == "alone":
        return _alone(target, other)
    if other is None:
        return Step("wait_for_instance", {"at": wanted.other}, changes=False)
    step = _credentials(target, other) or _slot(target)
    if step:
        return step
    if other.follows != target.address:
        return Step("follow", {"at": other.address, "primary": target.address})
    if not other.streaming:
        return _wait_or_seed(world, other, target, wanted)
    if other.slot:
        # On a standby it would keep WAL for ever.
        return Step("drop_slot", {"at": other.address})
    return Done(f"{target.address} is the primary and {other.address} follows it")


def _alone(target: Instance, other: Instance | None) -> Decision:
    """The way back is given up; what is kept for it goes."""
    if other and other.streaming:
        return Refused(f"{other.address} still follows {target.address}: stop it first")
    if target.followed:
        # One that was just stopped is missed after wal_sender_timeout.
        return Step("wait_for_standby_to_leave", {"at": target.address}, changes=False)
    if target.slot:
        return Step("drop_slot", {"at": target.address})
    return Done(f"{target.address} is alone")


def simulate(world: World, step: Step, wanted: Wanted) -> World:
    """The world after O(step), as far as RV(next_step) looks at it."""
    at = step.data.get("at") or step.data.get("to") or ""
    one, beside = (world.target, world.other) if at == wanted.target else (world.other, world.target)
    pooler = world.pooler
    if step.name in ("pause", "wait_for_transactions"):
        return replace(world, pooler=replace(pooler, paused=True, servers=0))
    if step.name == "resume":
        return replace(world, pooler=replace(pooler, paused=False))
    if step.name == "repoint":
        return replace(world, pooler=replace(pooler, leads_to=step.data["to"]))
    if step.name == "fence" and one and beside:
        # Clients are led on when it is stopped; it comes back as a standby.
        marked = replace(one, marked=one.address, marked_timeline=one.timeline)
        down = replace(marked, standby=True, condemned=True, follows=beside.address, streaming=True)
        up = replace(marked, **{name: getattr(beside, name) for name in _OWN}, shut_down=one.lsn)
        return _put(_put(world, down), up)
    if step.name == "prove" and one:
        return replace(world, other=replace(one, address=wanted.other, follows=one.address, streaming=True))
    if step.name == "wait_for_instance":
        return _appear(world, at)
    if one is None:
        return world
    changes: dict[str, t.Callable[[], Instance]] = {
        "wait_for_copy": lambda: replace(one, seeding=False),
        "wait_for_standby_to_leave": lambda: replace(one, followed=False),
        "give_credentials": lambda: replace(one, credentials=True),
        "make_slot": lambda: replace(one, slot=True),
        "drop_slot": lambda: replace(one, slot=False),
        "release": lambda: replace(one, read_only=False, condemned=one.standby and one.condemned, marked=""),
        "void": lambda: replace(one, read_only=True),
        "follow": lambda: replace(one, follows=step.data["primary"]),
        "checkpoint": lambda: replace(one, flushed=one.lsn),
        "promote": lambda: replace(one, standby=False, condemned=False, streaming=False),
        "seed": lambda: _copy_of(one, beside or one),
        "wait_for_stream": lambda: replace(one, streaming=True, lsn=beside.lsn if beside else one.lsn),
        "wait_for_lag": lambda: replace(one, lsn=beside.lsn if beside else one.lsn, shut_down=0),
        "wait_for_replay": lambda: replace(one, lsn=beside.lsn if beside else one.lsn),
    }
    return _put(world, changes[step.name]())


def _copy_of(one: Instance, source: Instance) -> Instance:
    return replace(
        source,
        address=one.address,
        standby=True,
        condemned=True,
        follows=source.address,
        streaming=True,
        slot=False,
        credentials=one.credentials,
        flushed=source.lsn,
    )


# What an instance has of its own and does not get from the one that it follows.
_OWN = ("address", "standby", "follows", "streaming", "read_only", "condemned", "slot", "credentials", "facts")


def _appear(world: World, at: str) -> World:
    """The instance at O(at) as if it were there, and a standby of the other; what it really is shows when it answers."""
    there = world.target or world.other
    if there is None:
        return world
    one = _copy_of(replace(there, address=at), there)
    return replace(world, target=one) if world.target is None else replace(world, other=one)


def _put(world: World, instance: Instance) -> World:
    if world.target and world.target.address == instance.address:
        return replace(world, target=instance)
    return replace(world, other=instance)


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
