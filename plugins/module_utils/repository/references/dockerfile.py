# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dockerfiles: what they copy out of their context, and what they leave to other stages."""

from __future__ import annotations

import io
import logging
import posixpath
import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.model import (
    Reading,
    Region,
    Token,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.scope import Scope, above

try:
    from dockerfile_parse import DockerfileParser

    DOCKERFILE_ERROR = None
except ImportError as exc:
    DOCKERFILE_ERROR = exc

_WORD = re.compile(rb"(?:[^\s\\]|\\(?![ \t]*\r?\n))+")
_STRING = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_FIRST = re.compile(rb"\s*\S+\s+((?:--\S+\s+)*)")
_COMMENT = re.compile(rb"^[ \t]*#[^\n]*", re.MULTILINE)
_REMOTE = re.compile(rb"[a-z+]+://|git@|<<|[^/]*\$")


def read(user: str, content: bytes, _scope: Scope, contexts: t.Collection[str] = ()) -> Reading:
    """O(contexts) are the folders that a compose file builds it in; where none is known, any folder above it may be."""
    bases = tuple(contexts) or above(posixpath.dirname(user))
    yield Region(0, len(content), bases)
    starts = [0, *(match.end() for match in re.finditer(rb"\n", content)), len(content)]
    for found in instructions(content) or ():
        start, end = starts[found["startline"]], starts[min(found["endline"] + 1, len(starts) - 1)]
        if found["instruction"] in ("COPY", "ADD"):
            yield Region(start, end)
            yield from _copied(content, start, end, bases)


def instructions(content: bytes) -> list[dict[str, t.Any]] | None:
    """The instructions as C(dockerfile_parse) reads them; None where it cannot."""
    # The parser speaks up for a file that it cannot read; whoever asks is answered with None.
    logging.getLogger("dockerfile_parse").setLevel(logging.CRITICAL)
    try:
        return DockerfileParser(fileobj=io.BytesIO(content)).structure
    except (ValueError, IndexError, KeyError, TypeError):
        return None


def _copied(content: bytes, start: int, end: int, bases: tuple[str, ...]) -> Reading:
    words = _words(content, start, end)
    while words and words[0][0].startswith(b"--"):
        if words.pop(0)[0].startswith(b"--from="):
            return
    for word, at in words[:-1]:
        # A slash at the beginning is the context's own root.
        said = word.lstrip(b"/")
        text = re.sub(rb'\\(["\\])', rb"\1", said)
        if not _REMOTE.match(text):
            stop = at + len(word)
            yield Token(
                text.decode("utf-8", "surrogateescape"),
                start,
                stop - len(said),
                stop,
                bases,
                plain=text == said,
                group=True,
                every=True,
            )


def _words(content: bytes, start: int, end: int) -> list[tuple[bytes, int]]:
    """The arguments of an instruction with their places: those of a JSON list, or those between blanks."""
    first = _FIRST.match(content, start, end)
    if not first:
        return []
    flags = [(one.group(), one.start()) for one in _WORD.finditer(content, *first.span(1))]
    if content.startswith(b"[", first.end()):
        return flags + [(one[1], one.start(1)) for one in _STRING.finditer(content, first.end(), end)]
    comments = [one.span() for one in _COMMENT.finditer(content, first.end(), end)]
    return flags + [
        (one.group(), one.start())
        for one in _WORD.finditer(content, first.end(), end)
        if not any(low <= one.start() < high for low, high in comments)
    ]
