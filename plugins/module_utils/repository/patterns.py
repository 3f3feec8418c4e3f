# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Perl patterns that match any of many words at the cost of about one: words that begin alike share their beginning."""

from __future__ import annotations

import itertools
import os
import re
import typing as t

_PATTERN_BYTES = 8192  # Perl-compatible patterns may not be of any length.


def any_of(words: t.Iterable[bytes]) -> list[bytes]:
    """Patterns of which at least one matches wherever one of O(words) stands; none of these may be empty."""
    chunks: list[list[bytes]] = [[]]
    size = 0
    for word in sorted(set(words)):
        if size > _PATTERN_BYTES:
            chunks.append([])
            size = 0
        chunks[-1].append(word)
        size += len(word)
    return [_pattern(chunk) for chunk in chunks if chunk]


def _pattern(words: t.Sequence[bytes]) -> bytes:
    shared = t.cast("bytes", os.path.commonprefix(words))
    rest = [word[len(shared) :] for word in words]
    literal = re.sub(rb"([^A-Za-z0-9_\x80-\xff])", rb"\\\1", shared)
    if b"" in rest:  # Wherever a longer word stands, this one does.
        return literal
    return (
        literal + b"(?:" + b"|".join(_pattern(list(group)) for _byte, group in itertools.groupby(rest, _first)) + b")"
    )


def _first(word: bytes) -> bytes:
    return word[:1]
