# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who still mentions a file that a rule would move, and with what certainty. Pure, given a way to read files.

Certain is what the file's own tool resolves to exactly this path: a workflow, compose file, Dockerfile, Makefile or
package manifest that names the path, a Python import, a symlink. Any other mention is reported as uncertain.
"""

from __future__ import annotations

import ast
import fnmatch
import posixpath
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import parents

_TOKEN = re.compile(rb"[\w.@+\-/]+")
_WORD = re.compile(rb"\w+")
_PLAIN = re.compile(r"[\w.@+\-]+\Z", re.ASCII)
_KINDS = (
    ("workflow", (".github/workflows/*", ".github/actions/*", ".gitlab-ci.yml", ".ci/*", "Jenkinsfile")),
    ("compose", ("*compose*.yml", "*compose*.yaml", "*stack*.yml", "*stack*.yaml")),
    ("dockerfile", ("*Dockerfile*", "*.dockerfile")),
    ("makefile", ("*Makefile", "*.mk", "*justfile", "*Taskfile.yml")),
    ("manifest", ("*package.json", "*pyproject.toml", "*setup.cfg", "*setup.py", "*tox.ini", "*MANIFEST.in")),
    ("pre-commit", (".pre-commit-config.yaml", ".githooks/*")),
)


@dataclass(frozen=True)
class Reference:
    """O(user) mentions O(target) on O(line) (1-based; 0 when the file as a whole does, as a symlink)."""

    target: str
    user: str
    line: int
    kind: str
    certain: bool


def kind_of(path: str) -> str:
    """The kind of file that a path is, for what it may reference: C(text) when nothing resolves its words."""
    for kind, patterns in _KINDS:
        if any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns):
            return kind
    return "text"


def find_references(
    targets: t.Iterable[str],
    users: t.Iterable[str],
    read: t.Callable[[str], bytes],
    links: t.Mapping[str, str],
) -> dict[str, list[Reference]]:
    """References by target. O(read) gives a user's content (C(b"") for what should not be searched: binary, too large);
    O(links) maps symlinks to what they say."""
    wanted = set(targets)
    found: dict[str, list[Reference]] = {}
    finders: tuple[_Names, _Imports] = (_Names(wanted), _Imports(wanted))
    for user in users:
        content = read(user)
        for finder in finders if content else ():
            for reference in finder.find(user, content):
                found.setdefault(reference.target, []).append(reference)
    for reference in _through_links(wanted, links):
        found.setdefault(reference.target, []).append(reference)
    return found


def _through_links(wanted: set[str], links: t.Mapping[str, str]) -> t.Iterator[Reference]:
    ends = {posixpath.normpath(posixpath.join(posixpath.dirname(link), to)): link for link, to in links.items()}
    for target in sorted(wanted):
        for path in (target, *parents(target)):
            if path in ends:
                yield Reference(target, ends[path], 0, "symlink", True)


class _Names:
    """Finds a file's name among the words of another."""

    def __init__(self, wanted: set[str]) -> None:
        self._by_name: dict[bytes, list[str]] = {}
        for target in wanted:
            name = posixpath.basename(target).encode("utf-8", "surrogateescape")
            self._by_name.setdefault(name, []).append(target)
        # A word of the text cannot hold these names whole: they are searched for as they are.
        self._odd = [name for name in self._by_name if not _PLAIN.match(name.decode("ascii", "replace"))]

    def find(self, user: str, content: bytes) -> t.Iterator[Reference]:
        words = set(_TOKEN.findall(content))
        if any(self._name(word) in self._by_name for word in words):
            for match in _TOKEN.finditer(content):
                if self._name(match.group()) in self._by_name:
                    yield from self._judge(user, content, match.start(), match.group())
        for name in self._odd:
            at = content.find(name)
            if at >= 0:
                for target in self._by_name[name]:
                    yield self._reference(target, user, content, at, certain="/" not in target)

    @staticmethod
    def _name(word: bytes) -> bytes:
        return word.rstrip(b".").rsplit(b"/", 1)[-1]

    def _judge(self, user: str, content: bytes, at: int, word: bytes) -> t.Iterator[Reference]:
        text = word.rstrip(b".").decode("ascii", "replace")
        meant = {posixpath.normpath(text), posixpath.normpath(posixpath.join(posixpath.dirname(user), text))}
        for target in self._by_name[self._name(word)]:
            if target != user:
                yield self._reference(target, user, content, at, certain=target in meant and not text.startswith("/"))

    @staticmethod
    def _reference(target: str, user: str, content: bytes, at: int, *, certain: bool) -> Reference:
        kind = kind_of(user)
        start = content.rfind(b"\n", 0, at) + 1
        comment = content[start:at].lstrip().startswith(b"#")
        return Reference(
            target, user, content.count(b"\n", 0, at) + 1, kind, certain and kind != "text" and not comment
        )


class _Imports:
    """Finds Python imports, absolute from any folder above the importing file, and relative."""

    def __init__(self, wanted: set[str]) -> None:
        self._wanted = {path for path in wanted if path.endswith(".py")}
        self._words = {self._word(path).encode("utf-8", "surrogateescape") for path in self._wanted}

    @staticmethod
    def _word(path: str) -> str:
        folder, name = posixpath.split(path)
        return posixpath.basename(folder) if name == "__init__.py" else name[:-3]

    def find(self, user: str, content: bytes) -> t.Iterator[Reference]:
        if not user.endswith(".py") or self._words.isdisjoint(_WORD.findall(content)):
            return
        try:
            tree = ast.parse(content)
        except (SyntaxError, ValueError):
            return
        for node in ast.walk(tree):
            for module, folder in self._imported(node, user):
                for target in self._files(module, folder):
                    if target in self._wanted and target != user:
                        yield Reference(target, user, node.lineno, "import", True)  # type: ignore[attr-defined]  # an import

    @staticmethod
    def _imported(node: ast.AST, user: str) -> t.Iterator[tuple[str, str]]:
        above = [posixpath.dirname(user), *parents(posixpath.dirname(user)), ""]
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [".".join(filter(None, (node.module, alias.name))) for alias in node.names]
            if node.level:
                above = above[node.level - 1 : node.level]
        else:
            return
        for name in names:
            for folder in dict.fromkeys(above):
                yield name, folder

    @staticmethod
    def _files(module: str, folder: str) -> t.Iterator[str]:
        path = folder
        for part in module.split("."):
            path = posixpath.join(path, part)
            yield path + ".py"
            # Importing a.b.c runs a/__init__.py and a/b/__init__.py too.
            yield path + "/__init__.py"
