# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two folders and a service that writes to one of them: a process with a mount namespace of its own, as a container has."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.handover.volume_run import OPERATION, VolumeHandover
from ansible_collections.sophia.replatform.plugins.module_utils.operation import perform

from . import stores
from .volume_world import MOUNTED, SERVICE


class Contained:
    """A service whose data is O(folder), which it sees at O(point)."""

    def __init__(self, folder: pathlib.Path, point: pathlib.Path, acknowledged: pathlib.Path) -> None:
        service = [sys.executable, "-c", SERVICE, str(point), str(acknowledged)]
        command = ["unshare", "--mount", "sh", "-c", MOUNTED, "sh", str(folder), str(point), *service]
        self.process = subprocess.Popen(command, start_new_session=True)
        stores.until(lambda: acknowledged.exists() and acknowledged.stat().st_size > 0, "the service writes")

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


class Pair:
    """The folders C(swarm) and C(k3s) below O(folder), and what the module says of them."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.swarm, self.k3s, self.acknowledged = folder / "swarm", folder / "k3s", folder / "acknowledged"
        self.swarm.mkdir()
        self.k3s.mkdir()

    def start(self, side: pathlib.Path) -> Contained:
        return Contained(side, self.folder / "seen" / side.name, self.acknowledged)

    def journal(self) -> list[dict[str, t.Any]]:
        return journal(self.folder)

    def run(self, state: str, back: bool = False, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        source, target = (self.k3s, self.swarm) if back else (self.swarm, self.k3s)
        params = {
            "name": "wiki",
            "source": str(source),
            "target": str(target),
            "state": state,
            "window": 60,
            "approved_by": "ada",
            "record": str(self.folder / "record.json"),
            "overwrite": False,
            "journal": str(self.folder / "journal.jsonl"),
            "phase": "cutover",
            "deadline": 120,
            **options,
        }
        return perform(VolumeHandover(params), OPERATION, "wiki", params, check)


def program(patch: t.Any) -> None:
    """rsync can be run, with the libraries that were unpacked beside it."""
    found, libraries = stores.unpacked("rsync")
    assert found, "rsync is missing: run make unit, which unpacks Debian's"
    patch.setenv("LD_LIBRARY_PATH", libraries)


def numbers(path: pathlib.Path) -> list[int]:
    return [int(line) for line in path.read_text().split()]


def journal(folder: pathlib.Path) -> list[dict[str, t.Any]]:
    path = folder / "journal.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
