# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Content for a listing's files, of exactly their size. Some of them use others, as their own tools would read it."""

from __future__ import annotations

import hashlib
import json
import keyword
import posixpath
import typing as t

from listing import number

COMMENT = {"py": "# ", "sh": "# ", "yml": "# ", "yaml": "# ", "toml": "# ", "ini": "# ", "sql": "-- ", "conf": "# "}
COMMENT.update(dict.fromkeys(("js", "jsx", "ts", "tsx"), "// "))
WORDS = [
    "this",
    "part",
    "reads",
    "what",
    "the",
    "one",
    "before",
    "it",
    "wrote",
    "and",
    "hands",
    "on",
    "what",
    "is",
    "left",
    "to",
    "do",
    "when",
    "it",
    "is",
    "asked",
]
BINARY = ("pdf", "png", "jpg", "ico", "woff2", "gz")


class Contents:
    """Makes contents: O(sizes) maps every path of the tree to its size."""

    def __init__(self, sizes: t.Mapping[str, int]) -> None:
        self._sizes = sizes
        plain = sorted(path for path, size in sizes.items() if size > 0 and path.isascii() and path.isprintable())
        self._plain = [path for path in plain if not set(path) & set(" '\"()$*?[]{}#&;<>|\\%")]
        self._modules = [path for path in self._plain if path.endswith(".py") and _is_module(path)]
        self._scripts = [path for path in self._plain if path.endswith((".sh", ".py")) and "/__" not in path]
        self._pages = [path for path in self._plain if path.endswith(".md")]

    def of(self, path: str) -> bytes:
        """The content of one file."""
        size = self._sizes[path]
        ending = posixpath.basename(path).rsplit(".", 1)[-1] if "." in posixpath.basename(path) else ""
        if ending in BINARY:
            return _noise(path, size)
        if ending == "json":
            return json.dumps("x" * max(size - 2, 0)).encode() if size > 1 else b"1"[:size]
        head = "".join(line + "\n" for line in self._lines(path, ending)).encode()
        if len(head) > size:
            head = b""
        plain = ending and not posixpath.basename(path).startswith(".")
        return head + _filler(path, size - len(head), COMMENT.get(ending, "") if plain else "# ")

    def _lines(self, path: str, ending: str) -> t.Iterator[str]:
        """One Python file or page in twenty uses another one; so do the scripts, and what builds."""
        if posixpath.basename(path) == "Makefile":
            return self._makefile()
        if posixpath.basename(path) == "Dockerfile":
            return iter(("FROM scratch", f"COPY {self._pick(self._scripts, path)} /srv/"))
        if path.startswith(".github/workflows/") and ending in ("yml", "yaml") and path.count("/") == 2:
            return self._workflow(path)
        if ending == "sh":
            return iter(("#!/bin/sh", *self._sibling(path)))
        if number(path) % 20 or ending not in ("py", "md"):
            return iter(())
        other = self._pick(self._modules if ending == "py" else self._pages, path)
        if other in ("", path):
            return iter(())
        if ending == "py":
            return iter((f"import {other[:-3].replace('/', '.')}",))
        return iter((f"See [there]({posixpath.relpath(other, posixpath.dirname(path) or '.')}).", ""))

    def _makefile(self) -> t.Iterator[str]:
        yield "check:"
        for path in self._scripts[:: max(len(self._scripts) // 3, 1)]:
            yield f"\t{_runner(path)} {path}"

    def _workflow(self, path: str) -> t.Iterator[str]:
        yield from ("name: work", "on: [push]", "jobs:", "  work:", "    runs-on: ubuntu-latest", "    steps:")
        yield "      - uses: actions/checkout@v4"
        other = self._pick(self._scripts, path)
        if other:
            yield f"      - run: {_runner(other)} {other}"

    def _sibling(self, path: str) -> t.Iterator[str]:
        """One script in four calls the next one of its folder, which it finds by its own place."""
        beside = [
            one for one in self._plain if one.endswith(".sh") and posixpath.dirname(one) == posixpath.dirname(path)
        ]
        other = self._pick(beside, path)
        if number(path) % 4 == 0 and other not in ("", path):
            yield f'. "$(dirname "$0")/{posixpath.basename(other)}"'

    @staticmethod
    def _pick(paths: t.Sequence[str], path: str) -> str:
        return paths[number("uses " + path) % len(paths)] if paths else ""


def _runner(path: str) -> str:
    return "bash" if path.endswith(".sh") else "python"


def _is_module(path: str) -> bool:
    parts = path[:-3].split("/")
    return not parts[-1].startswith("__") and all(part.isidentifier() and not keyword.iskeyword(part) for part in parts)


def _noise(path: str, size: int) -> bytes:
    block = b"\0" + hashlib.sha512(path.encode("utf-8", "surrogateescape")).digest()
    return (block * (size // len(block) + 1))[:size]


def _filler(path: str, size: int, comment: str) -> bytes:
    """Words, in comments where the language has any, that no two files share."""
    if size <= 0:
        return b""
    seed = number(path)
    lines = []
    length = 0
    while length < size:
        words = " ".join(WORDS[(seed + len(lines) * 5 + column * 3) % len(WORDS)] for column in range(14))
        lines.append(f"{comment}{seed:x} {len(lines)} {words}\n")
        length += len(lines[-1])
    text = "".join(lines)[: size - 1] + "\n"
    return text.encode()
