"""Entry points of the role platform, in real plays on this machine."""

from __future__ import annotations

import played
import pytest


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
        return played.play(tmp_path, "inventory,", plays, *options)

    return run
