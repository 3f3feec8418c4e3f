# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a reference is, and what the readers of each kind of file say before it is known whether a target is meant."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Reference:
    """O(user) mentions O(target) on O(line) (1-based; 0 when the file as a whole does, as a symlink).

    O(start) and O(end) are the bytes of the user's content that spell the path, relative to the folder O(base);
    -1 where it is not spelled plainly and in one piece.
    """

    target: str
    user: str
    line: int
    kind: str
    certain: bool
    start: int = -1
    end: int = -1
    base: str = ""


@dataclass(frozen=True)
class Group:
    """O(user) names a folder or a glob, and with it O(paths): everything present that it covers."""

    user: str
    line: int
    kind: str
    pattern: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """The references by target, and the groups that cover one or more targets."""

    references: t.Mapping[str, t.Sequence[Reference]] = field(default_factory=dict)
    groups: t.Sequence[Group] = ()


@dataclass(frozen=True)
class Token:
    """A path as a tool reads it. The first of O(bases) below which it exists is meant, or O(every) one.

    O(at) is where it is read; O(start) and O(end) are the bytes that say it, or -1; unless O(plain) they spell it in some
    other way. O(group): it may be a folder or a glob. O(endings) are what the tool tries after the name itself.
    """

    text: str
    at: int
    start: int
    end: int
    bases: tuple[str, ...]
    certain: bool = True
    plain: bool = True
    group: bool = False
    every: bool = False
    endings: tuple[str, ...] = ("",)
    kind: str = ""


@dataclass(frozen=True)
class Module:
    """A Python module by its dotted name, looked for below each of O(bases)."""

    name: str
    at: int
    bases: tuple[str, ...]
    certain: bool
    kind: str = ""


@dataclass(frozen=True)
class Region:
    """A part of a file whose words are relative to O(bases) instead of the usual ones; with none, they are no paths."""

    start: int
    end: int
    bases: tuple[str, ...] = ()


Reading = t.Iterator[t.Union[Token, Module, Region]]
