# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ansible-runner said when it was recorded, and a checkout whose playbooks are tiny."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import typing as t

import pytest
from command import playbooks
from command.calling import ROOT, call, start

PHASES = {
    "repository": "phase1_repository",
    "cluster": "phase2_cluster",
    "platform": "phase3_platform",
    "cutover": "phase4_cutover",
}


@pytest.fixture(scope="session")
def recorded() -> list[dict[str, t.Any]]:
    """The events of a whole run of C(playbooks.ALL_KINDS)."""
    return [json.loads(line) for line in (playbooks.HERE / "recorded.jsonl").read_text().splitlines()]


class Checkout:
    """A checkout of its own, with the command as it is and playbooks as a test wants them."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.inventory = folder / "hosts.json"
        shutil.copytree(ROOT / "replatform", folder / "replatform", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("collections", "roles", "galaxy.yml"):
            (folder / name).symlink_to(ROOT / name)
        (folder / "playbooks").mkdir()
        self.inventory.write_text(json.dumps(playbooks.inventory(folder)))
        self.write("preflight", playbooks.ALL_KINDS)
        for phase, name in PHASES.items():
            self.write(name, playbooks.RECORDED.replace("PHASE", phase))
        self.write("rollback", playbooks.ROLLBACK)

    def write(self, playbook: str, text: str) -> None:
        (self.folder / "playbooks" / f"{playbook}.yml").write_text(text.lstrip())

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The command, with its output piped."""
        return start(list(arguments), self.folder, self.inventory, HOME=str(self.folder))

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, output, and what was said beside it."""
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=300)
        return process.returncode, output, errors

    def events(self, *arguments: str) -> tuple[int, list[dict[str, t.Any]]]:
        """Exit code and the events."""
        return call(list(arguments), self.folder, self.inventory, HOME=str(self.folder))


@pytest.fixture
def checkout(tmp_path: pathlib.Path) -> Checkout:
    return Checkout(tmp_path)
