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
from dataclasses import replace

from ansible_collections.sophia.replatform.plugins.module_utils.handover.pooler_checks import pooler_faults
from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_checks import (
    carried_faults,
    environment_faults,
    handover_faults,
    seed_faults,
    short_of_room,
)
from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_world import (
    Instance,
    Pooler,
    Wanted,
    World,
    diverged,
    has_mark,
    left_behind,
    proven,
    ready,
    text_lsn,
)
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Done, Refused, Step

# A shutdown writes what has changed since the last checkpoint; clients wait for it.
MAX_UNFLUSHED = 64 << 20


def next_step(world: World, wanted: Wanted) -> Decision:
    """The next step towards O(wanted)."""
    target, other = world.target, world.other
    stranger = _stranger(world, wanted)
    if stranger:
        return stranger
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


def given_up(world: World, wanted: Wanted) -> Decision:
    """As next_step with C(released), but nobody is promoted: clients go on with the primary that is seen, or not yet."""
    return _stranger(world, replace(wanted, state="released")) or _go_on(world) or _no_primary(world)


def _stranger(world: World, wanted: Wanted) -> Refused | None:
    """A pooler that leads elsewhere; an instance that came back with other data: on an empty volume, or on another one."""
    pooler, target, other = world.pooler, world.target, world.other
    if pooler.leads_to not in (wanted.target, wanted.other):
        return Refused(
            f"the pooler leads to {pooler.leads_to}, which is neither {wanted.target} nor {wanted.other}:"
            " name the two instances as its configuration does"
        )
    for one, beside in ((target, other), (other, target)):
        if one is None or one.standby:
            continue
        if beside is None:
            # Nobody is held before both have a slot.
            strange = wanted.state != "alone" and pooler.paused and pooler.leads_to == one.address and not one.slot
            evidence = "it has no slot, and that for which clients are held has one"
        else:
            strange = beside.standby and beside.follows == one.address and beside.system != one.system
            strange = strange and not (wanted.overwrite and beside is target and not pooler.paused)
            evidence = f"it is of system {one.system}, and its standby {beside.address} of {beside.system}"
        if strange:
            return Refused(f"{one.address} came back with other data ({evidence}): give it its volume back first")
    return None


def _released(world: World, wanted: Wanted) -> Decision:
    """Clients go on with the primary, whichever it is, or is to become it; nothing else is moved."""
    return _go_on(world) or _cut_off(world, wanted) or _no_primary(world)


def _no_primary(world: World) -> Refused:
    return Refused(
        f"no primary is seen that clients could be led to: bring {world.pooler.leads_to} back, or run the handover again"
    )


def _go_on(world: World) -> Step | Done | None:
    """Clients go on with the primary, where one is seen; a fence that it has not ended at is taken back first."""
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
        return None
    one = serving[0]
    if one.read_only or one.condemned or one.marked == one.address:
        return Step("release", {"at": one.address})
    if leads_to != one.address:
        return Step("repoint", {"to": one.address})
    return Step("resume", {"to": one.address}) if world.pooler.paused else Done(f"clients are led to {one.address}")


def _cut_off(world: World, wanted: Wanted) -> Decision | None:
    """What ends a handover that was cut off between the fence and the promotion."""
    target, other = world.target, world.other
    if target is None or not target.standby:
        return None
    if other is None:
        return _without_other(world, target, replace(wanted, state="primary"))
    if other.standby and other.system == target.system:
        return _both_standbys(world, target, other, replace(wanted, state="primary"))
    return None


def _without_target(world: World, wanted: Wanted) -> Decision:
    if wanted.state == "alone":
        return Refused(f"{wanted.target} does not answer: bring it back first")
    if world.other is None:
        return Refused(f"neither {wanted.target} nor {wanted.other} answers: bring them back first")
    if world.pooler.paused and not world.other.standby:
        return _released(world, wanted)
    # What was fenced a moment ago is on its way back as a standby.
    if world.pooler.paused:
        return Step("wait_for_instance", {"at": wanted.target, "held": True}, changes=False)
    return _while_there_is_room(Step("wait_for_instance", {"at": wanted.target}, changes=False), world.other)


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
    return _seed(world, target, other, wanted, pooler_faults(world.pooler, wanted))


def _seed(
    world: World, target: Instance, other: Instance, wanted: Wanted, of_the_pooler: t.Sequence[str] = ()
) -> Decision:
    faults = [*seed_faults(other.facts, target.facts, other.address, target.address), *of_the_pooler]
    if short_of_room(other.room, other.disk):
        faults.append(
            f"{other.address} has {other.room} of {other.disk} bytes free where its WAL lies, and would keep WAL there for"
            f" {target.address}: make room"
        )
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
        or Step(
            "seed", {"at": target.address, "from": other.address, "bytes": other.facts.size, "over": _state(target)}
        )
    )


def _state(instance: Instance) -> str:
    """What is to be overwritten, and nothing else, should it come late."""
    return f"{instance.system} {'standby' if instance.standby else 'primary'}"


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
        if not instance.slot or instance.lost:
            return Step("make_slot", {"at": instance.address})
    return None


def _while_there_is_room(wait: Step, primary: Instance) -> Decision:
    """O(primary) keeps WAL for the one that is waited for: that is given up before it takes the last of the disk."""
    at = wait.data["at"]
    if short_of_room(primary.room, primary.disk) and primary.retained >= (primary.room or 0):
        return Refused(
            f"{primary.address} has {primary.room} of {primary.disk} bytes free where its WAL lies, and keeps {primary.retained}"
            f" there for {at}: make room, bring {at} back, or give it up with state alone of {primary.address}"
        )
    return wait


def _prepare(world: World, target: Instance, other: Instance, wanted: Wanted) -> Decision:
    """O(other) is the primary and O(target) a standby."""
    pooler = world.pooler
    if wanted.state == "alone":
        return Refused(f"{target.address} is a standby: make it the primary first")
    if pooler.leads_to != other.address:
        return Step("repoint", {"to": other.address})
    if wanted.state == "primary" and pooler.paused and ready(target, other):
        return _hold(pooler, target, other)
    step = _leftovers(world, other)
    if step:
        return step
    # It may follow since before its image was changed, or have been made by hand; and the primary may have got what it is not sent.
    faults = environment_faults(other.facts, target.facts, other.address, target.address)
    faults += [*carried_faults(other.facts, other.address), *pooler_faults(pooler, wanted)]
    if faults:
        return Refused("; ".join(faults))
    step = _credentials(target, other) or _slot(target, other)
    if step:
        return step
    if target.follows != other.address:
        return Step("follow", {"at": target.address, "primary": other.address})
    if not target.streaming:
        return _wait_or_seed(world, target, other, wanted)
    if target.read_only and not has_mark(target, other.address):
        return Step("release", {"at": target.address})
    behind = other.lsn - target.lsn
    if target.read_only or behind > wanted.max_lag:
        figures = {"behind_bytes": max(0, behind), "retained_bytes": other.retained}
        if other.room is not None:
            figures["free_bytes"] = other.room
        return _while_there_is_room(Step("wait_for_lag", {"at": target.address, **figures}, changes=False), other)
    if wanted.state == "standby":
        return Done(f"{target.address} is a standby of {other.address} and less than {wanted.max_lag} bytes behind")
    faults = handover_faults(pooler.pool_mode, pooler.query_wait_s, wanted.grace_s)
    if faults:
        return Refused("; ".join(faults))
    for instance in (other, target):
        if instance.lsn - instance.flushed > MAX_UNFLUSHED:
            return Step("checkpoint", {"at": instance.address})
    if not pooler.tried:
        return Step("try_repoint", {"to": other.address}, changes=False)
    return Step("pause", {"at": other.address, "grace_s": wanted.grace_s})


def _wait_or_seed(world: World, standby: Instance, primary: Instance, wanted: Wanted) -> Decision:
    if not diverged(standby, primary):
        if left_behind(standby, primary):
            return _seed(world, standby, primary, replace(wanted, overwrite=True))
        return _while_there_is_room(Step("wait_for_stream", {"at": standby.address}, changes=False), primary)
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
    if proven(target, other.address):
        return _promote(target, other)
    for one, upstream in ((target, other), (other, target)):
        if one.follows != upstream.address:
            return Step("follow", {"at": one.address, "primary": upstream.address})
    # One that streams has nothing of its own left to replay.
    if other.streaming and target.lsn >= other.lsn:
        return _promote(target, other)
    return Step("wait_for_replay", {"at": target.address}, changes=False)


def _promote(target: Instance, other: Instance) -> Step:
    """Of two standbys only one may be promoted, however late: the other is made void first."""
    if not other.read_only:
        return Step("void", {"at": other.address})
    if target.read_only:
        return Step("release", {"at": target.address})
    return Step("promote", {"at": target.address, "lsn": text_lsn(target.lsn)})


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
        return _while_there_is_room(Step("wait_for_instance", {"at": wanted.other}, changes=False), target)
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
    for one in (target, other):
        if one and one.credentials:
            return Step("remove_credentials", {"at": one.address})
    return Done(f"{target.address} is alone")
