# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""git, run with paths as bytes and an environment of its own."""

from __future__ import annotations

import os
import subprocess
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.repository.plan import Entry

# What the person's or the machine's configuration sets must not change what a run does; the repository's own counts.
_QUIET = (
    "gc.auto=0",
    "maintenance.auto=false",
    "core.fsmonitor=false",
    "core.quotePath=false",
    "advice.detachedHead=false",
)


class GitError(ReplatformError):
    """git ended with an error; the message is what it said, in one line."""


class Git:
    """Runs git in one work tree. O(keep) are descriptors that git inherits (see C(lock.hold))."""

    def __init__(self, root: str, author: t.Mapping[str, str] | None = None, keep: t.Sequence[int] = ()) -> None:
        self.root = root
        self._keep = tuple(keep)
        self._env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        self._env.update(
            GIT_CONFIG_NOSYSTEM="1",
            GIT_CONFIG_GLOBAL=os.devnull,
            GIT_TERMINAL_PROMPT="0",
            GIT_EDITOR="true",
            GIT_OPTIONAL_LOCKS="0",  # Looking at a repository does not write to it.
            LC_ALL="C",
        )
        for role in ("AUTHOR", "COMMITTER"):
            for key, value in (author or {}).items():
                self._env[f"GIT_{role}_{key.upper()}"] = value

    def run(self, *args: str, stdin: bytes | None = None) -> bytes:
        """The standard output of a git command. Raises C(GitError) with its last words when it fails."""
        command = ["git"]
        for setting in _QUIET:
            command += ["-c", setting]
        try:
            done = subprocess.run(
                [*command, *args],
                cwd=self.root,
                env=self._env,
                input=b"" if stdin is None else stdin,
                capture_output=True,
                check=False,
                pass_fds=self._keep,
            )
        except OSError as exc:
            raise GitError(f"git cannot be run in {self.root}: {exc}") from exc
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).decode("utf-8", "replace").splitlines()
            raise GitError(f"git {args[0]}: {' / '.join(said[-3:]) or f'exit status {done.returncode}'}")
        return done.stdout

    def do(self, *args: str) -> None:
        """Run a git command whose output does not matter."""
        self.run(*args)

    def line(self, *args: str) -> str:
        """The output of a command that answers in one line; empty when it fails."""
        try:
            return os.fsdecode(self.run(*args)).rstrip("\n")
        except GitError:
            return ""

    def paths(self, *args: str) -> list[str]:
        """The output of a command that lists paths with C(-z)."""
        return [os.fsdecode(path) for path in self.run(*args).split(b"\0") if path]

    def state_folder(self) -> str:
        """The folder inside git's own where an operation's lock and ledger live."""
        return os.path.join(self.line("rev-parse", "--absolute-git-dir"), "replatform")

    def index_lock(self) -> str:
        """The lock that a git which changes the index holds, and leaves behind when it is killed."""
        return os.path.join(self.line("rev-parse", "--absolute-git-dir"), "index.lock")

    def at_work(self) -> bool:
        """Whether a git process runs in this work tree; where that cannot be known, it is taken to."""
        root = os.path.realpath(self.root)
        try:
            processes = [entry for entry in os.listdir("/proc") if entry.isdigit()]
        except OSError:
            return True
        for process in processes:
            try:
                with open(f"/proc/{process}/comm", encoding="utf-8", errors="replace") as handle:
                    if not handle.read().startswith("git"):
                        continue
                where = os.readlink(f"/proc/{process}/cwd")
            except FileNotFoundError:
                continue
            except OSError:
                return True
            if os.path.commonpath([root, where]) == root:
                return True
        return False

    def index(self) -> dict[str, tuple[str, str, str]]:
        """Path to mode, object id and stage (C(0), or 1 to 3 in a merge) for everything in the index."""
        found = {}
        for record in self.paths("ls-files", "-s", "-z"):
            meta, path = record.split("\t", 1)
            mode, oid, stage = meta.split(" ")
            found[path] = (mode, oid, stage)
        return found

    def changes(self) -> tuple[list[str], list[str]]:
        """The tracked paths with changes that are staged, and those with changes that are not."""
        status = ("status", "--porcelain", "-z", "--no-renames", "-uno", "--ignore-submodules=untracked")
        found = self.paths(*status)
        staged = [record[3:] for record in found if record[0] != " "]
        return staged, [record[3:] for record in found if record[1] != " "]

    def entries(self) -> list[Entry]:
        """Everything tracked, and everything untracked that is not ignored, sorted by path."""
        listed = [(path, mode, oid) for path, (mode, oid, _stage) in self.index().items()]
        # A nested repository that is no submodule is listed with a slash at its end, and is not this one's to touch.
        others = self.paths("ls-files", "-o", "--exclude-standard", "-z")
        listed += [(path, "", "") for path in others if not path.endswith("/")]
        return [Entry(path, mode, oid, self._size(path)) for path, mode, oid in sorted(listed)]

    def _size(self, path: str) -> int:
        try:
            return os.lstat(os.path.join(self.root, path)).st_size
        except OSError:
            return -1
