# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which containers of this host can write to a folder, whoever runs them: seen in the mounts of each process.

A volume of Docker and one of Kubernetes' local-path are folders of the host that are mounted in the container. Source: proc(5),
C(/proc/pid/mountinfo): device, root of the mount within its filesystem, mount point, options.
"""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError

_OCTAL = re.compile(r"\\([0-7]{3})")


class Mount(t.NamedTuple):
    """O(root) is the folder of the filesystem on O(device) that is seen at O(point)."""

    device: str
    root: str
    point: str
    writable: bool


def parse_mounts(text: str) -> list[Mount]:
    """The mounts of a C(mountinfo)."""
    rows = [line.split(" ") for line in text.splitlines()]
    return [Mount(row[2], _plain(row[3]), _plain(row[4]), "rw" in row[5].split(",")) for row in rows if len(row) > 5]


def _plain(text: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found.group(1), 8)), text)


def place(folder: str, mounts: t.Sequence[Mount]) -> tuple[str, str]:
    """Device and path within its filesystem of O(folder); the mount that came last hides those before it."""
    path = os.path.realpath(folder)
    over = [one for one in mounts if _within(path, one.point)]
    if not over:
        raise ReplatformError(f"{folder} is on no mount of this host")
    longest = max(len(one.point) for one in over)
    mount = [one for one in over if len(one.point) == longest][-1]
    below = os.path.relpath(path, mount.point)
    return mount.device, os.path.normpath(os.path.join(mount.root, below))


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def writers(folder: str, proc: str = "/proc") -> tuple[str, ...]:
    """A process of each mount namespace, other than this one's, in which O(folder) or one below it is mounted for writing.

    A mount at the same place as here is not counted: services of the host that have a namespace of their own inherit those.
    """
    here = parse_mounts(_read(f"{proc}/self/mountinfo"))
    device, root = place(folder, here)
    own = {(mount.device, mount.root, mount.point) for mount in here}
    spaces: dict[str, list[int]] = {}
    for pid in sorted(int(name) for name in os.listdir(proc) if name.isdigit()):
        with contextlib.suppress(OSError):  # it has ended
            spaces.setdefault(os.readlink(f"{proc}/{pid}/ns/mnt"), []).append(pid)
    spaces.pop(os.readlink(f"{proc}/self/ns/mnt"), None)
    found = []
    for pids in spaces.values():
        pid, text = _first_alive(pids, proc)
        for mount in parse_mounts(text):
            mine = mount.device == device and _within(mount.root, root)
            if mine and mount.writable and (mount.device, mount.root, mount.point) not in own:
                found.append(f"{_name(pid, proc)} (process {pid})")
                break
    return tuple(sorted(found))


def _first_alive(pids: t.Sequence[int], proc: str) -> tuple[int, str]:
    for pid in pids:
        with contextlib.suppress(OSError):  # a zombie has no mounts
            text = _read(f"{proc}/{pid}/mountinfo")
            if text:
                return pid, text
    return 0, ""


def _name(pid: int, proc: str) -> str:
    try:
        return _read(f"{proc}/{pid}/comm").strip()
    except OSError:
        return "?"


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as handle:
        return handle.read()
