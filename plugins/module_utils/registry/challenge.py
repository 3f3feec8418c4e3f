# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a registry wants to be asked: the header C(WWW-Authenticate). Pure.

Sources: RFC 9110, section 11.6.1; distribution, C(spec/auth/token.md).
"""

from __future__ import annotations

import re
import typing as t

_SCHEME = re.compile(r"\s*([A-Za-z]+)(?:\s+|$)")
_PARAMETER = re.compile(r'\s*,?\s*([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))')


def parse(headers: t.Iterable[str]) -> tuple[str, dict[str, str]]:
    """The first scheme of O(headers) that is understood, C(bearer) or C(basic), with its parameters; else two empty ones."""
    for header in headers:
        scheme = _SCHEME.match(header)
        if scheme and scheme[1].lower() in ("bearer", "basic"):
            given: dict[str, str] = {}
            at = scheme.end()
            found = _PARAMETER.match(header, at)
            while found:
                quoted, plain = found[2], found[3]
                given[found[1].lower()] = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
                found = _PARAMETER.match(header, found.end())
            return scheme[1].lower(), given
    return "", {}
