# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shell scripts: what they call and source, and what they find through their own place."""

from __future__ import annotations

import posixpath
import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.model import Reading, Token
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.scope import Scope, joined

_SELF = rb"""(?:\$0|\$\{0\}|\$BASH_SOURCE|\$\{BASH_SOURCE(?:\[0\])?(?::-\$0)?\}|\$\{\(%\):-%[xN]\})"""
_REAL = rb"""\$\((?:readlink|realpath)\s+(?:-\w+\s+)*(?:--\s+)?"?""" + _SELF + rb""""?\)"""
_OWN = (
    rb"""(?:\$\(dirname\s+(?:--\s+)?"?(?:""" + _SELF + rb"|" + _REAL + rb""")"?\)"""
    rb"""|`dirname\s+(?:--\s+)?"?""" + _SELF + rb""""?`"""
    rb"""|\$\{(?:BASH_SOURCE(?:\[0\])?|0)%/\*\}|\$\{0(?::[aA])?:h\})"""
)
_NAMED = rb"\$(?:(?P<name>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)\})"
_TAIL = rb"""(?P<quote>"?)(?P<tail>/[^\s"'`;|&()<>$*?{}\\]*)?"""
_PLACE = re.compile(rb"(?:(?P<own>" + _OWN + rb")|" + _NAMED + rb")" + _TAIL)
_ASSIGNED = re.compile(
    rb"""(?:^|[;&\s])(?P<variable>[A-Za-z_]\w*)=(?P<cd>"?\$\(\s*(?:builtin\s+)?cd\s+(?:-P\s+)?(?:--\s+)?)?"?$"""
)
_PWD = re.compile(
    rb"""[^\S\n]*"?[^\S\n]*(?:>\s*/dev/null(?:\s+2>&1)?|2>\s*/dev/null)?\s*(?:&&|;)\s*pwd(?:\s+-P)?\s*\)"?"""
)
_VALUE_END = re.compile(rb"""["']?\s*(?:$|[;&#\n])""")
_ENTERED = re.compile(rb"(?:^|[;&|\s])cd\s+(?:--\s+)?\"?$")

_WRAPPERS = (
    rb"sudo|exec|env|time|nohup|command|nice|timeout|source|\.|bash|sh|zsh|dash|ksh|python[\d.]*|node|ruby|perl|eval"
)
_CALL = re.compile(
    rb"""(?:^|[;&|(){`])[ \t]*(?:(?:then|do|else|if|while|until|elif|!)[ \t]+)*(?:\w+=[^\s;&|]*[ \t]+)*"""
    rb"""(?P<wrapped>(?:(?:""" + _WRAPPERS + rb""")(?:[ \t]+-[\w-]*|[ \t]+\d+[smh]?|[ \t]+\w+=[^\s;&|]*)*[ \t]+)*)"""
    rb"""(?P<open>["']?)(?P<path>[\w.@+~\-/]+)(?P=open)(?=[\s;&|)`<>]|$)""",
    re.MULTILINE,
)
_QUOTED_CALL = re.compile(rb"""(?:^|[;&|({]|\s)(?:source|\.|bash|sh)[ \t]+(["'])([^"'$`\n\\]+)\1""", re.MULTILINE)
_HEREDOC = re.compile(rb"""<<-?[ \t]*(["']?)(\w+)\1[^\n]*\n(.*?)(?:^[ \t]*\2[ \t]*$|\Z)""", re.DOTALL | re.MULTILINE)


def read(user: str, content: bytes, _scope: Scope) -> Reading:
    here = posixpath.dirname(user)
    documents = [match.span(3) for match in _HEREDOC.finditer(content)]
    for place in places(user, content):
        if place.token:
            yield place.token
    for match in _CALL.finditer(content):
        path = match["path"].decode("ascii")
        # A bare name that is called is looked for on the PATH, not here.
        if ("/" in path or match["wrapped"]) and not path.startswith(("/", "-", "~")):
            said = any(start <= match.start("path") < end for start, end in documents)
            at = match.start("path")
            yield Token(path, at, at, match.end("path"), ("", here), certain=not said, every=True, kind="shell")
    for match in _QUOTED_CALL.finditer(content):
        path = match[2].decode("utf-8", "surrogateescape")
        yield Token(path, match.start(2), *match.span(2), ("", here), every=True, kind="shell")


class Place(t.NamedTuple):
    """One use of a script's own place: where, which path, and the token if it names something below."""

    at: int
    path: str
    token: Token | None


def places(user: str, content: bytes) -> list[Place]:
    """Every path that a script names through where it lies; C("") is the root."""
    folders: dict[bytes, str] = {}
    found = []
    for match in _PLACE.finditer(content):
        name = match["name"] or match["braced"]
        if name is not None and name not in folders:
            continue
        folder = posixpath.dirname(user) if name is None else folders[name]
        tail = (match["tail"] or b"").decode("utf-8", "surrogateescape").lstrip("/")
        path = posixpath.normpath(posixpath.join(folder, tail))
        if path == ".." or path.startswith("../"):
            continue
        path = "" if path == "." else path
        line = content[content.rfind(b"\n", 0, match.start()) + 1 : match.start()]
        if line.lstrip().startswith(b"#"):
            continue
        variable = _variable(content, line, match)
        if variable:
            folders[variable] = path
            continue
        token = None
        if tail:
            start, end = _whole(content, match, match.end() - len(tail.encode("utf-8", "surrogateescape")))
            text = content[start:end].decode("utf-8", "surrogateescape")
            token = Token(text, match.start(), start, end, (folder,), kind="shell")
            path = joined(folder, text)
        if tail or _ENTERED.search(line):
            found.append(Place(match.start(), path, token))
    return found


def _variable(content: bytes, line: bytes, match: re.Match[bytes]) -> bytes:
    """The variable that is given this place as its value, if that is all that it is given."""
    assigned = _ASSIGNED.search(line)
    if not assigned:
        return b""
    after = _PWD if assigned["cd"] else _VALUE_END
    return assigned["variable"] if after.match(content, match.end()) else b""


def _whole(content: bytes, match: re.Match[bytes], start: int) -> tuple[int, int]:
    """The token up to the closing quote, where the whole word stands in quotes: its name may hold blanks."""
    end = match.end()
    if not match["quote"] and content[match.start() - 1 : match.start()] == b'"':
        close = re.compile(rb'[^"$`\\\n]*"').match(content, end)
        end = close.end() - 1 if close else end
    return start, end
