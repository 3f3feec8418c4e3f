"""Links that are written for the tree, as a forge shows it, and lead to the same thing in the handbook. Pure but for one look at a file."""

from __future__ import annotations

import pathlib
import posixpath
import re

#: Pages of the handbook whose text is a file elsewhere in the tree.
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md"}
#: Where files of the tree that pages link to lie in the handbook.
FOLDER = "tree/"

_ROLE = re.compile(r"roles/([a-z0-9_]+)/README\.md")
_CODE_OR_LINK = re.compile(r"^```.*?^```|`[^`\n]+`|\]\(([^()\s]+)\)", re.MULTILINE | re.DOTALL)


def source_of(page: str) -> str:
    """The file of the tree that a page's links are relative to."""
    for source, target in PAGES.items():
        if page == target:
            return source
    return "docs/" + page


def place_of(path: str) -> str:
    """Where in the handbook a file of the tree is."""
    role = _ROLE.fullmatch(path)
    if role:
        return f"roles/{role[1]}.md"
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return PAGES.get(path, FOLDER + path)


def rewritten(text: str, source: str, folder: str, root: pathlib.Path) -> tuple[str, list[str]]:
    """The text for the handbook, and the files of the tree that it needs there.

    O(source) is the file that its links are relative to, O(folder) that of its page. A link that leads nowhere stays as it is: mkdocs
    names it. In a table C(\\|) within code is a plain bar here, as a forge shows it.
    """
    wanted = []

    def lead(found: re.Match[str]) -> str:
        target = found[1]
        if target is None:
            return found[0] if found[0].startswith("```") else found[0].replace("\\|", "|")
        path, hash_, anchor = target.partition("#")
        if not path or ":" in path:
            return found[0]
        inner = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        place = place_of(inner)
        if place.startswith(FOLDER):
            if not (root / inner).is_file():
                return found[0]
            wanted.append(inner)
        return f"]({posixpath.relpath(place, folder or '.')}{hash_}{anchor})"

    return _CODE_OR_LINK.sub(lead, text), wanted
