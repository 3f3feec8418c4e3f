# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Python: what is imported, and what is found through the file's own place."""

from __future__ import annotations

import ast
import posixpath
import re
import typing as t
import warnings

from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.model import Module, Reading
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.python_place import Places
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.scope import Scope, above

# Where a project keeps packages that are imported without it.
_SOURCES = ("src", "lib", "python")
_BY_NAME = frozenset(("import_module", "__import__", "run_module", "find_spec", "import_string"))
_LINE = re.compile(rb"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\w+)|import[ \t]+([\w.]+))", re.MULTILINE)


def read(user: str, content: bytes, _scope: Scope) -> Reading:
    tree = parsed(content)
    if tree is None:
        yield from _lines(user, content)
        return
    starts = [0, *(match.end() for match in re.finditer(rb"\n", content))]
    places = Places(user, content, tree) if b"__file__" in content else None
    if places:
        yield from places.tokens()
    roots = (*_roots(user), *(places.path_entries() if places else ()))
    by_name = any(name.encode() in content for name in _BY_NAME)
    for node in ast.walk(tree) if by_name else _statements(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for name, bases in _imported(node, user, roots):
                yield Module(name, starts[node.lineno - 1], bases, True, "import")
        elif isinstance(node, ast.Call) and _called(node) in _BY_NAME and node.args:
            said = node.args[0]
            if isinstance(said, ast.Constant) and isinstance(said.value, str):
                bases = (posixpath.dirname(user),) if said.value.startswith(".") else roots
                yield Module(said.value.lstrip("."), starts[node.lineno - 1], bases, False, "import-string")


def parsed(content: bytes) -> ast.Module | None:
    """The syntax tree, or None."""
    try:
        with warnings.catch_warnings():
            # A file's own bad escapes are not for whoever runs this.
            warnings.simplefilter("ignore")
            return ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _statements(tree: ast.Module) -> t.Iterator[ast.AST]:
    """Every statement, and what holds some; expressions are most of a tree, and import nothing."""
    left: list[ast.AST] = [tree]
    while left:
        node = left.pop()
        yield node
        fields = ("body", "handlers", "orelse", "finalbody", "cases")
        left += reversed([child for field in fields for child in getattr(node, field, ())])


def _roots(user: str) -> tuple[str, ...]:
    folders = above(posixpath.dirname(user))
    return (*folders, *(posixpath.join(folder, name) for folder in folders for name in _SOURCES))


def _imported(
    node: ast.Import | ast.ImportFrom, user: str, roots: tuple[str, ...]
) -> t.Iterator[tuple[str, tuple[str, ...]]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name, roots
        return
    if node.level:
        folders = above(posixpath.dirname(user))
        if node.level > len(folders):
            return
        folder = folders[node.level - 1]
        roots = (folder,)
        # The package that holds the module runs as well.
        yield "__init__", roots
    for alias in node.names:
        yield ".".join(filter(None, (node.module, alias.name))), roots


def uses_by_place(user: str, content: bytes) -> list[tuple[int, str, str]]:
    """Line, path and kind of what the code finds through where it lies: its neighbours, and what it builds from there."""
    tree = parsed(content)
    if tree is None:
        return []
    places = Places(user, content, tree)
    found = [(line, path, "path") for line, path in places.named()]
    roots = (posixpath.dirname(user), *places.path_entries())
    for node in _statements(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for name, bases in _imported(node, user, roots):
                found += [(node.lineno, path, "import") for base in bases for path in module_files(name, base)]
    return found


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _lines(user: str, content: bytes) -> Reading:
    """What looks like an import in a file that is no Python of today."""
    for match in _LINE.finditer(content):
        name = b".".join(filter(None, match.groups())).decode("ascii", "replace")
        bases = (posixpath.dirname(user),) if name.startswith(".") else _roots(user)
        yield Module(name.lstrip("."), match.start(), bases, False, "import")


def module_files(name: str, base: str) -> t.Iterator[str]:
    """The files that importing a module below a folder may run."""
    path = base
    for part in name.split("."):
        if not part:
            return
        path = posixpath.join(path, part)
        yield path + ".py"
        # Importing a.b.c runs a/__init__.py and a/b/__init__.py too.
        yield path + "/__init__.py"
    yield path + "/__main__.py"
