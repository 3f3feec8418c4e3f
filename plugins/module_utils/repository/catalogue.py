# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the archive says of itself: a page for people and a manifest for programs, of what was moved, whence and why. Pure.

The manifest is what counts: the page is made from it. Both name what earlier runs moved too, as long as it is there.
"""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.sophia.replatform.plugins.module_utils.repository.model import (
    REGULAR,
    Edit,
    Intent,
    Look,
    Move,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import shown
from ansible_collections.sophia.replatform.plugins.module_utils.repository.rules import ARCHIVE

PAGE = f"{ARCHIVE}/README.md"
MANIFEST = f"{ARCHIVE}/manifest.json"
FORMAT = 1
MARKER = "<!-- Made by sophia.replatform from manifest.json: changes made here are lost. -->"
_KEYS = ("path", "from", "category", "reason", "base")
_INTRODUCTION = """
# Archive

What was moved because it is no longer used, or to put scripts in order. Every file kept its history:
`git log --follow -- PLACE` shows it. To get one file back, `git mv PLACE ORIGINAL` and commit. To undo whole runs, newest
first, run the playbook `phase1_repository.yml` with `-e repository_state=restored`. `manifest.json` says the same for
programs, with names to the byte.
"""
_HEAD = "| original | place | reason |\n|---|---|---|"
_MARKDOWN = re.compile(r"[\\`*_\[\]<>|&~#]")


@dataclass(frozen=True)
class Catalogue:
    """The edits of the two files, what is left alone, and what forbids the run."""

    edits: tuple[Edit, ...] = ()
    kept: t.Mapping[str, str] = field(default_factory=dict)
    faults: tuple[str, ...] = ()


def catalogue(moves: t.Sequence[Move], look: Look, intent: Intent) -> Catalogue:
    """The catalogue after O(moves); without moves it stays as it is."""
    if not moves:
        return Catalogue()
    kept, faults = {}, []
    before, page = look.read(MANIFEST), look.read(PAGE)
    earlier = _parse(before) if MANIFEST not in look.links else None
    if earlier is None:
        faults.append(f"{MANIFEST} was not made by this collection: rename it")
    known, described = earlier or ([], {})
    present = {entry.path for entry in look.entries if entry.size >= 0} - {move.source for move in moves}
    files = {one["path"]: one for one in known if one["path"] in present}
    for move in moves:
        values = (move.destination, move.source, move.category, move.reason, intent.base)
        files[move.destination] = dict(zip(_KEYS, values))
    if PAGE in look.links or not _is_ours(page):
        kept[PAGE] = "a person wrote it: it does not begin with this collection's mark"
    modes = {entry.path: entry.mode for entry in look.entries if entry.tracked}
    edits = _edits(list(files.values()), {**described, **intent.categories}, before, None if kept else page, modes)
    edits = [edit for edit in edits if edit.path not in kept]
    for edit in edits:
        if edit.path not in modes and edit.before is not None:
            faults.append(f"{edit.path} is in the work tree but not in git: commit or remove it")
        elif edit.path in look.dirty:
            faults.append(f"{edit.path} has changes that are not committed: commit or revert them")
    return Catalogue(tuple(edits), kept, tuple(faults))


def catalogue_without(
    gone: t.Collection[str], read: t.Callable[[str], bytes | None], modes: t.Mapping[str, str] | None = None
) -> tuple[Edit, ...]:
    """The edits that take what is O(gone) out of the catalogue, and the catalogue away when it has nothing left to tell.

    O(modes) are git's modes by path; what is not there is a plain file.
    """
    before, page = read(MANIFEST), read(PAGE)
    known = _parse(before)
    files = [one for one in known[0] if one["path"] not in gone] if known else []
    if before is None or known is None or len(files) == len(known[0]):
        return ()
    edits = _edits(files, known[1], before, page, modes or {})
    return tuple(edit for edit in edits if edit.before is not None and (edit.path == MANIFEST or _is_ours(edit.before)))


def _is_ours(page: bytes | None) -> bool:
    return page is None or page.startswith(MARKER.encode())


def _parse(content: bytes | None) -> tuple[list[dict[str, str]], dict[str, str]] | None:
    """The files of a manifest and what its categories are; None when it is not one of ours."""
    if content is None:
        return [], {}
    try:
        manifest = json.loads(content)
        if manifest["format"] != FORMAT:
            return None
        files = [{key: str(one[key]) for key in _KEYS} for one in manifest["files"]]
        return files, {key: str(value) for key, value in manifest["categories"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _edits(
    files: t.Iterable[dict[str, str]],
    described: t.Mapping[str, str],
    manifest: bytes | None,
    page: bytes | None,
    modes: t.Mapping[str, str],
) -> list[Edit]:
    """Both files anew, from what they were; gone when there is nothing to say."""
    ordered = sorted(files, key=lambda one: one["path"])
    categories = {one["category"]: described[one["category"]] for one in ordered if one["category"] in described}
    whole = {"format": FORMAT, "categories": categories, "files": ordered}
    texts = {MANIFEST: json.dumps(whole, indent=1, sort_keys=True) + "\n", PAGE: _page(ordered, categories)}
    before = {MANIFEST: manifest, PAGE: page}
    return [
        Edit(path, "generated", modes.get(path, REGULAR), before[path], text.encode() if ordered else None)
        for path, text in texts.items()
    ]


def _page(files: t.Iterable[t.Mapping[str, str]], categories: t.Mapping[str, str]) -> str:
    lines = [MARKER, _INTRODUCTION.rstrip("\n")]
    by_category: dict[str, list[t.Mapping[str, str]]] = {}
    for one in files:
        by_category.setdefault(one["category"], []).append(one)
    for category, members in sorted(by_category.items()):
        described = categories.get(category) or members[0]["reason"]
        lines += ["", f"## {_text(category)}", "", _text(described), "", _HEAD]
        lines += [f"| {_path(one['from'])} | {_path(one['path'])} | {_text(one['reason'])} |" for one in members]
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    """Words as they are in Markdown, in one line."""
    return _literal(shown(" ".join(text.split())))


def _path(path: str) -> str:
    """A path in a cell of a Markdown table."""
    code = shown(path)
    return f"<code>{_literal(code)}</code>" if re.search(r"[`|\\]|^ | $", code) else f"`{code}`"


def _literal(text: str) -> str:
    return _MARKDOWN.sub(lambda match: f"&#{ord(match.group())};", text)
