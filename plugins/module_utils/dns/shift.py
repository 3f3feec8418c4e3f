# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Leading names elsewhere, one step at a time, by nothing but what the servers show, the notes in the zone, and the time.

A record goes: TTL lowered - old TTL waited out - values changed - lowered TTL waited out - TTL restored. Each wait begins when every
authoritative server has been seen to show the change. Each record goes its way by itself.
"""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.sophia.replatform.plugins.module_utils.dns.note import Note
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Done, Refused, Step


@dataclass(frozen=True)
class RRset:
    """The values of one name and type, sorted, in presentation format, and their TTL in seconds."""

    ttl: int
    values: tuple[str, ...]


@dataclass(frozen=True)
class Record:
    """A record as it is to be; O(name) is absolute, O(ttl) that of the end, or null for the one it had at first."""

    name: str
    type: str
    values: tuple[str, ...]
    ttl: int | None = None


@dataclass(frozen=True)
class Seen:
    """A record as it is at the server that takes updates, its note, and O(lagging), the servers that do not show the same."""

    record: Record
    rrset: RRset | None
    note: Note | None = None
    lagging: tuple[str, ...] = ()


@dataclass(frozen=True)
class World:
    """O(now) is in seconds since the epoch."""

    now: float
    seen: tuple[Seen, ...]


@dataclass(frozen=True)
class Wait:
    """Nothing can be done before O(until)."""

    until: int


@dataclass(frozen=True)
class Target:
    """C(lowered), C(shifted), C(promoted) or C(rolled_back), and the TTL that records have meanwhile."""

    state: str
    lowered_ttl: int


# What the step makes of a record: the set, and the note that is written with it.
Change = t.Tuple[RRset, t.Optional[Note]]
_Move = t.Union[Step, Wait, Refused, None]


LONGEST_TTL = 2**31 - 1


def check(target: Target, records: t.Sequence[Record]) -> None:
    """Raises C(RefusedError), which names the option, for what can't be meant."""
    ttls = [("lowered_ttl", target.lowered_ttl), *(("records: ttl", r.ttl) for r in records if r.ttl is not None)]
    for option, ttl in ttls:
        if not 0 < ttl <= LONGEST_TTL:
            raise RefusedError(f"{option}: {ttl} is no TTL from 1 to {LONGEST_TTL} seconds")
    names = [(record.name, record.type) for record in records]
    for name, rdtype in names:
        if names.count((name, rdtype)) > 1:
            raise RefusedError(f"records: {name} {rdtype} is there twice; give it all its values at once")


def next_step(target: Target, world: World) -> Decision:
    moves = [_move(target, seen, world.now) for seen in world.seen]
    steps = [move for move in moves if isinstance(move, Step)]
    # What only waits for servers holds up nothing else.
    steps.sort(key=lambda step: not step.changes)
    for move in moves:
        # On the way back what can be changed is not kept from it by what can't.
        if isinstance(move, Refused) and not (target.state == "rolled_back" and steps and steps[0].changes):
            return move
    if steps:
        return steps[0]
    left = waits(target, world)
    if left:
        return Done(f"resolvers may know what was there before for {left} s more")
    return Done(f"the records are {target.state.replace('_', ' ')}")


def waits(target: Target, world: World) -> int:
    """Seconds until the last of the records can go on; 0 when the state is reached."""
    moves = [_move(target, seen, world.now) for seen in world.seen]
    return max([math.ceil(move.until - world.now) for move in moves if isinstance(move, Wait)], default=0)


def change(target: Target, world: World, step: Step) -> tuple[Seen, Change]:
    """What O(step) makes of the record that it names."""
    seen = next(s for s in world.seen if (s.record.name, s.record.type) == (step.data["record"], step.data["type"]))
    record, now = seen.record, t.cast(RRset, seen.rrset)
    if step.name == "lower_ttl":
        ttl = min(now.ttl, target.lowered_ttl)
        return seen, (replace(now, ttl=ttl), Note(record.type, "lowered", now.ttl, now.values, record.values))
    note = t.cast(Note, seen.note)
    if step.name == "note_deadline":
        return seen, (now, replace(note, until=step.data["until"]))
    if step.name == "change":
        return seen, (replace(now, values=record.values), replace(note, stage="shifted", to=record.values, until=None))
    if step.name == "change_back":
        return seen, (replace(now, values=note.was), replace(note, stage="returned", until=None))
    return seen, (replace(now, ttl=step.data["ttl"]), None)  # restore_ttl


def simulate(target: Target, world: World, step: Step) -> World:
    """The world after O(step), with servers that follow at once."""
    if step.name == "await_servers":
        return replace(world, seen=tuple(replace(seen, lagging=()) for seen in world.seen))
    changed, (rrset, note) = change(target, world, step)
    after = replace(changed, rrset=rrset, note=note, lagging=())
    return replace(world, seen=tuple(after if seen is changed else seen for seen in world.seen))


def _move(target: Target, seen: Seen, now: float) -> _Move:
    record, rrset, note = seen.record, seen.rrset, seen.note
    whose = f"{record.name} {record.type}"
    if rrset is None:
        return Refused(
            f"records: {whose} is not in the zone; add it as it is to be before the cutover, or take it off the list"
        )
    if note and rrset.values != note.values:
        return Refused(
            f"{whose} is {', '.join(rrset.values)} where {', '.join(note.values)} was written (note TXT beside it): somebody else has changed it; "
            "put that value back, or delete the note and begin anew"
        )
    if note and target.state == "rolled_back" and note.stage != "returned":
        if note.stage == "lowered":
            return _step("restore_ttl", record, ttl=note.ttl)
        return _step("change_back", record, values=list(note.was))
    if seen.lagging:
        return Step(
            "await_servers", {"record": record.name, "type": record.type, "servers": list(seen.lagging)}, changes=False
        )
    if note is None:
        return _first(target, record, rrset)
    if note.until is None:
        until = math.ceil(now) + (note.ttl if note.stage == "lowered" else rrset.ttl)
        return _step("note_deadline", record, until=until)
    return _onward(target, record, note, now)


def _first(target: Target, record: Record, rrset: RRset) -> _Move:
    """Without a note the record has not set out, or has arrived."""
    if target.state == "rolled_back" or rrset.values == record.values:
        return None
    if target.state == "promoted":
        return Refused(
            f"{record.name} {record.type} still is {', '.join(rrset.values)}; bring it to state shifted first"
        )
    return _step("lower_ttl", record, from_ttl=rrset.ttl, ttl=min(rrset.ttl, target.lowered_ttl))


def _onward(target: Target, record: Record, note: Note, now: float) -> _Move:
    """With a stage that every server shows."""
    arrived = note.stage == "shifted" and note.to == record.values
    wait = Wait(note.until) if note.until is not None and now < note.until else None
    if target.state == "lowered":
        return None
    if target.state == "shifted":
        if arrived or (note.stage == "lowered" and wait):
            return wait
        return _step("change", record, values=list(record.values))
    if target.state == "promoted":
        if not arrived:
            return Refused(
                f"{record.name} {record.type} does not lead to {', '.join(record.values)} yet; bring it to state shifted first"
            )
        return wait or _step("restore_ttl", record, ttl=note.ttl if record.ttl is None else record.ttl)
    return wait or _step("restore_ttl", record, ttl=note.ttl)  # rolled_back


def _step(name: str, record: Record, **data: t.Any) -> Step:
    return Step(name, {"record": record.name, "type": record.type, **data})
