# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What uses what, read by a few expressions of our own: a second opinion that shares no code with the product."""

from __future__ import annotations

import collections
import os
import pathlib
import posixpath
import re
import urllib.parse

# For files of a name: an expression for what they use, and where it is looked for ("" is the root, "." the file's folder).
USES = (
    (r".*\.py", rb"^import ([\w.]+)$", "module"),
    (r".*\.md", rb"\]\(([^)#\s]+)\)", "."),
    (r".*\.sh", rb'^(?:\.|source|bash|sh) "\$\(dirname "\$0"\)/([^"\s]+)"', "."),
    (r"\.github/workflows/.*", rb"^[^#\n]*run: (?:bash |sh |python3? )?(?:\./)?([\w./-]+)", ""),
    (r"\.github/workflows/.*", rb"^[^#\n]*compose -f ([\w./-]+)", ""),
    (r"(.*/)?Makefile", rb"^\t(?:bash |sh |python3? |\./)([\w./-]+)", "."),
    (r"(.*/)?Dockerfile", rb"^COPY ([\w./-]+) ", ""),
)


def used(root: pathlib.Path) -> dict[tuple[str, int], collections.Counter[str]]:
    """For each file outside the archive and each expression, what it names that is there; a path counts as often as it
    is named."""
    found: dict[tuple[str, int], collections.Counter[str]] = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [one for one in folders if one != ".git" and (folder != str(root) or one != "archive")]
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), root)
            for index, (files, expression, base) in enumerate(USES):
                if re.fullmatch(files, path) and not os.path.islink(os.path.join(folder, name)):
                    content = pathlib.Path(folder, name).read_bytes()
                    for word in re.findall(expression, content, re.MULTILINE):
                        other = _path(os.fsdecode(word), path, base)
                        if os.path.exists(root / other):
                            found.setdefault((path, index), collections.Counter())[other] += 1
    return found


def _path(word: str, user: str, base: str) -> str:
    if base == "module":
        return word.replace(".", "/") + ".py"
    folder = posixpath.dirname(user) if base == "." else ""
    return posixpath.normpath(posixpath.join(folder, urllib.parse.unquote(word)))


def broken(
    before: dict[tuple[str, int], collections.Counter[str]],
    after: dict[tuple[str, int], collections.Counter[str]],
    moved: dict[str, str],
) -> list[str]:
    """The uses of files that are still in use, moved or not, which no longer lead to the same file."""
    faults = []
    for (user, index), targets in before.items():
        now = moved.get(user, user)
        if now.startswith("archive/"):
            continue
        missing = collections.Counter({moved.get(one, one): count for one, count in targets.items()})
        missing = missing - after.get((now, index), collections.Counter())
        faults += [f"{now} used {path}" for path in missing]
    return faults
