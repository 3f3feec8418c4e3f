# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import dataclasses
import os
import pathlib
import subprocess

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.journal import Journal
from ansible_collections.sophia.replatform.plugins.module_utils.repository.adapter import Settings
from ansible_collections.sophia.replatform.plugins.module_utils.repository.archive import Wanted
from ansible_collections.sophia.replatform.plugins.module_utils.repository.rules import Classifier, parse_rules
from ansible_collections.sophia.replatform.plugins.module_utils.repository.run import archive

RULES = [
    {"category": "backups", "patterns": ["*.old", "*.backup"], "reason": "a copy"},
    {"category": "deprecated", "patterns": ["*_deprecated*"], "reason": "its name"},
    {
        "category": "deployment-scripts",
        "patterns": ["/deploy_*"],
        "reason": "a script",
        "destination": "scripts/deployment",
    },
]
PROTECTED = ["README.md", "*memory*.py", "/tests/", ".*"]
TREE = {
    "README.md": "read me\n",
    "a.old": "a\n",
    "name with spaces.old": "b\n",
    "deploy_it.sh": "#!/bin/sh\n",
    "lib/deep/c.old": "c\n",
    "lib/keep.py": "x = 1\n",
    "lib/memory.py.old": "protected by name\n",
    "lib/memory_deprecated.py": "protected\n",
    "only/one_deprecated.txt": "d\n",
    "tests/test_no_deprecated_imports.py": "assert True\n",
}


class Sandbox:
    """A real repository in a temporary folder, and archive runs on it."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.root = folder / "repository"
        self.backups = folder / "backups"
        self.journal = Journal(None, "repository", "test")

    def git(self, *args: str, check: bool = True) -> str:
        env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        env.update(GIT_CONFIG_GLOBAL=os.devnull, GIT_CONFIG_NOSYSTEM="1", LC_ALL="C")
        who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "core.quotePath=false"]
        done = subprocess.run(["git", *who, *args], cwd=self.root, env=env, check=check, capture_output=True)
        return os.fsdecode(done.stdout)

    def write(self, path: str | bytes, content: str | bytes) -> None:
        full = os.path.join(os.fsencode(self.root), os.fsencode(path))
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as handle:
            handle.write(content.encode() if isinstance(content, str) else content)

    def commit(self, message: str = "work") -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)

    def settings(self, **changes: object) -> Settings:
        given = {
            "root": str(self.root),
            "backup_path": str(self.backups),
            "author": {"name": "a", "email": "a@example.com"},
            "message": "archive",
            **changes,
        }
        return Settings(**given)  # type: ignore[arg-type]

    def wanted(self, **changes: object) -> Wanted:
        return Wanted(**{"branch": "tidy", **changes})  # type: ignore[arg-type]

    def archive(self, *, check_mode: bool = False, rules: list | None = None, **changes: object) -> dict:
        names = {field.name for field in dataclasses.fields(Wanted)}
        wanted = self.wanted(**{name: changes.pop(name) for name in names & set(changes)})
        classifier = Classifier(parse_rules(RULES if rules is None else rules), PROTECTED)
        return archive(
            self.settings(**changes),
            wanted,
            classifier,
            self.journal,
            deadline_s=60,
            lock_wait_s=0,
            check_mode=check_mode,
        )

    def restore(self, **changes: object) -> dict:
        return self.archive(state="restored", **changes)  # type: ignore[arg-type]

    def hook(self, *lines: str, name: str = "pre-commit") -> None:
        """Give the repository a hook of these shell lines."""
        path = self.root / ".git" / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
        path.chmod(0o755)

    def twin(self, folder: pathlib.Path) -> Sandbox:
        """A copy of this sandbox with all around it, to be taken another way to the same end."""
        subprocess.run(["cp", "-a", self.root.parent, folder], check=True)
        return Sandbox(folder)

    def state(self) -> dict[str, object]:
        """Everything that a refusal must leave alone, and that two ways to one end must agree on."""
        files = {}
        for folder, folders, names in os.walk(self.root):
            if ".git" in folders:
                folders.remove(".git")
            for name in (*names, *(one for one in folders if os.path.islink(os.path.join(folder, one)))):
                path = os.path.join(folder, name)
                stat = os.lstat(path)
                content = os.readlink(path) if os.path.islink(path) else pathlib.Path(path).read_bytes()
                files[os.path.relpath(path, self.root)] = (stat.st_mode, content)
            if not names and not folders:
                files[os.path.relpath(folder, self.root)] = (0, "an empty folder")
        return {
            "files": files,
            "tree": self.git("rev-parse", "HEAD^{tree}", check=False),
            "branch": self.git("symbolic-ref", "HEAD", check=False),
            "status": self.git("status", "--porcelain", check=False),
            "branches": self.git("for-each-ref", "--format=%(refname)", check=False),
        }


@pytest.fixture
def sandbox(tmp_path: pathlib.Path) -> Sandbox:
    """A repository with some clutter, some protected files and one commit."""
    box = Sandbox(tmp_path)
    box.root.mkdir()
    box.git("init", "-q", "-b", "main")
    for path, content in TREE.items():
        box.write(path, content)
    os.chmod(box.root / "deploy_it.sh", 0o755)
    os.symlink("README.md", box.root / "link")
    box.commit()
    return box
