# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do next to hand the files of a volume over. Pure: an observation in, a step out.

The target gets copies of the source while the service runs, until a last pass and a comparison fit into half of the window. Then the
service is stopped, a last pass is made, and both sides are compared. Only a target that was seen equal, with nobody on either side,
is proven; a proof is void as soon as anything is copied again, in either direction.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Done, Refused, Step

STATES = ("checked", "ahead", "open", "equal", "closed")
# Of the window, what the last pass and the comparison may take by what was measured; the rest is for stopping and starting.
SHARE = 0.5
# A pass that took no less than this share of the one before says that more passes bring nothing.
GAIN = 0.8


@dataclass(frozen=True)
class Folder:
    """One side. O(writers) are processes that have it mounted for writing, in words; O(count) is how many entries are
    directly in it."""

    path: str
    there: bool = True
    count: int = 0
    writers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """What outlives a run: the pair of folders that a handover was begun with, in no order; the folder that was proven equal to the
    other, if one was; the manifest that it was proven by; and when a window was opened, in seconds since 1970, or 0."""

    folders: tuple[str, ...] = ()
    proven: str = ""
    manifest: str = ""
    opened: float = 0.0


@dataclass(frozen=True)
class Pass:
    """One run of rsync: how long it took, and whether it read every file instead of trusting size and time."""

    seconds: float
    checksum: bool = False


@dataclass(frozen=True)
class Comparison:
    """O(differences) are the first few in words; O(manifest) is the digest of all entries of the source."""

    seconds: float
    differences: tuple[str, ...] = ()
    manifest: str = ""
    entries: int = 0


@dataclass(frozen=True)
class World:
    """O(pending) is how many entries a pass would change. O(need) and O(free) are bytes on the target's disk, or -1 where they were
    not counted. O(passes) are those of this run; O(compared) is what was seen since the last of them. O(now) is seconds since 1970."""

    source: Folder
    target: Folder
    record: Record
    now: float
    rsync: bool = True
    pending: int = 0
    need: int = -1
    free: int = -1
    passes: tuple[Pass, ...] = ()
    compared: Comparison | None = None
    compare_s: float | None = None


@dataclass(frozen=True)
class Wanted:
    """O(state) is one of RV(STATES); O(window) are the seconds for which the service may be stopped; O(approved_by) is who granted it."""

    name: str
    state: str
    window: int
    approved_by: str
    overwrite: bool = False


def next_step(world: World, wanted: Wanted) -> Decision:
    """The next step towards O(wanted)."""
    if wanted.state == "closed":
        return _closed(world)
    fault = _fault(world, wanted)
    if fault:
        return Refused(f"{wanted.name}: {fault}")
    return {"checked": _checked, "ahead": _ahead, "open": _open, "equal": _equal}[wanted.state](world, wanted)


def is_over(record: Record, window: int, now: float) -> bool:
    """Whether a window was opened and its seconds have passed."""
    return bool(record.opened) and now > record.opened + window


def _fault(world: World, wanted: Wanted) -> str:
    source, target = world.source, world.target
    if wanted.window <= 0:
        return "no window is granted: give the seconds for which it may be stopped in window"
    if not wanted.approved_by:
        return f"nobody has approved that it is stopped for up to {wanted.window} s: give who has in approved_by"
    for folder in (source, target):
        if not folder.there:
            return f"{folder.path} is not there, or is no folder"
    if not world.rsync:
        return "rsync is missing on this host: install Debian's package of that name"
    if target.count and not source.count and not wanted.overwrite:
        return f"{source.path} is empty and {target.path} is not: see whether it is mounted, or set overwrite"
    if target.count and not _ours(world) and not wanted.overwrite:
        return (
            f"{target.path} holds {target.count} entries that were not copied from {source.path}: set overwrite if they may be"
            " lost, or find out who wrote them"
        )
    if world.need > world.free:
        return f"the disk of {target.path} has {world.free} bytes free and needs {world.need}: give it more room"
    return ""


def _pair(world: World) -> tuple[str, ...]:
    return tuple(sorted((world.source.path, world.target.path)))


def _ours(world: World) -> bool:
    return world.record.folders == _pair(world)


def _checked(world: World, wanted: Wanted) -> Decision:
    return Done(f"{wanted.name} can be handed over within a window of {wanted.window} s")


def _runs_there(world: World) -> bool:
    """Whether the service runs on the target already, that was proven, and no longer on the source."""
    proven = world.record.proven == world.target.path
    return proven and bool(world.target.writers) and not world.source.writers


def _ahead(world: World, wanted: Wanted) -> Decision:
    if _runs_there(world):
        return Done(f"{wanted.name} runs on {world.target.path}, which was proven")
    if world.record.opened:
        return Done("the window is open: the last pass is next")
    if world.target.writers:
        return _wait(world.target)
    step = _copy_if(world, bool(world.pending and not world.passes))
    if step:
        return step
    if world.compare_s is None:
        return Step("compare", changes=False)
    last = world.passes[-1].seconds if world.passes else 0.0
    wanted_s = last + world.compare_s
    if wanted_s <= wanted.window * SHARE:
        return Done(f"a last pass and the comparison take about {wanted_s:.1f} s of {wanted.window} s")
    if not world.passes or (len(world.passes) > 1 and last > world.passes[-2].seconds * GAIN):
        return Refused(
            f"{wanted.name}: a last pass and the comparison take about {wanted_s:.0f} s, more than half of the window of"
            f" {wanted.window} s: grant a longer window, or choose an hour with less to copy"
        )
    return Step("copy", {"from": world.source.path, "to": world.target.path, "checksum": False})


def _open(world: World, wanted: Wanted) -> Decision:
    if world.record.proven == world.target.path and not world.source.writers:
        return Done("no window is needed: what was copied is proven")
    if is_over(world.record, wanted.window, world.now):
        return _too_late(wanted)
    if world.record.opened:
        return Done("the window is open")
    return Step("open_window", {"window_s": wanted.window, "approved_by": wanted.approved_by})


def _equal(world: World, wanted: Wanted) -> Decision:
    if _runs_there(world):
        return Done(f"{wanted.name} runs on {world.target.path}, which was proven")
    proven = world.record.proven == world.target.path
    if is_over(world.record, wanted.window, world.now) and not proven:
        return _too_late(wanted)
    for folder in (world.source, world.target):
        if folder.writers:
            return _wait(folder)
    step = _copy_if(world, bool(world.pending and not world.passes))
    if step:
        return step
    if world.compared is None:
        return Step("compare", changes=False)
    if not world.compared.differences:
        if proven and world.record.manifest == world.compared.manifest:
            return Done(f"{world.target.path} is proven: {world.compared.entries} entries")
        return Step("prove", {"folder": world.target.path, "manifest": world.compared.manifest})
    if world.passes and world.passes[-1].checksum:
        return Refused(
            f"{wanted.name}: {world.target.path} differs from {world.source.path} after a pass that read every file:"
            f" {'; '.join(world.compared.differences)}"
        )
    return t.cast(Step, _copy_if(world, True, checksum=True))


def _copy_if(world: World, due: bool, checksum: bool = False) -> Step | None:
    """A pass, where one is due; before the first, that the target is a copy in the making must be on record, and any proof void."""
    if not due:
        return None
    if not _ours(world) or world.record.proven:
        return Step("begin", {"from": world.source.path, "to": world.target.path})
    return Step("copy", {"from": world.source.path, "to": world.target.path, "checksum": checksum})


def _wait(folder: Folder) -> Step:
    return Step("wait_for_writers", {"folder": folder.path, "writers": list(folder.writers)}, changes=False)


def _too_late(wanted: Wanted) -> Refused:
    return Refused(
        f"{wanted.name}: the window of {wanted.window} s is over: start the service again where it was, and grant a longer window"
    )


def _closed(world: World) -> Decision:
    if not world.record.opened:
        return Done("no window is open")
    return Step("close_window", {"open_s": round(max(0.0, world.now - world.record.opened), 1)})


def simulate(world: World, step: Step) -> World:
    """The world after O(step), as far as RV(next_step) looks at it."""
    if step.name == "wait_for_writers":
        side = "source" if step.data["folder"] == world.source.path else "target"
        return replace(world, **{side: replace(getattr(world, side), writers=())})
    record = world.record
    changes: dict[str, t.Callable[[], World]] = {
        "begin": lambda: replace(world, record=Record(_pair(world), opened=record.opened)),
        "copy": lambda: replace(
            world,
            target=replace(world.target, count=world.source.count),
            passes=(*world.passes, Pass(0.0, step.data["checksum"])),
            pending=0,
            compared=None,
        ),
        "compare": lambda: replace(world, compared=Comparison(0.0), compare_s=0.0),
        "prove": lambda: replace(
            world, record=replace(record, proven=step.data["folder"], manifest=step.data["manifest"])
        ),
        "open_window": lambda: replace(world, record=replace(record, opened=world.now)),
        "close_window": lambda: replace(world, record=replace(record, opened=0.0)),
    }
    return changes[step.name]()
