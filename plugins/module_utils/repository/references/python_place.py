# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Paths that Python code builds from C(__file__), worked out without running it."""

from __future__ import annotations

import ast
import posixpath
import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.model import Reading, Token

_SAME = frozenset(
    ("Path", "PurePath", "resolve", "absolute", "abspath", "realpath", "normpath", "str", "fspath", "as_posix")
)
_ABOVE = "../"


class Places:
    """Expressions of one file whose value is a path of the repository, as far as constants say."""

    def __init__(self, user: str, content: bytes, tree: ast.Module) -> None:
        self._user = user
        self._tree = tree
        self._lines = (
            content.splitlines(keepends=True) if b"\r" not in content else re.findall(rb"[^\n]*\n|[^\n]+", content)
        )
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))
        self._content = content
        self._names: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                value = self.value(node.value)
                if value is not None:
                    self._names.setdefault(node.targets[0].id, value)

    def value(self, node: ast.AST) -> str | None:
        """The path from the root that an expression stands for; C(.) for the root itself; None if that is not known."""
        if isinstance(node, ast.Name):
            return self._user if node.id == "__file__" else self._names.get(node.id)
        if isinstance(node, ast.Attribute):
            return _up(self.value(node.value)) if node.attr == "parent" else None
        if isinstance(node, ast.Subscript):
            return self._parents(node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            return _below(self.value(node.left), [node.right])
        return self._call(node) if isinstance(node, ast.Call) else None

    def _parents(self, node: ast.Subscript) -> str | None:
        index = node.slice
        if not (isinstance(node.value, ast.Attribute) and node.value.attr == "parents"):
            return None
        if not (isinstance(index, ast.Constant) and isinstance(index.value, int) and 0 <= index.value < 20):
            return None
        path = self.value(node.value.value)
        for _level in range(index.value + 1):
            path = _up(path)
        return path

    def _call(self, node: ast.Call) -> str | None:
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name == "dirname" and len(node.args) == 1:
            return _up(self.value(node.args[0]))
        if name == "join" and node.args:
            return _below(self.value(node.args[0]), node.args[1:])
        if name == "joinpath" and isinstance(function, ast.Attribute):
            return _below(self.value(function.value), node.args)
        if name == "with_name" and isinstance(function, ast.Attribute):
            return _below(_up(self.value(function.value)), node.args)
        if name in _SAME:
            inner = node.args[0] if node.args else getattr(function, "value", None)
            return self.value(inner) if inner is not None else None
        return None

    def tokens(self) -> Reading:
        """The paths below the file's own place that the code names."""
        for node, path in self._built():
            at = self._at(node)
            last = (
                node.right
                if isinstance(node, ast.BinOp)
                else node.args[-1]
                if isinstance(node, ast.Call) and node.args
                else None
            )
            base = self._base(node)
            start, end = self._constant(last) if base is not None else (-1, -1)
            if base is None or start < 0:
                yield Token(path, at, -1, -1, ("",), kind="path")
            else:
                text = self._content[start:end].decode("utf-8", "surrogateescape")
                yield Token(text, at, start, end, ("" if base == "." else base,), kind="path")

    def named(self) -> t.Iterator[tuple[int, str]]:
        """Line and path of each."""
        for node, path in self._built():
            yield t.cast(int, getattr(node, "lineno", 0)), path

    def path_entries(self) -> tuple[str, ...]:
        """The folders that the code adds to the module search path."""
        found = []
        for node in ast.walk(self._tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("insert", "append")
            ):
                owner = node.func.value
                if isinstance(owner, ast.Attribute) and owner.attr == "path" and node.args:
                    found.append(self.value(node.args[-1]))
        return tuple("" if path == "." else path for path in found if path is not None)

    def _built(self) -> t.Iterator[tuple[ast.AST, str]]:
        """The outermost expressions that add a name to a place."""
        inner: set[int] = set()
        for node in ast.walk(self._tree):
            if isinstance(node, (ast.BinOp, ast.Call)) and id(node) not in inner:
                path = self.value(node)
                if path is not None:
                    inner.update(id(one) for one in ast.walk(node))
                    if self._adds(node):
                        yield node, path

    @staticmethod
    def _adds(node: ast.AST) -> bool:
        """Whether a name is joined to the place, rather than the place itself spelled out."""
        return any(isinstance(one, ast.Constant) and isinstance(one.value, str) for one in ast.walk(node))

    def _base(self, node: ast.AST) -> str | None:
        """What the last name is relative to, where there is just one."""
        if isinstance(node, ast.BinOp):
            return self.value(node.left)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "join" and len(node.args) == 2:
                return self.value(node.args[0])
            if node.func.attr == "joinpath" and len(node.args) == 1:
                return self.value(node.func.value)
        return None

    def _at(self, node: ast.AST) -> int:
        line = getattr(node, "lineno", 1)
        return self._starts[min(line - 1, len(self._starts) - 1)] + t.cast(int, getattr(node, "col_offset", 0))

    def _constant(self, node: ast.AST | None) -> tuple[int, int]:
        """Where the text of a plain string constant stands."""
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value and node.end_col_offset):
            return -1, -1
        spelled = node.value.encode("utf-8", "surrogatepass")
        start = self._at(node) + 1
        whole = self._at(node) + 2 + len(spelled)
        end = self._starts[min(t.cast(int, node.end_lineno) - 1, len(self._starts) - 1)] + node.end_col_offset
        plain = whole == end and self._content[start : end - 1] == spelled
        return (start, end - 1) if plain else (-1, -1)


def _up(path: str | None) -> str | None:
    if path is None or path == ".":
        return None
    return posixpath.dirname(path) or "."


def _below(path: str | None, parts: t.Sequence[ast.AST]) -> str | None:
    for part in parts:
        if path is None or not (isinstance(part, ast.Constant) and isinstance(part.value, str)):
            return None
        path = posixpath.normpath(posixpath.join(path, part.value))
        if path.startswith(("/", _ABOVE)) or path == "..":
            return None
    return path
