# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import os
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.repository.references import (
    Found,
    Reference,
    find_references,
)

Files = t.Mapping[str, "str | bytes"]
Links = t.Mapping[str, str]


def contents(files: Files) -> dict[str, bytes]:
    return {path: os.fsencode(said) if isinstance(said, str) else said for path, said in files.items()}


def search(
    targets: t.Collection[str], files: Files, present: t.Collection[str] = (), links: Links | None = None
) -> Found:
    """What is found in files when they, the targets, and O(present) are there."""
    said = contents(files)
    links = links or {}
    return find_references(targets, said, lambda path: said[path], links, {*said, *targets, *present, *links})


def told(found: Found, target: str, files: Files) -> list[tuple[int, str, bool, str | None]]:
    """Line, kind, certainty and token (None: not plain) of every reference to a target; the tokens are checked."""
    return [(one.line, one.kind, one.certain, token(one, files)) for one in found.references.get(target, ())]


def token(one: Reference, files: Files) -> str | None:
    if one.start < 0:
        assert (one.start, one.end, one.base) == (-1, -1, "")
        return None
    said = os.fsdecode(contents(files)[one.user][one.start : one.end])
    assert os.path.normpath(os.path.join(one.base, said)) == one.target
    return said


def uses(
    target: str, user: str, content: str | bytes, present: t.Collection[str] = ()
) -> list[tuple[int, str, bool, str | None]]:
    files = {user: content}
    return told(search([target], files, present), target, files)


def groups(targets: t.Collection[str], user: str, content: str, present: t.Collection[str] = ()) -> list[t.Any]:
    found = search(targets, {user: content}, present)
    return [(one.line, one.kind, one.pattern, one.paths) for one in found.groups]
