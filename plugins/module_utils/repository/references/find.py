# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who mentions the targets: each user is read as what it is, and what is left of it word by word. Pure, given O(read)."""

from __future__ import annotations

import functools
import posixpath
import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.repository.links import reached
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import parents
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references import (
    commands,
    compose,
    dockerfile,
    javascript,
    manifests,
    markdown,
    python,
    shell,
    words,
    workflow,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.kinds import kind_of, names_groups
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.lines import Lines
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.model import (
    Found,
    Group,
    Module,
    Reading,
    Reference,
    Region,
    Token,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.scope import (
    SCRIPTS,
    Mentions,
    Scope,
    joined,
)

_Reader = t.Callable[[str, bytes, Scope], Reading]
_BY_KIND: dict[str, _Reader] = {
    "workflow": workflow.read,
    "compose": compose.read,
    "makefile": manifests.makefile,
    "package.json": manifests.package_json,
    "pyproject": manifests.pyproject,
    "MANIFEST.in": manifests.manifest_in,
    "pre-commit": manifests.pre_commit,
}
_BY_ENDING: dict[tuple[str, ...], _Reader] = {
    (".py",): python.read,
    (".sh", ".bash", ".zsh", ".ksh", ".bats"): shell.read,
    (".md", ".markdown", ".mdx"): markdown.read,
    SCRIPTS: javascript.read,
}
_SHEBANGS: dict[bytes, _Reader] = {rb"python": python.read, rb"(?:ba|z|k|da)?sh": shell.read}


def find_references(
    targets: t.Iterable[str],
    users: t.Iterable[str],
    read: t.Callable[[str], bytes],
    links: t.Mapping[str, str],
    present: t.Collection[str],
) -> Found:
    """References by target, and the groups that cover one.

    O(read) gives a user's content (C(b"") for what should not be searched: binary, too large); O(links) maps symlinks to
    what they say; O(present) is every path of the work tree.
    """
    scope = Scope(targets, present, links)
    found: dict[str, list[Reference]] = {}
    groups: dict[Group, None] = {}
    search = _Search(scope, read)
    users = list(users)
    for user in users:
        if kind_of(user) == "compose":
            search.learn(user)
    for user in users:
        for one in search.user(user):
            if isinstance(one, Group):
                groups[one] = None
            else:
                found.setdefault(one.target, []).append(one)
    for reference in _through_links(scope, links):
        found.setdefault(reference.target, []).append(reference)
    return Found(found, tuple(groups))


def readers(user: str, content: bytes) -> list[_Reader]:
    """What reads a user, by its kind, its ending, or the program that its first line names."""
    found = [_BY_KIND[kind_of(user)]] if kind_of(user) in _BY_KIND else []
    found += [reader for endings, reader in _BY_ENDING.items() if user.endswith(endings)]
    if "." not in posixpath.basename(user).lstrip(".") and content.startswith(b"#!"):
        line = content.split(b"\n", 1)[0]
        found += [reader for program, reader in _SHEBANGS.items() if re.search(rb"[/ ]" + program + rb"[\d.]*\b", line)]
    return found


class _Search:
    """Reads users one by one. O(learn) remembers the folders that compose files build Dockerfiles in."""

    def __init__(self, scope: Scope, read: t.Callable[[str], bytes]) -> None:
        self._scope = scope
        self._read = read
        self._contexts: dict[str, dict[str, None]] = {}

    def learn(self, compose_file: str) -> None:
        for path, context in compose.contexts(compose_file, self._read(compose_file)):
            self._contexts.setdefault(path, {})[context] = None

    def user(self, user: str) -> list[Reference | Group]:
        content = self._read(user)
        mentions = self._scope.mentions(content)
        if not content or not (any(mentions) or names_groups(user)):
            return []
        return list(dict.fromkeys(self._found(user, content, mentions)))

    def _found(self, user: str, content: bytes, mentions: Mentions) -> t.Iterator[Reference | Group]:
        kind = kind_of(user)
        lines = Lines(user, kind, content)
        claimed: set[tuple[int, int]] = set()
        regions: list[Region] = []
        for said in self._said(user, content, kind, mentions):
            if isinstance(said, Region):
                regions.append(said)
            elif isinstance(said, Module):
                yield from self._module(said, user, said.kind or kind, lines)
            else:
                if said.start < 0 or not any(start <= said.start < end for start, end in claimed):
                    meant = _meant(said, self._scope)
                    if meant and said.start >= 0:
                        claimed.add((said.start, said.end))
                    yield from self._token(said, meant, user, said.kind or kind, lines)
        yield from words.find(words.Page(user, content, kind, lines, claimed, regions), self._scope, mentions.names)

    def _said(self, user: str, content: bytes, kind: str, mentions: Mentions) -> Reading:
        if kind == "dockerfile":
            yield from dockerfile.read(user, content, self._scope, tuple(self._contexts.get(user, ())))
        for reader in readers(user, content):
            yield from reader(user, content, self._scope)
        if mentions.module:
            yield from commands.read(user, content, self._scope)

    def _token(
        self, token: Token, meant: t.Mapping[str, str], user: str, kind: str, lines: Lines
    ) -> t.Iterator[Reference | Group]:
        line = lines.number(token.at if token.start < 0 else token.start)
        plain = token.plain and token.start >= 0 and len(meant) == 1
        certain = token.certain and not (kind == "shell" and lines.comment(token.at))
        for path, base in meant.items():
            if path in self._scope.targets and path != user:
                last = self._scope.length(token.text, base, path) if plain else 0
                place = (token.start, token.start + last, base) if last else (-1, -1, "")
                yield Reference(path, user, line, kind, certain, *place)
            elif token.group and certain:
                covered = self._scope.covered(path)
                if covered:
                    yield Group(user, line, kind, path, covered)

    def _module(self, module: Module, user: str, kind: str, lines: Lines) -> t.Iterator[Reference]:
        named = kind.startswith("import")
        if not named and kind == "text" and shell.read in readers(user, b""):
            kind = "shell"
        certain = module.certain and (named or (kind != "text" and not lines.comment(module.at)))
        for base in dict.fromkeys(module.bases):
            for path in python.module_files(module.name, base):
                if path in self._scope.targets and path != user:
                    yield Reference(path, user, lines.number(module.at), kind, certain)


def _meant(token: Token, scope: Scope) -> dict[str, str]:
    """The paths, folders and globs that a token means, each with its base."""
    found: dict[str, str] = {}
    for base in token.bases:
        path = joined(base, token.text)
        hits = next(filter(None, (scope.resolve(path + ending) for ending in token.endings if path)), [])
        if not hits and token.group and path and (path in scope.folders or scope.covered(path)):
            hits = [path]
        for hit in hits:
            found.setdefault(hit, base)
        if found and not token.every:
            break
    return found


def _through_links(scope: Scope, links: t.Mapping[str, str]) -> t.Iterator[Reference]:
    """A link uses every link on its way, its end, and, where that is a folder, what is below."""
    used: dict[str, list[str]] = {}
    for link in sorted(links):
        for path in dict.fromkeys(reached(link, links[link], links)):
            used.setdefault(path, []).append(link)
    for target in sorted(scope.targets):
        for path in (target, *parents(target)):
            for link in used.get(path, ()):
                if link != target:
                    yield Reference(target, link, 0, "symlink", True)


def uses_by_place(user: str, content: bytes, present: t.Collection[str]) -> list[Reference]:
    """What a script finds through where it lies itself, and would no longer find from elsewhere. Pure."""
    found: list[Reference] = []
    scope = _whole(frozenset(present))
    lines = Lines(user, kind_of(user), content)
    for reader in readers(user, content):
        if reader is shell.read:
            for place in shell.places(user, content):
                if place.path in scope.known or place.path in scope.folders or not place.path:
                    found.append(Reference(place.path or ".", user, lines.number(place.at), "shell", True))
        elif reader is python.read:
            found += [
                Reference(path, user, line, kind, True)
                for line, path, kind in python.uses_by_place(user, content)
                if path in scope.known or path in scope.folders
            ]
    return list(dict.fromkeys(one for one in found if one.target != user))


@functools.lru_cache(maxsize=1)
def _whole(present: frozenset[str]) -> Scope:
    return Scope((), present, {})
