# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The targets and everything present, as the readers and the judges of words ask for them. Pure."""

from __future__ import annotations

import bisect
import functools
import posixpath
import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import parents

PLAIN = re.compile(r"[\w.@+\-]+\Z", re.ASCII)
# A dot at the end or an @ at the beginning of a word is taken for punctuation.
_PLAIN_PATH = re.compile(r"(?:[\w.@+\-]+/)*[\w.+\-][\w.@+\-]*(?<!\.)\Z", re.ASCII)
_RUN = re.compile(rb"\w+")
# Each byte to itself, or to a space where it is of no run.
_RUNS = bytes(byte if _RUN.match(bytes([byte])) else ord(" ") for byte in range(256))
_PIECE = re.compile(rb"[\w.@+\-]+")
_GLOB = re.compile(r"[*?\[]")
# Each star costs time on a path that almost matches.
_MOST_STARS = 6


def raw(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def above(folder: str) -> tuple[str, ...]:
    """The folder, and those above it up to the root (C("")), nearest first."""
    return tuple(dict.fromkeys((folder, *parents(folder), "")))


def joined(base: str, text: str) -> str:
    """Where a relative path leads from a folder; empty for the root and for what is outside the repository."""
    path = posixpath.normpath(posixpath.join(base, text))
    return "" if path.startswith(("/", "../")) or path in (".", "..") else path


class Mentions(t.NamedTuple):
    """O(names) that words may spell, whether a module may be named, and whether a piece of another path is there."""

    names: tuple[bytes, ...]
    module: bool
    piece: bool


class Scope:
    """Looks up names, paths, folders and globs."""

    def __init__(self, targets: t.Iterable[str], present: t.Iterable[str], links: t.Collection[str]) -> None:
        self.targets = frozenset(targets)
        self._linked = frozenset(path for path in self.targets if path in links)
        self.link_names = frozenset(raw(posixpath.basename(path)) for path in self._linked)
        self.known = self.targets.union(present)
        self._globs: dict[str, tuple[str, ...]] = {}
        self.by_name: dict[bytes, list[str]] = {}
        for target in sorted(self.targets):
            self.by_name.setdefault(raw(posixpath.basename(target)), []).append(target)
        # A word of a text cannot hold the other paths whole: they are searched for as they are, where O(piece) is.
        self.plain: dict[bytes, list[str]] = {}
        self.odd: list[tuple[str, bytes]] = []
        for name, named in self.by_name.items():
            for target in named:
                if _PLAIN_PATH.match(target):
                    self.plain.setdefault(name, []).append(target)
                else:
                    said = pieces(name)
                    self.odd.append((target, said[0] if len(said) == 1 else b""))
        self._stems = {raw(_stem(target)) for target in self.targets if _is_module(target)}
        self._by_run: dict[bytes, list[bytes]] = {}
        for name in self.plain:
            self._by_run.setdefault(max(_RUN.findall(name), key=len, default=b""), []).append(name)
        self._runless = self._by_run.pop(b"", [])
        self._pieces = [piece for target, _piece in self.odd for piece in pieces(raw(posixpath.basename(target)))]
        self._pieces += _RELATIVE if any(target.endswith("__init__.py") for target in self.targets) else []

    def mentions(self, content: bytes) -> Mentions:
        """What of the targets' names may stand in a content."""
        runs = set(content.translate(_RUNS).split())
        names = [name for run in self._by_run.keys() & runs for name in self._by_run[run]]
        names += [name for name in self._runless if name in content]
        return Mentions(
            tuple(names),
            bool(self._stems & runs),
            bool(self._pieces) and any(piece in content for piece in self._pieces),
        )

    def resolve(self, path: str) -> list[str]:
        """What of the work tree a path is, or leads through: itself, or a target that is a link to a folder."""
        if path in self.known:
            return [path] if path else []
        return [folder for folder in parents(path) if folder in self._linked] if self._linked else []

    def length(self, text: str, base: str, path: str) -> int:
        """How many bytes at the beginning of O(text) name O(path) from O(base); 0 if none do."""
        if joined(base, text) == path:
            return len(raw(text))
        ends = [at for at, char in enumerate(text) if char == "/"]
        return next((len(raw(text[:at])) for at in ends if joined(base, text[:at]) == path), 0)

    @functools.cached_property
    def folders(self) -> frozenset[str]:
        """Every folder that holds something, without the root."""
        return frozenset(folder for path in self.known for folder in parents(path))

    @functools.cached_property
    def _held(self) -> frozenset[str]:
        return frozenset(folder for path in self.targets for folder in parents(path))

    @functools.cached_property
    def _sorted(self) -> list[str]:
        return sorted(self.known)

    def covered(self, pattern: str) -> tuple[str, ...]:
        """What a folder or a glob covers, from the root; empty if no target is among it. The root itself covers nothing."""
        if _GLOB.search(pattern) and pattern not in self.folders:
            return self._matched(pattern)
        if pattern not in self._held:
            return ()
        first = bisect.bisect_left(self._sorted, pattern + "/")
        return tuple(self._sorted[first : bisect.bisect_left(self._sorted, pattern + "0")])

    def _matched(self, pattern: str) -> tuple[str, ...]:
        if pattern not in self._globs:
            compiled = _compiled(pattern)
            if compiled is None or not any(compiled.match(target) for target in self.targets):
                self._globs[pattern] = ()
            else:
                self._globs[pattern] = tuple(path for path in self._sorted if compiled.match(path))
        return self._globs[pattern]


def search_words(targets: t.Iterable[str]) -> list[bytes]:
    """Fixed strings for C(git grep -F): a file that holds none of them names no target, unless C(names_groups)."""
    words: set[bytes] = set()
    for target in targets:
        name = raw(posixpath.basename(target))
        words.update([name] if PLAIN.match(name.decode("latin-1")) else pieces(name))
        if _is_module(target):
            words.add(raw(_stem(target)))
        if target.endswith("__init__.py"):
            words.update(_RELATIVE)
    words.discard(b"")
    return sorted(words)


# A relative import of a sibling runs the package's own file.
_RELATIVE = [b"from ."]


def pieces(name: bytes) -> list[bytes]:
    """What of a name that is no plain word stands in a text however it is quoted or encoded there."""
    found = _PIECE.findall(name)
    if found:
        return [max(found, key=len)]
    encoded = b"".join(b"%%%02X" % byte for byte in name)
    return [part for part in (*name.split(b"\n"), encoded, encoded.lower()) if part]


def _is_module(path: str) -> bool:
    return path.endswith((".py", *SCRIPTS))


# What JavaScript imports without its ending.
SCRIPTS = (".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx")


def _stem(path: str) -> str:
    folder, name = posixpath.split(path)
    stem = posixpath.splitext(name)[0]
    return posixpath.basename(folder) if stem in ("__init__", "__main__", "index") else stem


def _compiled(pattern: str) -> re.Pattern[str] | None:
    """A glob as a regular expression: C(**) crosses folders, and a match covers what is below it."""
    if pattern.count("*") > _MOST_STARS:
        return None
    out = []
    for part in re.findall(r"\*\*/|\*\*|\*|\?|\[[^\]/]+\]|[^*?\[]+|\[", pattern):
        if part == "**/":
            out.append("(?:.*/)?")
        elif part.startswith("["):
            out.append("[" + part[1:-1].replace("\\", "\\\\").replace("!", "^", 1) + "]" if part != "[" else r"\[")
        else:
            out.append({"**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part) or re.escape(part))
    try:
        return re.compile("".join(out) + r"(?:/.*)?\Z", re.DOTALL)
    except re.error:
        return None
