# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Manifests and task runners: what they name beyond plain words, as folders, globs, modules and regular expressions."""

from __future__ import annotations

import json
import posixpath
import re
import typing as t

import tomllib
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.javascript import ENDINGS
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.model import (
    Module,
    Reading,
    Region,
    Token,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.nodes import Nodes, pairs, scalars
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.scope import Scope, raw

_WILDCARD = re.compile(rb"\$\(wildcard\s+([^()]*)\)")
_LEAVES_OUT = re.compile(r"exclude|ignore|omit|skip")
_ENTRIES = ("main", "module", "types", "typings", "browser", "bin", "exports")


def makefile(user: str, content: bytes, _scope: Scope) -> Reading:
    bases = (posixpath.dirname(user), "")
    for match in _WILDCARD.finditer(content):
        for word in re.finditer(rb"[^\s]+", match[1]):
            start = match.start(1) + word.start()
            yield Token(_text(word.group()), start, start, start + len(word.group()), bases, group=True)


def package_json(user: str, content: bytes, _scope: Scope) -> Reading:
    here = posixpath.dirname(user)
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return
    if not isinstance(said, dict):
        return
    workspaces = said.get("workspaces")
    folders = workspaces.get("packages") if isinstance(workspaces, dict) else workspaces
    for text in (*_strings(said.get("files")), *_strings(folders)):
        if not text.startswith("!"):
            yield _somewhere(content, text.lstrip("/"), here, group=True)
    for key in _ENTRIES:
        for text in _strings(said.get(key)):
            yield _somewhere(content, text, here, endings=ENDINGS)


def pyproject(user: str, content: bytes, _scope: Scope) -> Reading:
    here = posixpath.dirname(user)
    try:
        said = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        return
    for keys, text in _leaves(said, ()):
        if any(_LEAVES_OUT.search(key) for key in keys):
            continue
        yield _somewhere(content, text, here, group=True)
        if keys[-1] in ("packages", "py-modules"):
            yield Module(text, max(content.find(raw(text)), 0), (here, posixpath.join(here, "src")), True)


def manifest_in(user: str, content: bytes, _scope: Scope) -> Reading:
    here = posixpath.dirname(user)
    for line in re.finditer(rb"^[ \t]*([a-z-]+)[ \t]+(\S[^\n#]*)", content, re.MULTILINE):
        verb = line[1]
        if verb in (b"exclude", b"recursive-exclude", b"global-exclude", b"prune"):
            yield Region(*line.span())
            continue
        words = [(_text(word.group()), line.start(2) + word.start()) for word in re.finditer(rb"\S+", line[2])]
        folder = words.pop(0) if verb == b"recursive-include" else None
        for text, at in words:
            if folder:
                yield Token(posixpath.join(folder[0], "**", text), at, -1, -1, (here,), group=True)
            elif verb == b"global-include":
                yield Token(posixpath.join("**", text), at, -1, -1, (here,), group=True)
            else:
                yield Token(text, at, at, at + len(raw(text)), (here,), group=True)


def pre_commit(_user: str, content: bytes, scope: Scope) -> Reading:
    """Regular expressions of C(files) and C(exclude) are no paths; a name that stands in one is still said."""
    nodes = Nodes(content)
    for mapping in nodes.mappings():
        for key, value in pairs(mapping):
            if key in ("files", "exclude"):
                for scalar in scalars(value):
                    yield Region(*nodes.span(scalar))
                    bare = raw(scalar.value.replace("\\", ""))
                    for name in scope.by_name:
                        if re.search(rb"(?<![\w.\-])" + re.escape(name) + rb"(?![\w\-])", bare):
                            for target in scope.by_name[name]:
                                yield Token(target, nodes.span(scalar)[0], -1, -1, ("",), certain=False)


def _strings(value: t.Any) -> t.Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _strings(one)


def _leaves(value: t.Any, keys: tuple[str, ...]) -> t.Iterator[tuple[tuple[str, ...], str]]:
    """Every string of a document below its keys."""
    if isinstance(value, str) and keys:
        yield keys, value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _leaves(one, (*keys, key))
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one, keys)


def _somewhere(content: bytes, text: str, here: str, **more: t.Any) -> Token:
    """A string of a file whose parser does not say where it stood: where it stands first as a whole."""
    spelled = text.encode("utf-8", "surrogatepass")
    match = re.search(rb"""(["'])""" + re.escape(spelled) + rb"\1", content)
    start = match.start() + 1 if match and spelled else -1
    once = start >= 0 and not re.search(
        rb"""(["'])""" + re.escape(spelled) + rb"\1", content[start + len(spelled) + 1 :]
    )
    return Token(text, max(start, 0), start if once else -1, start + len(spelled) if once else -1, (here,), **more)


def _text(word: bytes) -> str:
    return word.decode("utf-8", "surrogateescape")
