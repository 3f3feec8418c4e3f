# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looking at a repository: what is in it, what the rules say of it, and what uses what. Reads only."""

from __future__ import annotations

import hashlib
import os
import typing as t
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.repository.backup import fingerprint
from ansible_collections.sophia.replatform.plugins.module_utils.repository.git import Git, GitError
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import parents
from ansible_collections.sophia.replatform.plugins.module_utils.repository.plan import SYMLINK, Entry, Plan, make_plan
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references import Reference, find_references
from ansible_collections.sophia.replatform.plugins.module_utils.repository.rules import ARCHIVE, Classifier, Verdict

# A larger file is data; nobody names a script in it.
SEARCHED_BYTES = 1 << 20


@dataclass(frozen=True)
class Survey:
    """Everything known of a repository at one moment. O(print) changes when any file does."""

    entries: t.Sequence[Entry]
    verdicts: t.Mapping[str, Verdict]
    references: t.Mapping[str, t.Sequence[Reference]]
    plan: Plan
    print: str


def fault_of(root: str) -> str:
    """Why a folder is no repository that can be worked on, in one line; empty when it is one."""
    if not os.path.isdir(root):
        return f"repository_path: {root} is not a folder: name the root of a git work tree"
    try:
        top = os.fsdecode(Git(root).run("rev-parse", "--show-toplevel")).rstrip("\n")
    except GitError as exc:
        return f"repository_path: {root} is not the work tree of a git repository ({exc})"
    if os.path.realpath(top) != os.path.realpath(root):
        return f"repository_path: {root} is a folder inside the repository {top}: name its root"
    return ""


def listing(git: Git) -> tuple[list[Entry], str]:
    """The entries of a work tree and the fingerprint of what is there."""
    entries = git.entries()
    index = "".join(f"{entry.path}\0{entry.mode}\0{entry.oid}\0" for entry in entries)
    return entries, fingerprint(git.root, [entry.path for entry in entries]) + f":{_digest(index)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def survey(git: Git, classifier: Classifier, entries: t.Sequence[Entry], mark: str) -> Survey:
    """Classify, search for references, and plan."""
    verdicts = {entry.path: classifier.classify(entry.path) for entry in entries}
    targets = [path for path, verdict in verdicts.items() if verdict.outcome == "move"]
    links = {entry.path: _link(git.root, entry.path) for entry in entries if entry.mode == SYMLINK and entry.size >= 0}
    users = [entry.path for entry in entries if entry.path.split("/")[0] != ARCHIVE]
    references = find_references(targets, users, lambda path: _text(git.root, path), links)
    folders = {folder for target in targets for folder in parents(verdicts[target].destination)}
    through = {folder for folder in folders if os.path.islink(os.path.join(git.root, folder))}
    return Survey(entries, verdicts, references, make_plan(entries, verdicts, references, through), mark)


def _link(root: str, path: str) -> str:
    try:
        return os.readlink(os.path.join(root, path))
    except OSError:
        return ""


def _text(root: str, path: str) -> bytes:
    try:
        with open(os.open(os.path.join(root, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as handle:
            if os.fstat(handle.fileno()).st_size > SEARCHED_BYTES:
                return b""
            head = handle.read(8192)
            return b"" if b"\0" in head else head + handle.read()
    except OSError:
        return b""
