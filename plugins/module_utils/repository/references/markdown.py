# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Markdown: links and images. What stands in code is text."""

from __future__ import annotations

import posixpath
import re
import urllib.parse

from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.model import Reading, Token
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.scope import Scope

_CODE = re.compile(
    rb"^ {0,3}(?P<fence>```+|~~~+).*?(?:^ {0,3}(?P=fence)[`~]*[ \t]*$|\Z)|(?P<tick>`+)(?:(?!\n\n)[^`])+?(?P=tick)(?!`)",
    re.DOTALL | re.MULTILINE,
)
_LINKS = (
    re.compile(rb"\]\(\s*<([^<>\n]+)>"),
    re.compile(rb"\]\(\s*((?:[^\s()<>]|\([^\s()<>]*\))+)"),
    re.compile(rb"^ {0,3}\[[^\]\n]+\]:[ \t]*<([^<>\n]+)>", re.MULTILINE),
    re.compile(rb"^ {0,3}\[[^\]\n]+\]:[ \t]*([^\s<>]+)", re.MULTILINE),
    re.compile(rb"""<(?:img|a|source|video)\b[^<>]*?\s(?:src|href)\s*=\s*"([^"\n]+)\"""", re.IGNORECASE),
    re.compile(rb"""<(?:img|a|source|video)\b[^<>]*?\s(?:src|href)\s*=\s*'([^'\n]+)'""", re.IGNORECASE),
)
_ELSEWHERE = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]*:|//|#")


def read(user: str, content: bytes, _scope: Scope) -> Reading:
    # Code is blanked, so that everything keeps its place.
    text = _CODE.sub(lambda found: re.sub(rb"[^\n]", b" ", found.group()), content)
    here = posixpath.dirname(user)
    for pattern in _LINKS:
        for match in pattern.finditer(text):
            if not _ELSEWHERE.match(match[1]):
                yield _token(match[1], match.start(1), here)


def _token(link: bytes, at: int, here: str) -> Token:
    path = re.split(rb"[#?]", link, maxsplit=1)[0]
    bare = path.lstrip(b"/")
    start = at + len(path) - len(bare)
    meant = urllib.parse.unquote_to_bytes(re.sub(rb"\\([^\w\s])", rb"\1", bare))
    return Token(
        meant.decode("utf-8", "surrogateescape"),
        at,
        start,
        start + len(bare),
        (here,) if path == bare else ("",),
        plain=meant == bare,
        kind="link",
    )
