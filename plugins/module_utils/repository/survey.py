# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looking at a repository: what is in it, what the rules say of it, and what uses what. Reads only."""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
import stat
import typing as t
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.repository.backup import fingerprint
from ansible_collections.sophia.replatform.plugins.module_utils.repository.git import Git, GitError
from ansible_collections.sophia.replatform.plugins.module_utils.repository.model import (
    SYMLINK,
    Entry,
    Intent,
    Look,
    Plan,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import few, in_root, parents
from ansible_collections.sophia.replatform.plugins.module_utils.repository.plan import make_plan
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references import (
    Found,
    Reference,
    find_references,
    names_groups,
    search_words,
    uses_by_place,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.rules import (
    ARCHIVE,
    Classifier,
    Verdict,
    parse_protected,
    parse_rules,
)

# A larger file is data; nobody names a script in it.
SEARCHED_BYTES = 1 << 20


@dataclass(frozen=True)
class Survey:
    """Everything known of a repository at one moment. O(print) changes when any file does."""

    look: Look
    plan: Plan
    print: str

    @property
    def entries(self) -> t.Sequence[Entry]:
        return self.look.entries

    @property
    def verdicts(self) -> t.Mapping[str, Verdict]:
        return self.look.verdicts

    @property
    def references(self) -> t.Mapping[str, t.Sequence[Reference]]:
        return self.look.found.references


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


def classifier_for(root: str, options: t.Mapping[str, t.Any]) -> Classifier:
    """The classifier that a module's O(options) ask for (those of C(arguments.SURVEY_OPTIONS)).

    Raises C(RefusedError) for what is no repository, and C(ReplatformError) for the first rule at fault.
    """
    fault = fault_of(root)
    if fault:
        raise RefusedError(fault)
    days = options["protected_days"]
    return Classifier(
        parse_rules(options["rules"], options["categories"]),
        parse_protected(options["protected"]),
        recent=Git(root).recent(days),
        days=days,
        strict=options["strict"],
    )


def listing(git: Git) -> tuple[list[Entry], str]:
    """The entries of a work tree and the fingerprint of what is there."""
    entries = git.entries()
    index = "".join(f"{entry.path}\0{entry.mode}\0{entry.oid}\0" for entry in entries)
    return entries, fingerprint(git.root, [entry.path for entry in entries]) + f":{_digest(index)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def survey(git: Git, classifier: Classifier, intent: Intent, entries: t.Sequence[Entry], mark: str) -> Survey:
    """Classify, search for references, and plan. Nothing is planned where the files are to be restored.

    Raises C(RefusedError) when the classifier is strict and one of its patterns matches nothing.
    """
    verdicts = {entry.path: classifier.classify(entry.path) for entry in entries}
    present = frozenset(entry.path for entry in entries if entry.size >= 0)
    links = _links(git.root, entries)
    dirty = frozenset(git.changes()[1])
    if intent.state == "restored":
        root = tuple(sorted(path for path in present if in_root(path)))
        look = Look(entries, verdicts, Found({}, ()), links, dirty=dirty)
        return Survey(look, Plan((), {}, len(root), root, ()), mark)
    unmatched = classifier.unmatched(present) if classifier.strict else []
    if unmatched:
        raise RefusedError(f"repository_rules: {few(unmatched)} (repository_strict)")
    targets = [path for path, verdict in verdicts.items() if verdict.outcome == "move"]
    folders = {folder for target in targets for folder in parents(verdicts[target].destination)}
    with concurrent.futures.ThreadPoolExecutor(1) as beside:  # While git searches.
        by_place = beside.submit(_by_place, git.root, targets, present)
        found = search(git, targets, present, links)
    look = Look(
        entries=entries,
        verdicts=verdicts,
        found=found,
        links=links,
        through={folder for folder in folders if os.path.islink(os.path.join(git.root, folder))},
        by_place=by_place.result(),
        recoded=_recoded(git, {target: verdicts[target].destination for target in targets}),
        dirty=dirty,
        read=lambda path: _content(git.root, path),
    )
    return Survey(look, make_plan(look, intent), mark)


def search(git: Git, targets: t.Sequence[str], present: t.Collection[str], links: t.Mapping[str, str]) -> Found:
    """Who mentions O(targets). git tells which files hold any of their names at all; what is in the archive uses nothing."""
    holders = git.grep_files(search_words(targets)) if targets else set()
    users = [path for path in sorted(present) if path in holders or names_groups(path)] if targets else []
    active = [path for path in users if not _archived(path)]
    living = {path: text for path, text in links.items() if not _archived(path)}
    return find_references(targets, active, lambda path: _text(git.root, path), living, present)


def _archived(path: str) -> bool:
    return path.split("/")[0] == ARCHIVE


def _by_place(root: str, targets: t.Iterable[str], present: t.Collection[str]) -> dict[str, list[Reference]]:
    uses = {path: uses_by_place(path, _text(root, path), present) for path in targets}
    return {path: found for path, found in uses.items() if found}


def _recoded(git: Git, destinations: t.Mapping[str, str]) -> frozenset[str]:
    """The files whose bytes git would convert in another way at their destination."""
    known = git.attributes([*destinations, *destinations.values()]) if destinations else {}
    return frozenset(source for source, to in destinations.items() if known.get(source) != known.get(to))


def _links(root: str, entries: t.Iterable[Entry]) -> dict[str, str]:
    """The texts of all symlinks; git says nothing of the kind of a file that it does not track."""
    found = {}
    for entry in entries:
        if entry.size >= 0 and (entry.mode == SYMLINK or not entry.tracked):
            try:
                found[entry.path] = os.readlink(os.path.join(root, entry.path))
            except OSError:
                continue
    return found


def _content(root: str, path: str, limit: int = -1) -> bytes | None:
    """What a regular file holds; None where there is none, or a larger one than O(limit)."""
    try:
        with open(os.open(os.path.join(root, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as handle:
            found = os.fstat(handle.fileno())
            if not stat.S_ISREG(found.st_mode) or 0 <= limit < found.st_size:
                return None
            return handle.read()
    except OSError:
        return None


def _text(root: str, path: str) -> bytes:
    content = _content(root, path, SEARCHED_BYTES) or b""
    return b"" if b"\0" in content[:8192] else content
