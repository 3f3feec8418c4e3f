# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""git, run with paths as bytes and an environment of its own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.repository.patterns import any_of
from ansible_collections.sophia.replatform.plugins.module_utils.repository.plan import Entry

# What the person's or the machine's configuration sets must not change what a run does; the repository's own counts.
_QUIET = (
    "gc.auto=0",
    "maintenance.auto=false",
    "core.fsmonitor=false",
    "core.quotePath=false",
    "advice.detachedHead=false",
)
# What tells git of another repository than the one it runs in (git rev-parse --local-env-vars).
_ELSEWHERE = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)
# The attributes by which a file's bytes depend on its path.
RECODING = ("text", "eol", "crlf", "filter", "ident", "working-tree-encoding")
LOOK_S = 60
PUSH_S = 1800
_USERINFO = re.compile(r"://[^/\s]*@")


class GitError(ReplatformError):
    """git ended with an error; the message is what it said, in one line."""


def _command() -> list[str]:
    return ["git", *(part for setting in _QUIET for part in ("-c", setting))]


def _judge(name: str, code: int, out: bytes, err: bytes) -> bytes:
    """What a command said, or C(GitError): in one line, and without the user and password of a URL."""
    if code:
        said = (err.strip() or out.strip()).decode("utf-8", "replace").splitlines()
        words = " / ".join(line.strip() for line in said[-3:]) or f"exit status {code}"
        raise GitError(f"git {name}: {_USERINFO.sub('://', words)}")
    return out


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
        try:
            done = subprocess.run(
                [*_command(), *args],
                cwd=self.root,
                env=self._env,
                input=b"" if stdin is None else stdin,
                capture_output=True,
                check=False,
                pass_fds=self._keep,
            )
        except OSError as exc:
            raise GitError(f"git cannot be run in {self.root}: {exc}") from exc
        return _judge(args[0], done.returncode, done.stdout, done.stderr)

    def reach(self, *args: str, timeout_s: float) -> bytes:
        """Run a command that talks to a remote, with the person's own configuration and keys; it can ask for nothing.

        It does not inherit the lock: a credential helper or a shared connection may stay behind for long.
        """
        env = {key: value for key, value in os.environ.items() if key not in _ELSEWHERE}
        env.update(GIT_TERMINAL_PROMPT="0", SSH_ASKPASS_REQUIRE="never", LC_ALL="C")
        try:
            # A session of its own has no terminal, and ends whole.
            process = subprocess.Popen(
                [*_command(), *args],
                cwd=self.root,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as exc:
            raise GitError(f"git cannot be run in {self.root}: {exc}") from exc
        with process:
            try:
                out, err = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise GitError(f"git {args[0]}: no answer within {timeout_s:g} s") from None
        return _judge(args[0], process.returncode, out, err)

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

    # What a survey asks

    def grep_files(self, words: t.Sequence[bytes]) -> set[str]:
        """The tracked and untracked text files of the work tree that hold any of O(words). Links are not followed."""
        lines = sorted({line for word in words for line in word.split(b"\n") if line})
        if not lines:
            return set()
        try:
            return self._grep("-P", any_of(lines))
        except GitError:
            # A git without that kind of pattern, or a pattern too deep for it: each word by itself, which takes longer.
            return self._grep("-F", lines)

    def _grep(self, kind: str, patterns: t.Sequence[bytes]) -> set[str]:
        options = ("--untracked", "--no-recurse-submodules", "-z", "-l", "-I", kind, "-f", "-")
        try:
            found = self.run("grep", *options, stdin=b"\n".join(patterns) + b"\n")
        except GitError as exc:
            if str(exc) == "git grep: exit status 1":  # No file holds any.
                return set()
            raise
        return {os.fsdecode(path) for path in found.split(b"\0") if path}

    def attributes(self, paths: t.Iterable[str]) -> dict[str, tuple[str, ...]]:
        """For each path, there or not, the values of C(RECODING) in this order."""
        stdin = b"".join(os.fsencode(path) + b"\0" for path in dict.fromkeys(paths))
        fields = self.run("check-attr", "-z", "--stdin", *RECODING, stdin=stdin).split(b"\0")[:-1]
        found: dict[str, tuple[str, ...]] = {}
        for path, value in zip(fields[::3], fields[2::3]):
            key = os.fsdecode(path)
            found[key] = (*found.get(key, ()), os.fsdecode(value))
        return found

    def recent(self, days: int) -> set[str]:
        """The paths that commits of the last O(days) days changed, by the date of the committer; commits that a run of
        this collection made are not counted."""
        if days <= 0 or not self.line("rev-parse", "-q", "--verify", "HEAD^{commit}"):
            return set()
        # git takes a date before 1970 for now.
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(max(time.time() - days * 86400, 86400)))
        options = (f"--since={since}", "--invert-grep", "--grep=^Replatform-Run: ", "--format=", "-c", "-z")
        return set(self.paths("log", *options, "--name-only", "--no-renames", "HEAD", "--"))

    # What a run asks

    def is_shallow(self) -> bool:
        return self.line("rev-parse", "--is-shallow-repository") == "true"

    def is_partial(self) -> bool:
        """Whether objects were left at a remote, to be fetched when they are needed."""
        return bool(
            self.line("config", "--get", "extensions.partialClone")
            or self.line("config", "--get-regexp", r"^remote\..*\.promisor$", "true")
        )

    def skipped(self) -> list[str]:
        """The tracked paths that a sparse checkout leaves out of the work tree."""
        return [record[2:] for record in self.paths("ls-files", "-t", "-z") if record.startswith("S ")]

    def is_ancestor(self, commit: str, of: str = "HEAD") -> bool:
        try:
            self.run("merge-base", "--is-ancestor", commit, of)
        except GitError:
            return False
        return True

    def hash_object(self, content: bytes, path: str, filters: bool, write: bool) -> str:
        """The id of the blob that git would store for O(content) at O(path); with O(write) it is stored."""
        options = [f"--path={path}" if filters else "--no-filters", *(["-w"] if write else [])]
        return os.fsdecode(self.run("hash-object", "--stdin", *options, stdin=content)).strip()

    def remote_head(self, remote: str, branch: str) -> str:
        """The commit that a branch points to at a remote; empty where there is no such branch."""
        ref = f"refs/heads/{branch}"
        for line in os.fsdecode(self.reach("ls-remote", "--heads", "--", remote, ref, timeout_s=LOOK_S)).splitlines():
            oid, _tab, name = line.partition("\t")
            if name == ref:
                return oid
        return ""

    def push(self, remote: str, branch: str, commit: str) -> None:
        """Make a new branch at a remote. Refused by the remote itself when it has one of this name by then."""
        ref = f"refs/heads/{branch}"
        options = (f"--force-with-lease={ref}:", "--no-follow-tags", "--recurse-submodules=no", "--quiet")
        self.reach("push", *options, "--", remote, f"{commit}:{ref}", timeout_s=PUSH_S)
