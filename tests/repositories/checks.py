# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at a repository before and after, with no code of the product, and says what is wrong."""

from __future__ import annotations

import collections
import hashlib
import os
import pathlib
import stat
import subprocess
import sys
import typing as t
from dataclasses import dataclass

import yaml
from build import HERE, PROJECT, fetched, git
from used import used

Kind = t.Tuple[str, int, str]
# What a run writes besides what it moves.
WRITTEN = ("archive/README.md", "archive/manifest.json")


@dataclass(frozen=True)
class State:
    """All of a repository that a person could see: each file's kind, mode and digest, the commit's tree, the status."""

    files: t.Mapping[str, Kind]
    tree: str
    branch: str
    branches: str
    status: bytes

    @property
    def root_files(self) -> int:
        return sum("/" not in path for path in self.files)


def look(root: pathlib.Path) -> State:
    """The state now."""
    files = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [one for one in folders if one != ".git"]
        for name in (*names, *(one for one in folders if os.path.islink(os.path.join(folder, one)))):
            full = os.path.join(folder, name)
            files[os.path.relpath(full, root)] = _kind(full)
    return State(
        files,
        git(root, "rev-parse", "HEAD^{tree}").decode(),
        git(root, "symbolic-ref", "HEAD").decode(),
        git(root, "for-each-ref").decode(),
        git(root, "status", "--porcelain", "-z", "--untracked-files=all"),
    )


def _kind(full: str) -> Kind:
    mode = stat.S_IMODE(os.lstat(full).st_mode)
    if os.path.islink(full):
        return "link", 0, os.readlink(full)
    with open(full, "rb") as handle:
        return "file", mode, hashlib.sha256(handle.read()).hexdigest()


def moves(before: State, after: State) -> dict[str, str]:
    """Old path to new, found by the promise that an archived file keeps its path and a script its name."""
    new = after.files.keys() - before.files.keys()
    places = {path.split("/", 2)[2]: path for path in new if path.startswith("archive/") and path.count("/") > 1}
    places.update({path.rsplit("/", 1)[1]: path for path in new if path.startswith("scripts/")})
    return {path: places[path] for path in before.files.keys() - after.files.keys() if path in places}


def lost(before: State, after: State, rewritten: t.Collection[str] = ()) -> list[str]:
    """Contents that are not there as often as before, and files that nobody wrote. O(rewritten) are files by their
    path before that may differ; a link may differ in what it says."""
    moved = moves(before, after)
    left_out = {*rewritten, *(moved.get(path, path) for path in rewritten), *WRITTEN}
    was, now = (
        collections.Counter(
            kind if kind[0] == "file" else kind[:2] for path, kind in state.files.items() if path not in left_out
        )
        for state in (before, after)
    )
    faults = [f"lost {kind}" for kind in was - now] + [f"new {kind}" for kind in now - was]
    return faults + [f"{path} is gone" for path in before.files.keys() - after.files.keys() - moved.keys()]


def protected(root: pathlib.Path, inventory: str, variables: pathlib.Path | None) -> list[str]:
    """The tracked files that protected patterns match, by git's own reading of them."""
    values: dict[str, t.Any] = {}
    sources = [PROJECT / "roles/repository/defaults/main.yml"]
    group = PROJECT / inventory / "group_vars/all/repository.yml"
    for path in (*sources, *([group] if group.is_file() else []), *([variables] if variables else [])):
        values.update(yaml.safe_load(path.read_text()))
    patterns = [*values["repository_protected_always"], *values["repository_protected"]]
    listed = root.parent / "protected.txt"
    listed.write_text("".join(f"{pattern}\n" for pattern in patterns))
    found = git(root, "ls-files", "-z", "--cached", "--ignored", f"--exclude-from={listed}")
    return [os.fsdecode(path) for path in found.split(b"\0") if path]


def unfollowed(root: pathlib.Path, base: str, moved: t.Mapping[str, str], before: State, count: int = 12) -> list[str]:
    """Of some moved files whose content is theirs alone, those whose history does not lead back past the move."""
    digests = collections.Counter(kind for kind in before.files.values())
    alone = [path for path in sorted(moved) if digests[before.files[path]] == 1 and before.files[path][0] == "file"]
    faults = []
    for path in alone[:: max(len(alone) // count, 1)]:
        history = git(root, "log", "--follow", "--format=%H", base, "--", path).split()
        now = git(root, "log", "--follow", "--format=%H", "--", moved[path]).split()
        if now[1:] != history:
            faults.append(moved[path])
    return faults


class Working:
    """What works in a repository: the modules that can be imported, and what uses what."""

    def __init__(self, root: pathlib.Path, packages: str | None) -> None:
        self.used = used(root)
        self.modules: set[str] = set()
        if packages is not None:
            env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
            env["DJANGO_SETTINGS_MODULE"] = "django.conf.global_settings"
            env["PYTHONPATH"] = os.pathsep.join(str(path) for path in fetched("imported").values())
            command = [sys.executable, "-W", "ignore", HERE / "modules.py", root / packages]
            done = subprocess.run(command, env=env, check=True, capture_output=True, text=True, cwd=root.parent)
            self.modules = set(done.stdout.split())


def parses(path: pathlib.Path) -> bool:
    """Whether a file is still of its language, where that is Python or YAML."""
    try:
        if path.suffix == ".py":
            compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
        elif path.suffix in (".yml", ".yaml"):
            yaml.safe_load(path.read_bytes())
    except (SyntaxError, ValueError, yaml.YAMLError):
        return False
    return True


def module_of(path: str, packages: str) -> str:
    """The name that a file is imported by, from the folder O(packages)."""
    inside = os.path.relpath(path, packages)
    return inside[: -len(".py")].replace("/", ".").replace(".__init__", "")
