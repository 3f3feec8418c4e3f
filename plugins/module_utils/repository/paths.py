# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Repository paths: relative, with C(/), as C(str) in which bytes that are not UTF-8 are surrogate escapes."""

from __future__ import annotations

import os
import posixpath
import typing as t
import unicodedata


def display(path: str) -> str:
    """A path as text that prints and encodes everywhere: bytes that are not UTF-8 are shown as C(\\xNN)."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def shown(path: str) -> str:
    """A path, or any text, in one line: newlines and other characters that would steer a terminal are shown as escapes."""
    return "".join(one if one.isprintable() else _escaped(one) for one in display(path))


def _escaped(character: str) -> str:
    # Spaces of other scripts do no harm, but a line that ends where it should not does.
    return character if unicodedata.category(character) == "Zs" else character.encode("unicode_escape").decode("ascii")


def fold(path: str) -> str:
    """What a file system that ignores case and Unicode form would take the path for."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def parents(path: str) -> t.Iterator[str]:
    """The folders above a path, nearest first, without the root."""
    above = posixpath.dirname(path)
    while above:
        yield above
        above = posixpath.dirname(above)


def stays_inside(path: str) -> bool:
    """Whether a relative path leads to something of the work tree, and not outside it or into git's own folder."""
    parts = path.split("/")
    return not any(part in ("", ".", "..") or fold(part) == ".git" for part in parts)


def in_root(path: str) -> bool:
    """Whether the path is a file of the repository's root."""
    return "/" not in path


def few(paths: t.Iterable[str], limit: int = 10) -> str:
    """The first paths in one line, and how many more there are."""
    ordered = sorted(paths)
    line = ", ".join(shown(path) for path in ordered[:limit])
    return line + (f" and {len(ordered) - limit} more" if len(ordered) > limit else "")
