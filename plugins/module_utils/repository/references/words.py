# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Path strings among the words of any file."""

from __future__ import annotations

import json
import posixpath
import re
import typing as t
import urllib.parse
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.lines import Lines
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.model import Reference, Region
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.scope import Scope, joined, raw

_CHARACTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@+~-/"
# No path is longer.
_LONGEST = 4096
# What a tool replaces with the repository's root, or the user's own folder.
_ROOT = re.compile(
    rb"(?:\$\{\{\s*github\.workspace\s*\}\}|\$\{?(?:GITHUB_WORKSPACE|CI_PROJECT_DIR|WORKSPACE)\}?)[\"']?\Z"
)
_HERE = re.compile(rb"(?:\$\{\{\s*github\.action_path\s*\}\}|\$\{?GITHUB_ACTION_PATH\}?|\$[({]CURDIR[)}])[\"']?\Z")
_CD = re.compile(rb"(?:^|[\s;&|({])cd[ \t]+[\"']?([\w.@+\-/]+)[\"']?[ \t]*(?:&&|;)")
# Beside a word these make it a part of something longer.
_BEFORE = b"$}%*?)\\]"
_AFTER = b"$*?%{[~"
_OPENING = b" \t\r\n\"'`=:,;([{<>|&!@"
_CLOSING = b" \t\r\n\"'`=:,;)]}<>|&#."


@dataclass(frozen=True)
class Page:
    """One user while its words are judged. O(claimed) are the spans that its reader has judged already."""

    user: str
    content: bytes
    kind: str
    lines: Lines
    claimed: t.Collection[tuple[int, int]]
    regions: t.Sequence[Region]

    def bases(self, at: int) -> tuple[tuple[str, ...], bool]:
        """What a word there may be relative to, and whether it may be certain."""
        certain = self.kind != "text" and not self.lines.comment(at)
        holding = [region for region in self.regions if region.start <= at < region.end]
        if not holding:
            return ("", posixpath.dirname(self.user)), certain
        nearest = min(reversed(holding), key=lambda region: region.end - region.start)
        return nearest.bases, certain

    def free(self, start: int, end: int) -> bool:
        return not any(low < end and start < high for low, high in self.claimed)


def find(page: Page, scope: Scope, names: t.Iterable[bytes]) -> t.Iterator[Reference]:
    """The references that a user's words make. O(names) are those of plain targets that may stand in it."""
    found = {span for name in names for span in _words(page.content, name)}
    for start, end in sorted(found):
        word = page.content[start:end]
        name = word.rsplit(b"/", 1)[-1].lstrip(b"@")
        linked = not scope.link_names.isdisjoint(word.split(b"/")[:-1])
        if (name in scope.plain or linked) and page.free(start, end):
            yield from _judge(page, scope, start, word, scope.plain.get(name, []))
    for target, piece in scope.odd:
        if target != page.user and piece in page.content:
            yield from _odd(page, target)


def _words(content: bytes, name: bytes) -> t.Iterator[tuple[int, int]]:
    """The words that a name stands in, without a full stop at the end."""
    at = content.find(name)
    while at >= 0:
        before, after = content[max(at - _LONGEST, 0) : at], content[at + len(name) : at + _LONGEST]
        start = at - len(before) + len(before.rstrip(_CHARACTERS))
        end = at + len(name) + len(after) - len(after.lstrip(_CHARACTERS))
        yield start, start + len(content[start:end].rstrip(b"."))
        at = content.find(name, at + len(name))


def _judge(page: Page, scope: Scope, start: int, word: bytes, named: t.Sequence[str]) -> t.Iterator[Reference]:
    bases, certain = page.bases(start)
    if not bases:
        return
    before = page.lines.before(start)
    if word.startswith(b"@") and b"/" not in word:
        start, word = start + 1, word[1:]
    head, slash, rest = word.partition(b"/")
    anchored = _anchored(before + head, page.user) if slash else ()
    if anchored:
        bases, start, word, before = anchored, start + len(head) + 1, rest, b""
    # A name without a dot or a folder may be any word: C(apt-get clean) is no file.
    certain = certain and (b"/" in word or b"." in word or bool(anchored))
    text, end = word.decode("ascii"), start + len(word)
    hits: dict[str, str] = {}
    if _whole(before, page.content[end : end + 1]) and not text.startswith(("/", "~")):
        for base in _entered(bases, before, scope):
            for path in scope.resolve(joined(base, text)):
                hits.setdefault(path, base)
    for path, base in hits.items():
        if path in scope.targets and path != page.user:
            reference = _reference(page, path, start, certain=certain)
            last = scope.length(text, base, path) if len(hits) == 1 else 0
            yield _at(reference, start, start + last, base) if last else reference
    if not hits:
        for target in named:
            if target != page.user:
                yield _reference(page, target, start, certain=False)


def _anchored(before: bytes, user: str) -> tuple[str, ...]:
    """The folder that the end of O(before) stands for, if any."""
    if _ROOT.search(before):
        return ("",)
    return (posixpath.dirname(user),) if _HERE.search(before) else ()


def _whole(before: bytes, after: bytes) -> bool:
    """Whether a word stands by itself, and is no part of a longer path."""
    last = before[-1:]
    return not (last and (last in _BEFORE or last >= b"\x80")) and not (after and (after in _AFTER or after >= b"\x80"))


def _entered(bases: tuple[str, ...], before: bytes, scope: Scope) -> tuple[str, ...]:
    """The bases after a C(cd) earlier on the line."""
    for match in _CD.finditer(before):
        inside = tuple(
            path for path in (joined(base, match[1].decode("ascii")) for base in bases) if path in scope.folders
        )
        bases = inside or bases
    return bases


def _odd(page: Page, target: str) -> t.Iterator[Reference]:
    """A path that no word can hold, as it is or as shells, JSON, YAML and links spell it."""
    name = raw(posixpath.basename(target))
    for spell in _SPELLINGS:
        spelled = spell(name)
        if spell is not _as_it_is and spell(raw(target)) == raw(target):
            continue
        at = page.content.find(spelled)
        while at >= 0:
            end = at + len(spelled)
            if page.free(at, end):
                yield from _odd_at(page, target, at, end, spell)
            at = page.content.find(spelled, end)


def _odd_at(page: Page, target: str, at: int, end: int, spell: t.Callable[[bytes], bytes]) -> t.Iterator[Reference]:
    bases, _certain = page.bases(at)
    for base in bases:
        relative = raw(posixpath.relpath("/" + target, "/" + base))
        folder = spell(relative[: relative.rfind(b"/") + 1])
        start = at - len(folder)
        if start < 0 or page.content[start:at] != folder:
            continue
        if page.content[max(start - 2, 0) : start] == b"./":
            start -= 2
        if _apart(page.content, start, end):
            # A folder's name may hold what begins a comment elsewhere.
            reference = _reference(page, target, start, certain=page.bases(start)[1])
            yield _at(reference, start, end, base) if spell is _as_it_is else reference
            return
    # A name that is spelled alike in two ways is told of once.
    known = spell is not _as_it_is and spell(raw(posixpath.basename(target))) == raw(posixpath.basename(target))
    if bases and not known and (_apart(page.content, at, end) or page.content[at - 1 : at] == b"/"):
        yield _reference(page, target, at, certain=False)


def _apart(content: bytes, start: int, end: int) -> bool:
    before, after = content[start - 1 : start] if start else b"", content[end : end + 1]
    return (not before or before in _OPENING) and (not after or after in _CLOSING)


def _as_it_is(name: bytes) -> bytes:
    return name


def _in_shell(name: bytes) -> bytes:
    return re.sub(rb"([^\w.@+~\-/\x80-\xff])", rb"\\\1", name)


def _in_json(name: bytes) -> bytes:
    return json.dumps(name.decode("utf-8", "surrogateescape")).encode()[1:-1]


def _in_quotes(name: bytes) -> bytes:
    return name.replace(b"'", b"''")


def _in_link(name: bytes) -> bytes:
    return urllib.parse.quote(name).encode()


_SPELLINGS = (_as_it_is, _in_shell, _in_json, _in_quotes, _in_link)


def _reference(page: Page, target: str, at: int, *, certain: bool) -> Reference:
    return Reference(target, page.user, page.lines.number(at), page.kind, certain)


def _at(reference: Reference, start: int, end: int, base: str) -> Reference:
    return Reference(
        reference.target, reference.user, reference.line, reference.kind, reference.certain, start, end, base
    )
