# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do next so that a PostgreSQL database is handed over by logical replication. Pure.

Two instances, of any major versions, and a PgBouncer in front of them; one database is handed over. O(target) is the instance that is
wanted as the subscriber, or as the primary; O(other) is the one beside it. The way back is the same operation with the two exchanged.

Never two writers: the primary is fenced before anything else may take writes, and it is fenced until the other one follows it. Each is
known from the subscriptions alone. One follows the other: the other one is the primary. Each follows the other: both are fenced and
have the same, and either may become the primary. RV(next_step) lets the second subscription be made only by O(turn), and that only
when the subscriber has confirmed all that the fenced primary ever wrote.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.sophia.replatform.plugins.module_utils.handover.logical_checks import (
    Facts,
    readiness_faults,
    subscription_faults,
)
from ansible_collections.sophia.replatform.plugins.module_utils.handover.pooler_checks import pooler_faults
from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_checks import handover_faults
from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_world import (
    Pooler,
    Seen,
    Server,
    Wanted,
)
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Done, Refused, Step


@dataclass(frozen=True)
class Instance(Server):
    """The database on one instance.

    O(freeze) names the freeze of the schema that is in force, the same in a copy of it, or is empty. O(recorded) is the hash of the
    schema when the database was published, empty where it is not; O(schema) is that of now, empty where it was not asked for.
    O(follows) is what it has a subscription to; O(running) is whether that is at work, and O(pending) how many tables it still
    copies. O(confirmed) is how far the other one has got with O(slot), O(lsn) the end of its own WAL. O(read_only) is whether new
    sessions are, O(fenced) whether all are. O(busy) is whether a statement of another run is still at work.
    """

    freeze: str = ""
    recorded: str = ""
    schema: str = ""
    running: bool = False
    pending: int = 0
    confirmed: int = 0
    fenced: bool = False
    busy: bool = False
    facts: Facts = field(default_factory=Facts)


World = Seen[Instance]


def next_step(world: World, wanted: Wanted) -> Decision:
    """The next step towards O(wanted)."""
    target, other = world.target, world.other
    first = _first(world, wanted)
    if first:
        return first
    if wanted.state == "released":
        return _released(world, wanted.target)
    if wanted.state == "alone":
        return _alone(world, wanted)
    if target is None or other is None:
        return _one_unseen(world, wanted)
    if target.follows and other.follows:
        return _crossed(target, other, wanted)
    if other.follows or (not target.follows and world.pooler.leads_to == target.address):
        return _target_is_primary(world, target, other, wanted)
    return _prepare(world, target, other, wanted)


def given_up(world: World, wanted: Wanted) -> Decision:
    """As next_step with C(released), but where either may become the primary the one that clients had does: what has failed may be the
    opening of the new one."""
    return _first(world, replace(wanted, state="released")) or _released(world, world.pooler.leads_to)


def _first(world: World, wanted: Wanted) -> Decision | None:
    """Statements that are still at work are waited for; strangers are refused."""
    target, other, leads_to = world.target, world.other, world.pooler.leads_to
    if leads_to not in (wanted.target, wanted.other):
        return Refused(
            f"the pooler leads to {leads_to}, which is neither {wanted.target} nor {wanted.other}: name the two instances"
            " as its configuration does"
        )
    for one in (target, other):
        if one and one.busy:
            return Step("wait_for_script", {"at": one.address}, changes=False)
        if one and one.follows not in ("", wanted.target, wanted.other):
            return Refused(
                f"{one.address} follows {one.follows}: drop that subscription, or name {one.follows} as the other one"
            )
    if target and other and target.system == other.system:
        return Refused(f"{target.address} and {other.address} are the same instance: name two")
    return _emptied(world, wanted)


def _emptied(world: World, wanted: Wanted) -> Refused | None:
    """While clients are held, the primary has a slot; one that came back on an empty volume has none."""
    for one, beside in ((world.target, world.other), (world.other, world.target)):
        if not world.pooler.paused or one is None or one.follows or one.slot:
            continue
        unseen = beside is None and wanted.state != "alone" and world.pooler.leads_to == one.address
        if unseen or (beside and beside.follows == one.address):
            return Refused(
                f"{one.address} came back with other data (it has no slot, and that for which clients are held has one): give"
                " it its volume back first"
            )
    return None


def is_primary(one: Instance) -> bool:
    """Whether O(one) is the primary for all that is seen of it alone: the other one follows it and it follows nobody."""
    return one.slot and not one.follows


def _serve(world: World, primary: Instance) -> Step | None:
    """What is left to do so that clients are served by O(primary), which must be known to be the only one that may write."""
    if primary.read_only or primary.fenced or primary.follows:
        return Step("open", {"at": primary.address})
    if world.pooler.leads_to != primary.address:
        return Step("repoint", {"to": primary.address})
    if world.pooler.paused:
        return Step("resume", {"to": primary.address})
    return None


def _released(world: World, preferred: str) -> Decision:
    """Clients go on with the primary, whichever it is, or with O(preferred) where either may become it; nothing else is moved."""
    leads_to = world.pooler.leads_to
    seen = [one for one in (world.target, world.other) if one]
    primary = next((one for one in seen if one.address == leads_to), None)
    if len(seen) == 2:
        first, second = seen
        if bool(first.follows) != bool(second.follows):
            primary = second if first.follows else first
        elif first.follows:
            fault = _both_open(first, second)
            if fault:
                return fault
            primary = _of_crossed(first, second, preferred)
    else:
        primary = next((one for one in seen if not one.follows and (one.slot or one.address == leads_to)), None)
        if primary and not primary.slot and primary.fenced:
            primary = None  # it may be a subscriber whose subscription was given up
    if primary is None:
        return Refused(
            f"no primary is seen that clients could be led to: bring {leads_to} back, or run the handover again"
        )
    return _serve(world, primary) or Done(f"clients are led to {primary.address}")


def _both_open(first: Instance, second: Instance) -> Refused | None:
    if first.fenced or second.fenced:
        return None
    return Refused(
        f"{first.address} and {second.address} follow each other and both take writes: drop the subscription of the one"
        " whose writes are to be kept"
    )


def _of_crossed(first: Instance, second: Instance, preferred: str) -> Instance:
    """Of two that follow each other the one that takes writes, for a statement of a run that was killed took effect after all; or else
    the one that is preferred."""
    opened = [one for one in (first, second) if not one.fenced]
    return opened[0] if opened else first if first.address == preferred else second


def _crossed(target: Instance, other: Instance, wanted: Wanted) -> Decision:
    """Each follows the other, for a handover was cut off."""
    fault = _both_open(target, other)
    if fault:
        return fault
    if wanted.state == "standby" and target.fenced and other.fenced:
        return Refused(
            f"{target.address} and {other.address} follow each other, for a handover was cut off: make one the primary"
        )
    return Step("open", {"at": _of_crossed(target, other, target.address).address})


def _one_unseen(world: World, wanted: Wanted) -> Decision:
    target, other = world.target, world.other
    if target is None and other is None:
        return Refused(f"neither {wanted.target} nor {wanted.other} answers: bring them back first")
    unseen = wanted.other if target else wanted.target
    if wanted.state == "primary" and target and is_primary(target):
        step = _serve(world, target)
        if step:
            return step
    elif world.pooler.paused:
        return Refused(f"{unseen} does not answer and writes are held: bring it back, or say released")
    return Step("wait_for_instance", {"at": unseen}, changes=False)


def _target_is_primary(world: World, target: Instance, other: Instance, wanted: Wanted) -> Decision:
    if wanted.state == "standby":
        return Refused(f"{target.address} is the primary: make {other.address} the primary first")
    if other.follows and not other.fenced:
        return Refused(
            f"{other.address} takes writes though it follows {target.address}: end its clients and set"
            " default_transaction_read_only there, and find out what they have written"
        )
    step = _serve(world, target)
    if step:
        return step
    if not other.follows:
        return Done(f"{target.address} is the primary, and {other.address} does not follow it")
    if other.slot:
        return Step("drop_slot", {"at": other.address})
    return _follows(other, target) or Done(f"{target.address} is the primary and {other.address} follows it")


def _follows(subscriber: Instance, primary: Instance) -> Decision | None:
    if not primary.slot:
        return Refused(
            f"{primary.address} has lost the slot for {subscriber.address}, which can't catch up: say alone of {primary.address},"
            " and begin again with overwrite"
        )
    if subscriber.pending:
        return Step("wait_for_copy", {"at": subscriber.address}, changes=False)
    return None if subscriber.running else Step("wait_for_stream", {"at": subscriber.address}, changes=False)


def _prepare(world: World, target: Instance, other: Instance, wanted: Wanted) -> Decision:
    """O(other) is the primary and O(target) follows it, or will."""
    pooler = world.pooler
    held = pooler.paused and pooler.leads_to == other.address
    if wanted.state == "primary" and held and _ready(target, other):
        return _hold(pooler, target, other)
    step: Decision | None = _serve(world, other)
    if step:
        return step
    of_the_pooler = pooler_faults(pooler, wanted)
    if not target.follows:
        step = _pair(target, other, wanted, of_the_pooler)
        if step:
            return step
    step = _orphan(target) or _follows(target, other) or _published(target)
    if step:
        return step
    faults = [*readiness_faults(target, other), *of_the_pooler]
    if faults:
        return Refused("; ".join(faults))
    if target.facts.stale_views or target.facts.unanalyzed:
        facts = target.facts
        return Step("analyze", {"at": target.address, "tables": facts.unanalyzed, "views": len(facts.stale_views)})
    if other.lsn - other.confirmed > wanted.max_lag:
        behind = other.lsn - other.confirmed
        return Step("wait_for_lag", {"at": target.address, "behind_bytes": behind}, changes=False)
    if wanted.state == "standby":
        return Done(f"{target.address} follows {other.address} and is less than {wanted.max_lag} bytes behind")
    faults = handover_faults(pooler.pool_mode, pooler.query_wait_s, wanted.grace_s)
    if faults:
        return Refused("; ".join(faults))
    if not pooler.tried:
        return Step("try_repoint", {"to": other.address}, changes=False)
    return Step("pause", {"at": other.address, "grace_s": wanted.grace_s})


def _pair(target: Instance, other: Instance, wanted: Wanted, of_the_pooler: t.Sequence[str]) -> Decision | None:
    """All up to the subscription of O(target), which has none."""
    faults = [*subscription_faults(other.facts, target.facts, other.address, target.address), *of_the_pooler]
    if faults:
        return Refused("; ".join(faults))
    copied = target.freeze != "" and target.freeze == other.freeze
    held = len(target.facts.filled) if copied else target.facts.tables
    if held and not wanted.overwrite:
        return Refused(
            f"{target.address} holds {held} tables of its own: set overwrite if they may be lost, or find out whose they are"
        )
    for one in (target, other):
        if not one.credentials:
            return Step("give_credentials", {"at": one.address})
    if not target.fenced:
        return Step("fence", {"at": target.address})
    if other.slot:
        return Step("drop_slot", {"at": other.address})
    if held:
        return Step("empty", {"at": target.address, "tables": held})
    step = _published(other)
    if step:
        return step
    if not copied:
        return Step("copy_schema", {"at": target.address, "from": other.address})
    # What its own slot would keep is of no use, and bars the way to the next handover.
    return _orphan(target) or _published(target) or Step("subscribe", {"at": target.address, "to": other.address})


def _published(one: Instance) -> Step | None:
    """The schema is frozen before its hash is taken and it is published."""
    if not one.freeze:
        return Step("freeze", {"at": one.address})
    return None if one.recorded else Step("publish", {"at": one.address})


def _orphan(subscriber: Instance) -> Step | None:
    """The slot of a subscription that was given up."""
    return Step("drop_slot", {"at": subscriber.address}) if subscriber.slot else None


def _ready(target: Instance, other: Instance) -> bool:
    return (
        target.follows == other.address
        and target.running
        and not target.pending
        and target.fenced
        and other.slot
        and all(one.recorded and one.freeze and one.credentials for one in (target, other))
    )


def _hold(pooler: Pooler, target: Instance, other: Instance) -> Decision:
    """Clients wait: no more than what has to be done."""
    if pooler.servers:
        return Step("wait_for_transactions", {"servers": pooler.servers}, changes=False)
    if not other.fenced:
        return Step("fence", {"at": other.address})
    if target.slot:
        return Step("drop_slot", {"at": target.address})
    if other.confirmed < other.lsn:
        return Step("wait_for_replay", {"at": target.address, "nudge": other.address}, changes=False)
    return Step("turn", {"at": other.address, "to": target.address})


def _alone(world: World, wanted: Wanted) -> Decision:
    """The other one is given up, before a handover or after it; what is kept for it goes."""
    target, other = world.target, world.other
    if target is None:
        return Refused(f"{wanted.target} does not answer: bring it back first")
    if target.follows:
        return Refused(
            f"{target.address} follows {target.follows}: make it the primary first, or say alone of the other one"
        )
    if world.pooler.leads_to != target.address and not target.slot and not (other and other.follows):
        return Refused(f"the pooler leads to {world.pooler.leads_to}: make {target.address} the primary first")
    step = _serve(world, target)
    if step:
        return step
    if target.freeze or target.recorded:
        # First, for this one is no copy of the other any more.
        return Step("unfreeze", {"at": target.address})
    if other and other.slot:
        return Step("drop_slot", {"at": other.address})
    if other and other.follows:
        return Step("unsubscribe", {"at": other.address})
    if target.slot:
        return Step("drop_slot", {"at": target.address})
    # One that does not answer has no use for it either.
    for one in (target, other):
        if one and one.credentials:
            return Step("remove_credentials", {"at": one.address})
    return Done(f"{target.address} is alone")


def simulate(world: World, step: Step, wanted: Wanted) -> World:
    """The world after O(step), as far as RV(next_step) looks at it."""
    at = step.data.get("at") or step.data.get("to") or ""
    pooler = world.pooler
    if step.name in ("pause", "wait_for_transactions"):
        return replace(world, pooler=replace(pooler, paused=True, servers=0))
    if step.name == "resume":
        return replace(world, pooler=replace(pooler, paused=False))
    if step.name == "try_repoint":
        return replace(world, pooler=replace(pooler, tried=True))
    if step.name == "repoint":
        return replace(world, pooler=replace(pooler, leads_to=step.data["to"]))
    if step.name == "wait_for_instance":
        return _appear(world, at)
    one, beside = (world.target, world.other) if at == wanted.target else (world.other, world.target)
    if one is None:
        return world
    after = replace(one, **_changes(step, one, beside))
    if beside and step.name in ("subscribe", "turn"):
        beside = replace(beside, slot=True, confirmed=beside.lsn)
    if beside and step.name in ("wait_for_replay", "wait_for_lag"):
        beside = replace(beside, confirmed=beside.lsn)
    mine = at == wanted.target
    return replace(world, target=after if mine else beside, other=beside if mine else after)


def _changes(step: Step, one: Instance, beside: Instance | None) -> dict[str, t.Any]:
    """What O(step) changes of the instance that it is taken at."""
    freeze = beside.freeze if beside else ""
    empty = replace(one.facts, tables=0, filled=())
    table: dict[str, dict[str, t.Any]] = {
        "wait_for_script": {"busy": False},
        "give_credentials": {"credentials": True},
        "remove_credentials": {"credentials": False},
        "fence": {"read_only": True, "fenced": True},
        "open": {"read_only": False, "fenced": False, "follows": "", "running": False},
        "freeze": {"freeze": f"of {one.address}"},
        "publish": {"recorded": "as it is", "schema": "as it is"},
        "unfreeze": {"freeze": "", "recorded": ""},
        "empty": {"freeze": "", "recorded": "", "schema": "", "facts": empty},
        "copy_schema": {"freeze": freeze, "facts": empty},
        "subscribe": {"follows": step.data.get("to"), "running": True, "pending": 0},
        "turn": {"follows": step.data.get("to"), "running": True, "pending": 0},
        "unsubscribe": {"follows": "", "running": False},
        "drop_slot": {"slot": False},
        "analyze": {"facts": replace(one.facts, stale_views=(), unanalyzed=0)},
        "wait_for_copy": {"pending": 0},
        "wait_for_stream": {"running": True},
    }
    return table.get(step.name, {})


def _appear(world: World, at: str) -> World:
    """The instance at O(at) as if it were there, and followed the one that is; what it really is shows when it answers."""
    there = world.target or world.other
    if there is None:
        return world
    seen = replace(
        there, address=at, system="", read_only=True, fenced=True, slot=False, follows=there.address, running=True
    )
    there = replace(there, slot=True, confirmed=there.lsn)
    return replace(world, target=there, other=seen) if world.target else replace(world, target=seen, other=there)
