# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The role, run as its users run it, on a checkout of the sample."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import typing as t
from dataclasses import dataclass

from sample import SETTINGS

PROJECT = pathlib.Path(__file__).resolve().parents[2]
_PLAY = [{"hosts": "localhost", "connection": "local", "gather_facts": False}]


@dataclass(frozen=True)
class Play:
    """One run: what it said, how many tasks changed something, and whether it failed."""

    said: str
    changed: int
    failed: bool


def play(root: pathlib.Path, *options: str, **given: t.Any) -> Play:
    """Run the role on a checkout, with the sample's settings and those O(given) in their place."""
    variables = {
        **SETTINGS,
        "delivery_repository": str(root),
        "delivery_artifacts": str(root.parent / "artifacts"),
        **given,
    }
    written = root.parent / "play.yml"
    written.write_text(json.dumps([{**_PLAY[0], "roles": ["sophia.replatform.delivery"]}]))
    return run(written, variables, *options)


def run(playbook: pathlib.Path, variables: t.Mapping[str, t.Any], *options: str) -> Play:
    """Run a playbook on the controller alone."""
    inventory = PROJECT / "tests/repositories/inventory.yml"
    command = ["ansible-playbook", "-i", str(inventory), str(playbook), "-e", json.dumps(variables), *options]
    env = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "0"}
    done = subprocess.run(command, cwd=PROJECT, env=env, check=False, capture_output=True, text=True)
    recap = re.search(r"^localhost .*changed=(\d+)", done.stdout, re.MULTILINE)
    return Play(done.stdout + done.stderr, int(recap[1]) if recap else -1, done.returncode != 0)
