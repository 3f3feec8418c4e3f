# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do next so that one of two Redis instances is the master and the other its replica. Pure.

Never two writers: the master is made a replica first, in its configuration file, too, and only when two replicas are seen is one
of them promoted. The way back is the same operation with the two exchanged.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.sophia.replatform.plugins.module_utils.handover import redis_info
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Done, Refused, Step

STATES = ("replica", "primary", "released")
# That of the dead-man.
FREED = "freed"
# What a master is set to besides its data, and its successor must be, too.
CARRIED = ("appendonly", "appendfsync", "maxmemory", "maxmemory-policy", "save")
# The first that can hold writes alone.
OLDEST = (6, 2)


@dataclass(frozen=True)
class Instance:
    """One instance. O(replid) and O(replid2) are its present and former replication IDs, O(run_id) is another one after each
    start, O(source) is whom it follows as C(host:port), O(linked) is whether it does now, O(settings) are those of
    RV(CARRIED). O(loading) is whether it reads its own data after a start, and O(read_only) whether it is when it follows. O(clients) is how
    many are connected to it, without replicas."""

    address: str
    version: tuple[int, ...] = (7, 0)
    master: bool = True
    keys: int = 0
    offset: int = 0
    replid: str = ""
    replid2: str = ""
    source: str = ""
    linked: bool = False
    has_file: bool = True
    loading: bool = False
    read_only: bool = True
    settings: t.Mapping[str, str] = field(default_factory=dict)
    run_id: str = ""
    clients: int = 0


@dataclass(frozen=True)
class World:
    """An instance that does not answer is None. O(led) is the address of the one that clients are led to, nothing where that is not
    seen, None where it was not asked for."""

    target: Instance | None
    other: Instance | None
    led: str | None = None


@dataclass(frozen=True)
class Wanted:
    """O(state) is one of RV(STATES), or RV(FREED), and speaks of O(target); both addresses are C(host:port)."""

    state: str
    target: str
    other: str
    overwrite: bool = False


def next_step(world: World, wanted: Wanted) -> Decision:
    """The next step towards O(wanted)."""
    target, other = world.target, world.other
    if wanted.state == FREED:
        return freed(world, wanted)
    if target is None:
        return Refused(f"{wanted.target} does not answer: bring it back first")
    if wanted.state == "released" and target.master:
        return _let_go(target, other) or Done(f"{target.address} takes writes")
    if other is None:
        if target.master and wanted.state == "primary":
            return Step("wait_for_instance", {"at": wanted.other}, changes=False)
        return Refused(f"{wanted.other} does not answer, so nobody knows whether it takes writes: bring it back first")
    for one in (target, other):
        if not one.has_file:
            return Refused(
                f"{one.address} runs without a configuration file, so it would forget whom it follows: start it with one"
            )
        if one.version < OLDEST:
            return Refused(f"{one.address} is Redis {_text(one.version)}: upgrade it to {_text(OLDEST)} or newer first")
        # Where neither is a master, writes must come back first.
        if not one.read_only and masters(world):
            return Refused(
                f"{one.address} takes writes when it follows, too, and they would be lost: set replica-read-only to yes there"
                " (CONFIG SET, CONFIG REWRITE)"
            )
        if one.loading:
            return Step("wait_for_data", {"at": one.address}, changes=False)
    for master, replica in ((target, other), (other, target)):
        if _came_back_empty(master, replica):
            return Refused(
                f"{master.address} came back without a key, and {replica.address} has {replica.keys} of what it held, and will be"
                f" emptied when it follows it again: give {master.address} its volume back, or make {replica.address} a"
                " master (REPLICAOF NO ONE)"
            )
    if target.master and other.master:
        return _two_masters(target, other, wanted)
    if other.master:
        return _follow(target, other, wanted)
    if target.master:
        return _serve(target, other, wanted)
    return _two_replicas(target, other, wanted)


def freed(world: World, wanted: Wanted) -> Decision:
    """The next step so that writes are taken where clients are led, after a run that may have been cut off anywhere. Where nobody asked
    for it, clients look for the master, or are led to O(other) still."""
    target, other = world.target, world.other
    if target is None or other is None:
        unseen = wanted.other if target else wanted.target
        return Refused(f"{unseen} does not answer, so nobody knows whether it takes writes: bring it back first")
    found = masters(world)
    if len(found) == 2:
        return Refused(
            f"{target.address} and {other.address} are both masters: stop the one whose writes are to be lost"
        )
    if world.led is None and found:
        return Done(f"{found[0]} takes writes")
    led = wanted.other if world.led is None else world.led
    if not led:
        known = f"{found[0]} is the master" if found else "neither is a master"
        return Refused(f"it is not seen which of {target.address} and {other.address} clients are led to, and {known}")
    if led in found:
        return Done(f"{led} takes writes")
    if led == wanted.target:
        return next_step(world, replace(wanted, state="primary"))
    turned = replace(wanted, state="primary", target=wanted.other, other=wanted.target)
    return next_step(replace(world, target=other, other=target), turned)


def masters(world: World) -> list[str]:
    """The addresses of those that are seen to be masters."""
    return [one.address for one in (world.target, world.other) if one and one.master]


def led_to(world: World, run_ids: t.Collection[str]) -> str:
    """The address of the one that all of O(run_ids) belong to, or nothing."""
    seen = set(run_ids)
    return next((one.address for one in (world.target, world.other) if one and seen == {one.run_id}), "")


def _let_go(master: Instance, replica: Instance | None) -> Step | None:
    """Clients that came to O(replica) before they were led to O(master) are refused writes there for as long as they stay."""
    if replica and not replica.master and replica.source == master.address and replica.clients:
        return Step("disconnect", {"at": replica.address, "clients": replica.clients})
    return None


def _came_back_empty(master: Instance, replica: Instance) -> bool:
    """Another history with nothing in it; a master that was emptied in order has emptied its replica, too."""
    follows = master.master and not replica.master and replica.source == master.address
    return follows and not master.keys and replica.keys > 0 and master.replid != replica.replid


def _two_masters(target: Instance, other: Instance, wanted: Wanted) -> Decision:
    if target.replid2 == other.replid or other.replid2 == target.replid:
        return Refused(
            f"{target.address} and {other.address} are both masters of one origin: stop the one whose writes are to be lost"
        )
    if target.version < other.version:
        return Refused(
            f"{target.address} is Redis {_text(target.version)}, older than {other.address}, which is"
            f" {_text(other.version)}: upgrade it first"
        )
    if target.keys and not other.keys:
        return Done(f"{target.address} is a master with keys, and {other.address} has none to hand over")
    if target.keys and not wanted.overwrite:
        return Refused(
            f"{target.address} holds {target.keys} keys of its own: set overwrite if they may be lost, or find out whose"
            " they are"
        )
    return Step("replicate", {"at": target.address, "from": other.address})


def _follow(target: Instance, other: Instance, wanted: Wanted) -> Decision:
    """O(other) is the master and O(target) a replica."""
    if target.source != other.address:
        return Step("replicate", {"at": target.address, "from": other.address})
    if not target.linked:
        return Step("wait_for_sync", {"at": target.address}, changes=False)
    different = sorted(name for name in CARRIED if target.settings.get(name) != other.settings.get(name))
    if different:
        return Step("carry_settings", {"at": target.address, "settings": {n: other.settings[n] for n in different}})
    if wanted.state == "replica":
        return Done(f"{target.address} is a replica of {other.address}")
    return Step("demote", {"at": other.address})


def _two_replicas(target: Instance, other: Instance, wanted: Wanted) -> Decision:
    if wanted.state == "replica":
        return Refused(
            f"{target.address} and {other.address} are both replicas, for a handover was cut off: make one the primary"
        )
    if target.offset >= other.offset:
        return Step("promote", {"at": target.address, "offset": target.offset})
    if target.source != other.address:
        return Step("replicate", {"at": target.address, "from": other.address})
    return Step("wait_for_offset", {"at": target.address}, changes=False)


def _serve(target: Instance, other: Instance, wanted: Wanted) -> Decision:
    if wanted.state == "replica":
        return Refused(f"{target.address} is the master: make {other.address} the primary first")
    if other.source != target.address:
        return Step("replicate", {"at": other.address, "from": target.address})
    if not other.linked:
        return Step("wait_for_sync", {"at": other.address}, changes=False)
    return Done(f"{target.address} is the master and {other.address} follows it")


def simulate(world: World, step: Step, wanted: Wanted) -> World:
    """The world after O(step), as far as RV(next_step) looks at it."""
    if step.name == "wait_for_instance" and world.target:
        return replace(world, other=replace(world.target, address=wanted.other, master=False, source=wanted.target))
    is_target = step.data["at"] == wanted.target
    one, beside = (world.target, world.other) if is_target else (world.other, world.target)
    if one is None or beside is None:
        return world
    changes: dict[str, t.Callable[[], Instance]] = {
        "replicate": lambda: replace(one, master=False, source=step.data["from"], linked=False),
        "wait_for_data": lambda: replace(one, loading=False),
        "wait_for_sync": lambda: replace(
            one, linked=True, offset=beside.offset, keys=beside.keys, replid=beside.replid
        ),
        "wait_for_offset": lambda: replace(one, offset=beside.offset),
        "carry_settings": lambda: replace(one, settings={**one.settings, **step.data["settings"]}),
        "demote": lambda: replace(one, master=False, source=beside.address, linked=True),
        "disconnect": lambda: replace(one, clients=0),
        "promote": lambda: replace(one, master=True, source="", linked=False, replid2=one.replid, replid=""),
    }
    changed = changes[step.name]()
    return replace(world, target=changed) if is_target else replace(world, other=changed)


def _text(version: t.Sequence[int]) -> str:
    return ".".join(str(part) for part in version)


def parse_instance(address: str, text: str) -> Instance | None:
    """The instance at O(address) from its C(INFO) and C(setting:) lines, or nothing when it did not answer."""
    values = redis_info.parse(text)
    if "role" not in values:
        return None
    replica = values["role"] == "slave"
    return Instance(
        address=address,
        version=tuple(int(part) for part in values["redis_version"].split(".")[:2]),
        master=not replica,
        keys=redis_info.keys(values),
        offset=int(values["slave_repl_offset" if replica else "master_repl_offset"]),
        replid=values["master_replid"],
        replid2=values["master_replid2"],
        source=f"{values['master_host']}:{values['master_port']}" if replica else "",
        linked=values.get("master_link_status") == "up" and values.get("master_sync_in_progress") == "0",
        has_file=values["config_file"] != "",
        loading=redis_info.loading(values),
        read_only=values["setting replica-read-only"] != "no",
        run_id=values["run_id"],
        clients=int(values["normal_clients"]),
        settings={name: values[f"setting {name}"] for name in CARRIED},
    )
