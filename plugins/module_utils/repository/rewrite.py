# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The text of a file after what it names has moved: the exact tokens change, and no other byte. Pure."""

from __future__ import annotations

import os
import posixpath
import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.repository.references import Reference

# Kinds whose tool resolves a path from the folder of the file that names it.
_FROM_ITS_FOLDER = ("link", "compose", "import")
# Kinds whose tool refuses a path that leads above the folder that it starts from.
_WITHIN = ("dockerfile", "package.json", "pyproject", "setup.cfg", "setup.py", "MANIFEST.in")
_PLAIN = re.compile(r"[\w.@+\-/]", re.ASCII)


def by_own_place(reference: Reference) -> bool:
    """Whether the user would name another file with the same words if it were moved to another folder."""
    if reference.start < 0:
        return reference.kind == "import"
    folder = posixpath.dirname(reference.user)
    return reference.base == folder and (folder != "" or reference.kind in _FROM_ITS_FOLDER)


def new_token(content: bytes, reference: Reference, place: str, user: str) -> str | None:
    """What a reference must say once its target is at O(place) and its user at O(user), in the form that it has.

    None when that cannot be said by a change of the token alone.
    """
    old = _token(content, reference)
    bare = old.lstrip("/")
    if reference.start < 0 or posixpath.normpath(posixpath.join(reference.base, bare)) != reference.target:
        return None
    base = posixpath.dirname(user) if by_own_place(reference) else reference.base
    if posixpath.normpath(posixpath.join(base, bare)) == place:
        return old
    new = posixpath.relpath(f"/{place}", f"/{base}")
    upward = new.startswith("../")
    # A character that the old token did not need may need quotes where it stands.
    if (upward and reference.kind in _WITHIN) or not set(_PLAIN.sub("", new)) <= set(old):
        return None
    if old.startswith("/"):
        return None if reference.base else f"/{new}"
    if old.startswith("./") or (new.startswith("-") and not old.startswith("-")):
        return new if upward else f"./{new}"
    return new


def rewritten(
    content: bytes, wanted: t.Iterable[tuple[Reference, str]], user: str
) -> tuple[bytes, tuple[tuple[int, str, str], ...]]:
    """The content with each reference naming its target's new place, and the line, old and new token of each change.

    O(user) is where the file itself is afterwards. Raises C(ValueError) when that cannot be done by changing tokens.
    """
    tokens: dict[tuple[int, int], tuple[int, str, str]] = {}
    for reference, place in wanted:
        new = new_token(content, reference, place, user)
        change = (reference.line, _token(content, reference), new or "")
        if new is None or tokens.setdefault((reference.start, reference.end), change)[2] != new:
            raise ValueError(f"line {reference.line} does not name {reference.target} by a plain path")
    spans = sorted(tokens)
    if any(later[0] < earlier[1] for earlier, later in zip(spans, spans[1:])):
        raise ValueError("two names share a place")
    pieces, at = [], 0
    for start, end in spans:
        pieces += [content[at:start], os.fsencode(tokens[start, end][2])]
        at = end
    changes = tuple(tokens[span] for span in spans if tokens[span][1] != tokens[span][2])
    return b"".join([*pieces, content[at:]]), changes


def _token(content: bytes, reference: Reference) -> str:
    return os.fsdecode(content[reference.start : reference.end])
