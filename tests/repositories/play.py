# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The product, run as its users run it."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import time
import typing as t
from dataclasses import dataclass

from build import PROJECT


@dataclass(frozen=True)
class Play:
    """One run of the playbook: what it said, how many tasks changed something, and whether it failed."""

    said: str
    changed: int
    failed: bool
    seconds: float


@dataclass(frozen=True)
class Site:
    """Where a repository is tidied, by which inventory and variables, and where the evidence goes."""

    root: pathlib.Path
    inventory: str
    variables: pathlib.Path | None
    artifacts: pathlib.Path

    def play(self, state: str, **options: t.Any) -> Play:
        """Run phase 1."""
        command = ["ansible-playbook", "playbooks/phase1_repository.yml", "-i", self.inventory]
        command += ["-e", f"@{self.variables}"] if self.variables else []
        given = {
            "repository_path": str(self.root),
            "repository_artifacts": str(self.artifacts),
            "evidence_artifacts": str(self.artifacts),
            "repository_state": state,
            **options,
        }
        started = time.monotonic()
        env = {**os.environ, "ANSIBLE_NOCOLOR": "1"}
        command += ["-e", json.dumps(given)]
        done = subprocess.run(command, cwd=PROJECT, env=env, check=False, capture_output=True, text=True)
        recap = re.search(r"^localhost .*changed=(\d+)", done.stdout, re.MULTILINE)
        changed = int(recap[1]) if recap else -1
        return Play(done.stdout + done.stderr, changed, done.returncode != 0, time.monotonic() - started)

    def evidence(self, name: str) -> dict[str, t.Any]:
        """A file that the role wrote."""
        return t.cast("dict[str, t.Any]", json.loads((self.artifacts / f"{name}.json").read_text()))
