# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lines of a file, and which of its bytes are a comment."""

from __future__ import annotations

import re

_QUOTED = re.compile(rb"""'[^']*'|"(?:[^"\\]|\\.)*\"""")
_TRAILING = re.compile(rb"(?:^|\s)#")
# In these a comment fills its line.
_WHOLE_LINE = frozenset(("dockerfile", "MANIFEST.in"))
# Of a line that is longer, as those of packed scripts, not all is looked at again for each word.
_ENOUGH = 2000
_SLASHES = ("Jenkinsfile",)


class Lines:
    """Answers for offsets in a file's content."""

    def __init__(self, user: str, kind: str, content: bytes) -> None:
        self._content = content
        self._whole = kind in _WHOLE_LINE
        self._none = user.endswith(".json")
        self._slashes = any(mark in user for mark in _SLASHES)
        self._counted = (0, 1)  # An offset and its line: most are asked for in order.

    def number(self, at: int) -> int:
        """The line of an offset, from 1."""
        known, line = self._counted if self._counted[0] <= at else (0, 1)
        self._counted = (at, line + self._content.count(b"\n", known, at))
        return self._counted[1]

    def before(self, at: int) -> bytes:
        """What stands on the line before the offset; of a very long line, the end of it."""
        return self._content[max(self._start(at), at - _ENOUGH) : at]

    def _start(self, at: int) -> int:
        return self._content.rfind(b"\n", 0, at) + 1

    def comment(self, at: int) -> bool:
        """Whether the offset is in a comment."""
        if self._none:
            return False
        before = self.before(at)
        start = self._start(at)
        first = self._content[start : min(at, start + _ENOUGH)].lstrip()
        if first.startswith(b"#") or (self._slashes and first.startswith((b"//", b"*", b"/*"))):
            return True
        return not self._whole and bool(_TRAILING.search(_QUOTED.sub(b"''", before)))
