# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an audit tells beyond the plan: duplicates, links, executables, nested repositories, and broken references."""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
import typing as t
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.repository.git import Git
from ansible_collections.sophia.replatform.plugins.module_utils.repository.ledger import all_ledgers, ledger_path
from ansible_collections.sophia.replatform.plugins.module_utils.repository.model import SUBMODULE, SYMLINK, Entry
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references import Reference
from ansible_collections.sophia.replatform.plugins.module_utils.repository.survey import Survey, search

EXECUTABLE = "100755"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Contents:
    """O(duplicates) are groups of paths with one content and its size, the most bytes to spare first; O(links) tell for
    each symlink whether it leads C(inside) the repository, C(outside), or nowhere (C(dangling)); O(nested) are repositories
    in the work tree that are no submodules; O(broken) are certain references to files that runs took away."""

    duplicates: t.Sequence[tuple[int, t.Sequence[str]]]
    links: t.Mapping[str, str]
    executables: t.Collection[str]
    submodules: t.Sequence[str]
    nested: t.Sequence[str]
    broken: t.Sequence[Reference]


def look_inside(git: Git, seen: Survey) -> Contents:
    """Read what the survey left out."""
    present = [entry for entry in seen.entries if entry.size >= 0]
    return Contents(
        duplicates=_duplicates(git.root, present, seen),
        links={path: _leads(git.root, path, text) for path, text in sorted(seen.look.links.items())},
        executables=frozenset(entry.path for entry in present if _executable(git.root, entry)),
        submodules=[entry.path for entry in seen.entries if entry.mode == SUBMODULE],
        nested=[path for path in git.paths("ls-files", "-o", "--exclude-standard", "-z") if path.endswith("/")],
        broken=_broken(git, seen),
    )


def _executable(root: str, entry: Entry) -> bool:
    if entry.tracked:
        return entry.mode == EXECUTABLE
    mode = _mode(root, entry.path)
    return stat.S_ISREG(mode) and bool(mode & stat.S_IXUSR)


def _mode(root: str, path: str) -> int:
    try:
        return os.lstat(os.path.join(root, path)).st_mode
    except OSError:
        return 0


def _leads(root: str, path: str, text: str) -> str:
    """Where a link leads, read as a clone at another place would: an absolute one leads outside."""
    end = posixpath.normpath(posixpath.join(posixpath.dirname(path), text))
    if text.startswith("/") or end.split("/")[0] == "..":
        return "outside"
    full = os.path.join(root, path)
    if not os.path.exists(full):
        return "dangling"
    # Its way may lead through another link.
    whole = os.path.realpath(root)
    return "inside" if os.path.commonpath([os.path.realpath(full), whole]) == whole else "outside"


def _duplicates(root: str, present: t.Sequence[Entry], seen: Survey) -> list[tuple[int, list[str]]]:
    """Files of one content, empty ones left out. git knows the content of what is tracked and unchanged."""
    dirty = seen.look.dirty
    sizes: dict[int, list[Entry]] = {}
    for entry in present:
        if entry.size > 0 and entry.mode not in (SYMLINK, SUBMODULE) and entry.path not in seen.look.links:
            sizes.setdefault(entry.size, []).append(entry)
    digest = hashlib.sha256 if any(len(entry.oid) == 64 for entry in present) else hashlib.sha1
    found: dict[tuple[int, str], list[str]] = {}
    for size, alike in sizes.items():
        for entry in alike if len(alike) > 1 else ():
            known = entry.oid if entry.path not in dirty else ""
            oid = known or _blob_id(root, entry.path, digest)
            if oid:
                found.setdefault((size, oid), []).append(entry.path)
    groups = [(size, sorted(paths)) for (size, _oid), paths in found.items() if len(paths) > 1]
    return sorted(groups, key=lambda group: (-group[0] * (len(group[1]) - 1), group[1]))


def _blob_id(root: str, path: str, digest: t.Callable[..., t.Any]) -> str:
    """git's name for the content of a file as it lies there; empty for what is no regular file."""
    try:
        with open(os.open(os.path.join(root, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as handle:
            found = os.fstat(handle.fileno())
            if not stat.S_ISREG(found.st_mode):
                return ""
            whole = digest(b"blob %d\0" % found.st_size, usedforsecurity=False)
            for chunk in iter(lambda: handle.read(_CHUNK), b""):
                whole.update(chunk)
            return str(whole.hexdigest())
    except OSError:
        return ""


def _broken(git: Git, seen: Survey) -> list[Reference]:
    """Certain references to what closed runs moved away and nothing has taken the place of."""
    present = frozenset(entry.path for entry in seen.entries if entry.size >= 0)
    books = [book for book in all_ledgers(ledger_path(git.state_folder())) if book.is_forward]
    gone = sorted({move.source for book in books for move in book.moves} - present)
    # As they were resolved when the files were still there.
    found = search(git, gone, present | set(gone), seen.look.links).references
    return [one for target in gone for one in found.get(target, ()) if one.certain and one.user in present]
