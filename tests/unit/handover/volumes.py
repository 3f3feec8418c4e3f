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

# Numbers go on where the folder ends; each is acknowledged outside once it is written.
SERVICE = r"""
import os, pathlib, signal, sys
data, acknowledged = pathlib.Path(sys.argv[1]), sys.argv[2]
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
lines = data / "lines"
known = lines.read_text().split() if lines.exists() else []
number = int(known[-1]) if known else 0
with open(lines, "a") as log, open(acknowledged, "a") as said:
    while True:
        number += 1
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        log.write(f"{number}\n")
        log.flush()
        if number % 20 == 0:
            name = data / f"one of {number}"
            name.write_text(str(number) * 1000)
            os.link(name, data / f"other\nof {number}")
            os.rename(name, data / f"renamed {number}")
            (data / f"renamed {number - 400}").unlink(missing_ok=True)
        said.write(f"{number}\n")
        said.flush()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        signal.sigtimedwait([signal.SIGUSR1], 0.002)
"""
MOUNTED = 'mkdir -p "$2" && mount --bind "$1" "$2" && shift 2 && exec "$@"'


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
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
