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
# So many names stand in a line.
_NAMED = 5


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
    """O(switched) is whether the name leads to the new instance; O(old) is None when it does not answer.

    O(only_new) maps each table and sequence that the old instance lacks to whether it has rows or was used; it is None when
    that was not asked, for content tells. O(copied) is whether this run has copied.
    """

    switched: bool
    old: Instance | None
    new: Instance
    only_new: t.Mapping[str, bool] | None = field(default=None, compare=False)
    copied: bool = False


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
    refused = None if world.copied else _only_there(world, wanted)
    if refused:
        return refused
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
    if world.copied:
        return Refused(
            f"after the copy {_few(_different(old.content, new.content))} differ: find out who writes to one of the instances,"
            " or what an extension of another version has there, and run this again"
        )
    more = newer(old.content, new.content)
    if more and not wanted.overwrite:
        return Refused(
            f"the new instance holds more than the old one in {_few(more)}: set overwrite if it may be lost,"
            " or find out who wrote it"
        )
    dropped = sorted(_only_new(world))
    data = {"tables": len(old.content), "dropped": _few(dropped)}
    return Step("copy", {key: value for key, value in data.items() if value})


def _only_there(world: World, wanted: Wanted) -> Refused | None:
    """A copy takes away what only the new instance has, which is nobody's loss where it was never used."""
    used = sorted(name for name, is_used in _only_new(world).items() if is_used)
    if not used or wanted.overwrite:
        return None
    return Refused(
        f"only the new instance has {_few(used)}, with rows or a value: drop that there, or the extension that has it, or set overwrite if"
        " it may be lost"
    )


def _only_new(world: World) -> t.Mapping[str, bool]:
    if world.only_new is not None or world.old is None:
        return world.only_new or {}
    old, new = world.old.content or {}, world.new.content or {}
    return {name: bool(count) for name, (count, _checksum) in new.items() if name not in old}


def _different(old: t.Mapping[str, t.Sequence[t.Any]], new: t.Mapping[str, t.Sequence[t.Any]]) -> list[str]:
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))


def _few(names: t.Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


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


def needs_outline(switched: bool, old: Instance | None, new: Instance, state: str) -> bool:
    """Whether the next step depends on what only the new instance has, and writes may go on, so that content can't tell."""
    wanted = state == "copied" and not switched and not new.busy and old is not None
    return wanted and not needs_content(switched, old, state)


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
        return _unknown(world, replace(old, read_only=True, content=content))
    if step.name in ("wait_for_writers", "end_writers"):
        return _unknown(world, replace(old, writers=0, content=content))
    if step.name == "copy":
        return replace(world, new=replace(world.new, content=content), only_new={}, copied=True)
    if step.name == "wait_for_clients":
        return replace(world, old=replace(old, clients=0))
    return replace(world, old=replace(old, read_only=False))


def _unknown(world: World, old: Instance) -> World:
    new = replace(world.new, content={"unknown before writes stop": (-1, "")})
    return replace(world, old=old, new=new, only_new=world.only_new or {})
