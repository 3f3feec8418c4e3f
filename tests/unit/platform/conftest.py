"""Entry points of the role platform, in real plays on this machine."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture
def play(tmp_path):
    """Runs tasks after an entry point of the role; returns the exit status and what was printed."""

    def run(entry, *options, after=(), **variables):
        role = {"name": "sophia.replatform.platform", "tasks_from": entry, "public": True}
        plays = [
            {
                "hosts": "localhost",
                "gather_facts": False,
                "vars": {"platform_artifacts": str(tmp_path / "artifacts"), **variables},
                "tasks": [{"ansible.builtin.include_role": role}, *after],
            }
        ]
        (tmp_path / "play.yml").write_text(yaml.safe_dump(plays), encoding="utf-8")
        ansible = pathlib.Path(sys.executable).parent / "ansible-playbook"
        command = [str(ansible), "-i", "inventory,", str(tmp_path / "play.yml"), *options]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run
