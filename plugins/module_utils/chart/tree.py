# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A folder made to hold the files of a chart, and nothing else that was ever written there by the same hand.

The names of the files that were written are kept in a file of the folder, which is written before them and after them:
whatever a run that was killed leaves is known to the next one.
"""

from __future__ import annotations

import json
import os
import stat
import typing as t
from dataclasses import dataclass, field

from ansible_collections.sophia.replatform.plugins.module_utils.chart.errors import ChartError

RECORD = ".umbrella-chart.json"
_PARTIAL = ".partial"
_FILE_MODE = 0o640
_FOLDER_MODE = 0o750


@dataclass
class Change:
    """C(write): texts by path. C(remove): paths. C(before): the texts that are replaced or removed. C(leftover): what a
    killed run left half-written."""

    write: dict[str, str] = field(default_factory=dict)
    remove: list[str] = field(default_factory=list)
    before: dict[str, str] = field(default_factory=dict)
    known: list[str] = field(default_factory=list)
    wanted: list[str] = field(default_factory=list)
    leftover: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.write or self.remove or self.leftover or self.known != self.wanted)

    def diff(self) -> list[dict[str, str]]:
        """For Ansible, a part a file."""
        return [
            {
                "before_header": path if path in self.before else "(none)",
                "after_header": path if path in self.write else "(none)",
                "before": self.before.get(path, ""),
                "after": self.write.get(path, ""),
            }
            for path in sorted({*self.write, *self.remove})
        ]


def compare(wanted: t.Mapping[str, str], found: t.Mapping[str, str], known: t.Iterable[str]) -> Change:
    """Pure: what makes a folder that has C(found) hold C(wanted). C(known) are the paths that were written before.

    A file that is in the way and was not written before is not touched: raises C(ChartError).
    """
    known = sorted(set(known))
    change = Change(known=known, wanted=sorted(wanted))
    for path, text in sorted(wanted.items()):
        if found.get(path) == text:
            continue
        if path in found and path not in known:
            raise ChartError(f"path: {path} is there and was not made by this module; move it away")
        change.write[path] = text
    change.remove = [path for path in known if path not in wanted and path in found]
    change.before = {path: found[path] for path in [*change.write, *change.remove] if path in found}
    return change


def plan(root: str, wanted: t.Mapping[str, str]) -> Change:
    """What a folder needs to hold C(wanted); reads, and changes nothing."""
    known = _known(root)
    found = {}
    for path in sorted({*wanted, *known}):
        text = _read(root, path)
        if text is not None:
            found[path] = text
    change = compare(wanted, found, known)
    partial = [path + _PARTIAL for path in (RECORD, *change.wanted, *change.known)]
    change.leftover = sorted({path for path in partial if os.path.lexists(os.path.join(root, path))})
    return change


def apply(root: str, change: Change) -> None:
    """Make the change; can be killed at any point and made again."""
    try:
        _apply(root, change)
    except OSError as exc:
        raise ChartError(f"path: {exc.filename or root}: {exc.strerror}") from exc


def _apply(root: str, change: Change) -> None:
    os.makedirs(root, mode=_FOLDER_MODE, exist_ok=True)
    both = sorted({*change.known, *change.wanted})
    if both != change.known:
        _write(root, RECORD, _record(both))
    for path, text in change.write.items():
        _write(root, path, text)
    for path in [*change.remove, *change.leftover]:
        if os.path.lexists(os.path.join(root, path)):
            os.unlink(os.path.join(root, path))
        _remove_empty(root, os.path.dirname(path))
    if both != change.wanted:
        _write(root, RECORD, _record(change.wanted))


def _record(paths: t.Iterable[str]) -> str:
    return json.dumps({"files": list(paths)}, indent=1) + "\n"


def _known(root: str) -> list[str]:
    text = _read(root, RECORD)
    if text is None:
        return []
    try:
        paths = json.loads(text)["files"]
        if all(_below(path) for path in paths):
            return list(paths)
    except (ValueError, KeyError, TypeError):
        pass
    raise ChartError(
        f"path: {os.path.join(root, RECORD)} is damaged; remove it, and the files that the chart no longer has"
    )


def _below(path: t.Any) -> bool:
    """Whether a path stays below the folder that it is relative to."""
    parts = path.split("/") if isinstance(path, str) else [""]
    return all(part not in ("", ".", "..") for part in parts)


def _read(root: str, path: str) -> str | None:
    """The text of a file; nothing where there is none. A link, in its place or on the way to it, is refused."""
    place = root
    for part in path.split("/"):
        place = os.path.join(place, part)
        try:
            mode = os.lstat(place).st_mode
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise ChartError(f"path: {place}: {exc.strerror}") from exc
        if stat.S_ISLNK(mode):
            raise ChartError(f"path: {place} is a link; a chart is written to folders and files of its own")
    if not stat.S_ISREG(mode):
        raise ChartError(f"path: {place} is in the way; move it away")
    try:
        with open(place, encoding="utf-8") as handle:
            return handle.read()
    except UnicodeDecodeError:
        return "(not text)\n"
    except OSError as exc:
        raise ChartError(f"path: {place}: {exc.strerror}") from exc


def _write(root: str, path: str, text: str) -> None:
    place = os.path.join(root, path)
    os.makedirs(os.path.dirname(place), mode=_FOLDER_MODE, exist_ok=True)
    fd = os.open(place + _PARTIAL, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, _FILE_MODE)
    with os.fdopen(fd, "w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(place + _PARTIAL, place)


def _remove_empty(root: str, folder: str) -> None:
    """A folder of the chart that holds nothing now, and those around it."""
    while folder and os.path.isdir(os.path.join(root, folder)) and not os.listdir(os.path.join(root, folder)):
        os.rmdir(os.path.join(root, folder))
        folder = os.path.dirname(folder)
