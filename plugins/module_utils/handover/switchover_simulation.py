# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a step of a switchover does to what is seen, as far as the next one depends on it. Pure; it makes check mode's plan."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_world import Instance, Wanted, World
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Step


def simulate(world: World, step: Step, wanted: Wanted) -> World:
    """The world after O(step), as far as RV(next_step) looks at it."""
    at = step.data.get("at") or step.data.get("to") or ""
    one, beside = (world.target, world.other) if at == wanted.target else (world.other, world.target)
    pooler = world.pooler
    if step.name in ("pause", "wait_for_transactions"):
        return replace(world, pooler=replace(pooler, paused=True, servers=0))
    if step.name == "resume":
        return replace(world, pooler=replace(pooler, paused=False))
    if step.name == "try_repoint":
        return replace(world, pooler=replace(pooler, tried=True))
    if step.name == "repoint":
        return replace(world, pooler=replace(pooler, leads_to=step.data["to"]))
    if step.name == "fence" and one and beside:
        # Clients are led on when it is stopped; it comes back as a standby.
        marked = replace(one, marked=one.address, marked_timeline=one.timeline)
        down = replace(marked, standby=True, read_only=True, condemned=True, follows=beside.address, streaming=True)
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
        "remove_credentials": lambda: replace(one, credentials=False),
        "make_slot": lambda: replace(one, slot=True, lost=False),
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
