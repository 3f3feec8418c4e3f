# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command as a process of its own."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

ROOT = pathlib.Path(__file__).parents[3]


def start(
    arguments: t.Sequence[str], folder: pathlib.Path, inventory: pathlib.Path, **environment: str
) -> subprocess.Popen[str]:
    """The command of the checkout at O(folder)."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    path = os.pathsep.join((os.path.dirname(sys.executable), inherited["PATH"]))
    return subprocess.Popen(
        [str(folder / "replatform/launcher"), *arguments, "-i", str(inventory)],
        cwd=folder,
        env={**inherited, "PATH": path, "TERM": "xterm", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def call(
    arguments: t.Sequence[str], folder: pathlib.Path, inventory: pathlib.Path, **environment: str
) -> tuple[int, list[dict[str, t.Any]]]:
    """Exit code and the events of the command of the checkout at O(folder)."""
    process = start([*arguments, "--json"], folder, inventory, **environment)
    output, errors = process.communicate(timeout=300)
    assert "Traceback" not in errors
    return process.returncode, [json.loads(line) for line in output.splitlines()]
