# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rim: two folders of this host as the loop drives them, by rsync, with a record in a file beside."""

from __future__ import annotations

import dataclasses
import json
import os
import time
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import DeadlineError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import (
    rsync,
    volume,
    volume_tree,
    volume_writers,
)
from ansible_collections.sophia.replatform.plugins.module_utils.journal import Journal
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Step
from ansible_collections.sophia.replatform.plugins.module_utils.operation import wait_while
from ansible_collections.sophia.replatform.plugins.module_utils.whole_file import replace_file

ARGUMENTS: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "source": {"type": "path", "required": True},
    "target": {"type": "path", "required": True},
    "state": {"type": "str", "required": True, "choices": list(volume.STATES)},
    "window": {"type": "int", "default": 0},
    "approved_by": {"type": "str", "default": ""},
    "record": {"type": "path", "required": True},
    "overwrite": {"type": "bool", "default": False},
}

OPERATION = "volume_handover"
# One wait is one record in the journal; a longer one is several, so that the deadline is looked at in between.
SLICE_S = 5.0
# How often a pass that takes long says in the journal how far it is.
TELL_S = 30.0
# What the disk must have left beside the files themselves, for the folders and the journal of the filesystem.
SPARE = 64 * 1024 * 1024


class VolumeHandover:
    """O(params) are the module's."""

    def __init__(self, params: t.Mapping[str, t.Any]) -> None:
        self.params = params
        self.source, self.target = _folders(params)
        fields = ("name", "state", "window", "approved_by", "overwrite")
        self.wanted = volume.Wanted(**{key: params[key] for key in fields})
        self.simulate = volume.simulate
        self.journal = Journal(params["journal"], params["phase"], OPERATION, params["name"])
        self.end = time.monotonic() + params["deadline"]
        self.seen: dict[str, t.Any] = {"passes": (), "compared": None, "compare_s": None}

    def next_step(self, world: volume.World) -> Decision:
        return volume.next_step(world, self.wanted)

    def observe(self) -> volume.World:
        record = read_record(self.params["record"])
        source, target = _folder(self.source), _folder(self.target)
        world = volume.World(source, target, record, time.time(), rsync.is_installed())
        if self.wanted.state != "closed" and source.there and target.there and world.rsync:
            self._measure(world)
        return dataclasses.replace(world, **self.seen)

    def standing(self) -> dict[str, t.Any]:
        """C(proven), C(window_open) and C(left_s), as the module returns them."""
        record, window = read_record(self.params["record"]), self.wanted.window
        left = record.opened + window - time.time() if record.opened else float(window)
        return {
            "proven": record.proven == self.target,
            "window_open": bool(record.opened),
            "left_s": round(max(0.0, left), 1),
        }

    def _measure(self, world: volume.World) -> None:
        """What takes a look at every entry, once for each pass; not in the window, where time is short."""
        state, seen = self.wanted.state, self.seen
        if state in ("checked", "ahead") and not world.record.opened and "need" not in seen:
            held, there = volume_tree.amount(self.source), volume_tree.amount(self.target)
            disk = os.statvfs(self.target)
            # A file that has changed is written whole beside the old one.
            seen["need"] = max(0, held.size - there.size) + held.largest + SPARE
            seen["free"] = disk.f_bfree * disk.f_frsize
        settled = not world.target.writers and (state == "ahead" or not world.source.writers)
        if state in ("ahead", "equal") and settled and "pending" not in seen:
            seen["pending"] = rsync.pending(self.source, self.target)

    def act(self, step: Step) -> t.Mapping[str, t.Any] | None:
        if step.name == "wait_for_writers":
            return wait_while(lambda: bool(volume_writers.writers(step.data["folder"])), SLICE_S, poll_s=0.2)
        return t.cast("t.Mapping[str, t.Any]", getattr(self, f"_{step.name}")(step.data))

    def _copy(self, data: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        start = time.monotonic()
        lock = f"{self.params['record']}.rsync"
        counts = rsync.copy(self.source, self.target, lock, data["checksum"], self._limit(), self._teller())
        os.sync()
        seconds = time.monotonic() - start
        done = volume.Pass(seconds, data["checksum"])
        self.seen = {"passes": (*self.seen["passes"], done), "compared": None, "compare_s": None, "pending": 0}
        return {**counts, "seconds": round(seconds, 1)}

    def _compare(self, _data: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        start = time.monotonic()
        found = volume_tree.compare(self.source, self.target, self._limit())
        seconds = time.monotonic() - start
        self.seen.update(compared=dataclasses.replace(found, seconds=seconds), compare_s=seconds)
        return {"entries": found.entries, "differences": list(found.differences), "seconds": round(seconds, 1)}

    def _begin(self, _data: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        return self._write(folders=tuple(sorted((self.source, self.target))), proven="", manifest="")

    def _prove(self, data: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        return self._write(proven=data["folder"], manifest=data["manifest"])

    def _open_window(self, _data: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        return self._write(opened=time.time())

    def _close_window(self, _data: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        return self._write(opened=0.0)

    def _write(self, **changes: t.Any) -> dict[str, t.Any]:
        path = self.params["record"]
        record = dataclasses.replace(read_record(path), **changes)
        replace_file(path, json.dumps(dataclasses.asdict(record), sort_keys=True) + "\n", 0o600)
        return {}

    def _limit(self) -> t.Callable[[], None]:
        """Ends what takes longer than the window, where one is open, or than the deadline. With the proof that it was for, it is no limit."""
        record = read_record(self.params["record"])
        proven = record.proven == self.target

        def check() -> None:
            if not proven and volume.is_over(record, self.wanted.window, time.time()):
                raise DeadlineError(f"{self.wanted.name}: the window of {self.wanted.window} s is over")
            if time.monotonic() > self.end:
                raise DeadlineError(f"{self.wanted.name}: the deadline of {self.params['deadline']} s has passed")

        return check

    def _teller(self) -> rsync.Tell:
        told = time.monotonic()

        def tell(progress: t.Mapping[str, int]) -> None:
            nonlocal told
            if time.monotonic() - told >= TELL_S:
                told = time.monotonic()
                self.journal.write("copy", "progress", progress)

        return tell


def _folder(path: str) -> volume.Folder:
    try:
        count = len(os.listdir(path))
    except OSError:
        return volume.Folder(path, there=False)
    return volume.Folder(path, True, count, volume_writers.writers(path))


def _folders(params: t.Mapping[str, t.Any]) -> tuple[str, str]:
    """Both folders by their real paths, since what is mounted is told by those."""
    source, target = (os.path.realpath(params[key]) for key in ("source", "target"))
    if os.path.commonpath((source, target)) in (source, target):
        raise ReplatformError(f"source {source} and target {target} lie in each other: name two folders apart")
    return source, target


def read_record(path: str) -> volume.Record:
    """What earlier runs have noted down; nothing where there is no such file. Raises C(ReplatformError) when it can't be read."""
    try:
        with open(path, encoding="utf-8") as handle:
            found = json.load(handle)
        return volume.Record(**{**found, "folders": tuple(found["folders"])})
    except FileNotFoundError:
        return volume.Record()
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ReplatformError(
            f"the record {path} can't be read ({exc}): look at it, or take it away to begin anew"
        ) from exc
