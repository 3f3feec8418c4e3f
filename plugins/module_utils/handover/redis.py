# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do next to hand a Redis over. Pure: an observation in, a step out.

The new instance becomes a replica of the old one. When it has caught up, the old one is made to refuse writes
(C(min-replicas-to-write) at a number that is never reached, in its configuration file, too, where it has one that it can write; reads
go on), the last offset is waited for, and the new one is promoted. At no moment do both take writes under the name.

The number begins with how the fence was made and ends with what C(min-replicas-to-write) was, so that it can be taken back without
anything remembered. With C(min-replicas-max-lag 0) Redis does not look at the number, so that is set, too, and was 0.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ansible_collections.sophia.replatform.plugins.module_utils.handover import redis_info
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Done, Refused, Step

# What the number begins with: where it is in the configuration file, too, and where a restart forgets it. The second of each are for
# a lag that was 0.
IN_FILE = (99, 97)
IN_MEMORY = (98, 96)
STATES = ("copied", "idle", "writable")


@dataclass(frozen=True)
class Instance:
    """One instance; O(replid) and O(replid2) are its present and former replication IDs."""

    role: str
    keys: int = 0
    offset: int = 0
    replid: str = ""
    replid2: str = ""
    link_up: bool = False
    source: str = ""
    min_replicas: int = 0
    max_lag: int = 10
    clients: int = 0
    loading: bool = False

    @property
    def fence(self) -> int:
        """What the number begins with where a handover has set it, else nothing; earlier versions set no more than that."""
        begins = self.min_replicas // 10_000 or self.min_replicas
        return begins if begins in IN_FILE + IN_MEMORY else 0

    @property
    def fenced(self) -> bool:
        return bool(self.fence and self.max_lag)


@dataclass(frozen=True)
class World:
    """O(switched) is whether the name leads to the new instance; O(old) is None when it does not answer."""

    switched: bool
    old: Instance | None
    new: Instance


@dataclass(frozen=True)
class Wanted:
    """O(state) is one of RV(STATES); O(source) is the old instance as C(host:port)."""

    state: str
    source: str
    overwrite: bool = False


def parse_status(text: str) -> Instance:
    """An instance from the C(key:value) lines of C(INFO), with C(min_replicas), C(max_lag) and C(clients) added to them."""
    values = redis_info.parse(text)
    role = values.get("role", "")
    syncing = values.get("master_sync_in_progress", "0") == "1"
    return Instance(
        role=role,
        keys=redis_info.keys(values),
        offset=int(values["slave_repl_offset" if role == "slave" else "master_repl_offset"]),
        replid=values.get("master_replid", ""),
        replid2=values.get("master_replid2", ""),
        link_up=values.get("master_link_status") == "up" and not syncing,
        source=f"{values['master_host']}:{values['master_port']}" if role == "slave" else "",
        min_replicas=int(values["min_replicas"]),
        max_lag=int(values["max_lag"]),
        clients=int(values["clients"]),
        loading=redis_info.loading(values),
    )


def next_step(world: World, wanted: Wanted) -> Decision:
    """The next step towards O(wanted)."""
    if wanted.state == "idle":
        return _idle(world)
    if wanted.state == "writable":
        return _writable(world)
    return _copied(world, wanted)


def _copied(world: World, wanted: Wanted) -> Decision:
    if world.switched:
        return Done("the name leads to the new instance already")
    old, new = world.old, world.new
    if old is None:
        return Refused("the old instance does not answer, so there is nothing to copy from: bring it back first")
    if old.loading or new.loading:
        return Step("wait_for_data", {}, changes=False)
    if new.role == "master":
        if old.fenced and new.replid2 == old.replid:
            forgets = (
                "" if old.fence in IN_FILE else "; a restart of the old one, which can't write its file, ends its fence"
            )
            return Done(f"the new instance has taken over {new.keys} keys{forgets}")
        if new.keys > old.keys and not wanted.overwrite:
            return Refused(
                f"the new instance holds {new.keys} keys, more than the old one's {old.keys}: set overwrite if they may be"
                " lost, or find out who wrote them"
            )
        return Step("replicate", {"source": wanted.source})
    if new.source != wanted.source:
        return Step("replicate", {"source": wanted.source})
    if not new.link_up:
        return Step("wait_for_sync", {}, changes=False)
    if not old.fenced:
        return Step("stop_writes")
    if new.offset < old.offset:
        return Step("wait_for_offset", {}, changes=False)
    return Step("promote", {"offset": new.offset})


def _idle(world: World) -> Decision:
    if not world.switched:
        return Refused("the name still leads to the old instance: switch it first")
    if world.old is None:
        return Done("the old instance is stopped")
    if not world.old.fenced:
        return Refused(
            "the old instance takes writes, for it has restarted and could not keep its fence in a configuration file: what it was told"
            " since is not in the new one. Look at it, stop it, and run this again"
        )
    if world.old.clients:
        return Step("wait_for_clients", {"clients": world.old.clients}, changes=False)
    return Done("nobody is connected to the old instance")


def _writable(world: World) -> Decision:
    if world.switched:
        return Refused("the name leads to the new instance: the old one must not take writes beside it")
    if world.old is None:
        return Refused("the old instance does not answer: bring it back first")
    return Step("allow_writes") if world.old.fence else Done("the old instance takes writes")


def simulate(world: World, step: Step) -> World:
    """The world after O(step), as far as RV(next_step) looks at it."""
    old, new = world.old, world.new
    if old is None:
        return world
    changes: dict[str, t.Callable[[], World]] = {
        "wait_for_data": lambda: replace(world, old=replace(old, loading=False), new=replace(new, loading=False)),
        "replicate": lambda: replace(world, new=replace(new, role="slave", source=step.data["source"], link_up=False)),
        "wait_for_sync": lambda: replace(world, new=replace(new, link_up=True, offset=old.offset)),
        "wait_for_offset": lambda: replace(world, new=replace(new, offset=old.offset)),
        "stop_writes": lambda: replace(world, old=replace(old, min_replicas=IN_FILE[0] * 10_000, max_lag=10)),
        "allow_writes": lambda: replace(world, old=replace(old, min_replicas=0)),
        "promote": lambda: replace(
            world, new=replace(new, role="master", source="", replid2=old.replid, keys=old.keys)
        ),
        "wait_for_clients": lambda: replace(world, old=replace(old, clients=0)),
    }
    return changes[step.name]()
