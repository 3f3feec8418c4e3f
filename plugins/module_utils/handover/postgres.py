# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do next to hand a PostgreSQL database over. Pure: an observation in, a step out.

The old instance is made read-only and stays so, the data is copied and compared, and only then may the name lead to the
new instance. At no moment do both take writes; reads go on throughout.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Done, Refused, Step

STATES = ("copied", "idle", "writable")


@dataclass(frozen=True)
class Instance:
    """One instance. O(content) maps a table or sequence to C([rows or last value, checksum]); it is None when not read.

    O(busy) is whether a copy into the new instance is under way, begun by a run that was killed; it counts for the new one.
    """

    version: int
    read_only: bool = False
    # Transactions that began before the instance was made read-only, or that have written.
    writers: int = 0
    clients: int = 0
    since_reload_s: float = 0.0
    busy: bool = False
    content: t.Mapping[str, t.Sequence[t.Any]] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class World:
    """O(switched) is whether the name leads to the new instance; O(old) is None when it does not answer."""

    switched: bool
    old: Instance | None
    new: Instance


@dataclass(frozen=True)
class Wanted:
    """O(state) is one of RV(STATES): data copied and writes stopped; nobody left on the old; or writes allowed again."""

    state: str
    grace_s: float = 10.0
    overwrite: bool = False


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
    # Such a copy would put the old data over the new, were it to end after the switch.
    if new.busy:
        return Step("wait_for_copy", changes=False)
    if old is None:
        return Refused("the old instance does not answer, so there is nothing to copy from: bring it back first")
    if new.version < old.version:
        return Refused(
            f"the new instance is version {new.version}, older than the old one's {old.version}: upgrade it first"
        )
    if not old.read_only:
        return Step("stop_writes")
    if old.writers:
        if old.since_reload_s < wanted.grace_s:
            return Step("wait_for_writers", {"writers": old.writers}, changes=False)
        return Step("end_writers", {"writers": old.writers})
    if old.content is None or new.content is None:
        raise ValueError("the content of both instances has to be observed once writes have stopped")
    if dict(old.content) == dict(new.content):
        return Done(f"{len(new.content)} tables and sequences are equal on both sides")
    more = newer(old.content, new.content)
    if more and not wanted.overwrite:
        return Refused(
            f"the new instance holds more than the old one in {', '.join(more)}: set overwrite if it may be lost,"
            " or find out who wrote it"
        )
    return Step("copy", {"tables": len(old.content)} if old.content else {})


def _idle(world: World) -> Decision:
    if not world.switched:
        return Refused("the name still leads to the old instance: switch it first")
    if world.old is None:
        return Done("the old instance is stopped")
    if not world.old.read_only:
        return Step("stop_writes")
    if world.old.clients:
        return Step("wait_for_clients", {"clients": world.old.clients}, changes=False)
    return Done("nobody is connected to the old instance")


def _writable(world: World) -> Decision:
    if world.switched:
        return Refused("the name leads to the new instance: the old one must not take writes beside it")
    if world.old is None:
        return Refused("the old instance does not answer: bring it back first")
    return Step("allow_writes") if world.old.read_only else Done("the old instance takes writes")


def needs_content(switched: bool, old: Instance | None, state: str) -> bool:
    """Whether the next step depends on what is in the tables, which takes a full scan to know."""
    return state == "copied" and not switched and old is not None and old.read_only and not old.writers


def newer(old: t.Mapping[str, t.Sequence[t.Any]], new: t.Mapping[str, t.Sequence[t.Any]]) -> list[str]:
    """The tables and sequences of which the new instance has more rows or a higher last value than the old."""
    return sorted(name for name, (count, _checksum) in new.items() if count > old.get(name, (0, ""))[0])


def simulate(world: World, step: Step) -> World:
    """The world after O(step), as far as RV(next_step) looks at it."""
    old = world.old
    if step.name == "wait_for_copy":
        return replace(world, new=replace(world.new, busy=False))
    if old is None:
        return world
    content = old.content or {}
    if step.name == "stop_writes":
        old = replace(old, read_only=True, content=content)
        return replace(world, old=old, new=replace(world.new, content={"unknown before writes stop": (-1, "")}))
    if step.name in ("wait_for_writers", "end_writers"):
        old = replace(old, writers=0, content=content)
        return replace(world, old=old, new=replace(world.new, content={"unknown before writes stop": (-1, "")}))
    if step.name == "copy":
        return replace(world, new=replace(world.new, content=content))
    if step.name == "wait_for_clients":
        return replace(world, old=replace(old, clients=0))
    return replace(world, old=replace(old, read_only=False))
