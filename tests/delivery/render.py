# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The role, run as its users run it, on a checkout of the sample."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
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
    written = root.parent / "play.yml"
    written.write_text(json.dumps([{**_PLAY[0], "roles": ["sophia.replatform.delivery"]}]))
    return run(written, _settings(root, given), *options)


def plays(work: pathlib.Path, cases: t.Mapping[str, tuple[pathlib.Path, t.Mapping[str, t.Any]]]) -> dict[str, Play]:
    """Run the role on several checkouts at once, each with its settings: one start of Ansible for all of them."""
    hosts = {
        name: {"ansible_python_interpreter": sys.executable, **_settings(root, given)}
        for name, (root, given) in cases.items()
    }
    inventory, playbook = work / "hosts.yml", work / "play.yml"
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
    playbook.write_text(json.dumps([{**_PLAY[0], "hosts": "all", "roles": ["sophia.replatform.delivery"]}]))
    done = _ansible(inventory, playbook, ANSIBLE_STDOUT_CALLBACK="ansible.posix.json")
    result = json.loads(done.stdout)
    said = dict.fromkeys(cases, "")
    for task in result["plays"][0]["tasks"]:
        for name, one in task["hosts"].items():
            said[name] += f"{one.get('msg', '')}\n" if one.get("failed") else ""
    return {
        name: Play(said[name] + done.stderr, one["changed"], one["failures"] > 0)
        for name, one in result["stats"].items()
    }


def run(playbook: pathlib.Path, variables: t.Mapping[str, t.Any], *options: str) -> Play:
    """Run a playbook on the controller alone."""
    inventory = PROJECT / "tests/repositories/inventory.yml"
    done = _ansible(inventory, playbook, "-e", json.dumps(variables), *options)
    recap = re.search(r"^localhost .*changed=(\d+)", done.stdout, re.MULTILINE)
    return Play(done.stdout + done.stderr, int(recap[1]) if recap else -1, done.returncode != 0)


def _settings(root: pathlib.Path, given: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    artifacts = str(root.parent / "artifacts")
    return {**SETTINGS, "delivery_repository": str(root), "delivery_artifacts": artifacts, **given}


def _ansible(
    inventory: pathlib.Path, playbook: pathlib.Path, *options: str, **env: str
) -> subprocess.CompletedProcess[str]:
    command = ["ansible-playbook", "-i", str(inventory), str(playbook), *options]
    env = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "0", "ANSIBLE_PIPELINING": "1", **env}
    return subprocess.run(command, cwd=PROJECT, env=env, check=False, capture_output=True, text=True)
