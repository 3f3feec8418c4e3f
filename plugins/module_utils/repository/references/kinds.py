# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What kind of user a file is, by its name."""

from __future__ import annotations

import fnmatch
import posixpath
import re

# Patterns with a slash are for the whole path, the others for the name alone.
_KINDS = (
    (
        "workflow",
        (
            ".github/workflows/*",
            ".github/actions/*",
            ".ci/*",
            ".circleci/*",
            "action.yml",
            "action.yaml",
            "*.gitlab-ci.yml",
            "azure-pipelines*.yml",
            "bitbucket-pipelines.yml",
            ".travis.yml",
            ".drone.yml",
            "*Jenkinsfile*",
        ),
    ),
    ("compose", ("*compose*.yml", "*compose*.yaml", "*stack*.yml", "*stack*.yaml")),
    ("dockerfile", ("*Dockerfile*", "*.dockerfile", "Containerfile*")),
    ("makefile", ("*Makefile", "GNUmakefile", "*.mk", "justfile", "Taskfile.yml")),
    ("package.json", ("package.json",)),
    ("pyproject", ("pyproject.toml",)),
    ("setup.cfg", ("setup.cfg",)),
    ("setup.py", ("setup.py",)),
    ("tox.ini", ("tox.ini",)),
    ("MANIFEST.in", ("MANIFEST.in",)),
    ("kustomize", ("kustomization.yaml", "kustomization.yml")),
    ("procfile", ("Procfile",)),
    ("pre-commit", (".pre-commit-config.yaml", ".pre-commit-hooks.yaml", ".githooks/*", ".husky/*")),
)
# What may name whole folders, or files by a glob.
_GROUPING = frozenset(
    ("workflow", "compose", "dockerfile", "makefile", "package.json", "pyproject", "MANIFEST.in", "pre-commit")
)


def _compiled(whole: bool) -> re.Pattern[str]:
    """One expression for all kinds, a group for each; for the patterns of a O(whole) path, or of a name."""
    groups = []
    for number, (_kind, patterns) in enumerate(_KINDS):
        chosen = [fnmatch.translate(pattern) for pattern in patterns if ("/" in pattern) == whole]
        groups += [f"(?P<k{number}>{'|'.join(chosen)})"] if chosen else []
    return re.compile("|".join(groups))


_OF_PATH, _OF_NAME = _compiled(True), _compiled(False)


def kind_of(path: str) -> str:
    """The kind of file that a path is, for what it may reference: C(text) when nothing resolves its words."""
    found = [one.lastgroup for one in (_OF_PATH.match(path), _OF_NAME.match(posixpath.basename(path))) if one]
    numbers = [int(group[1:]) for group in found if group]
    return _KINDS[min(numbers)][0] if numbers else "text"


def names_groups(path: str) -> bool:
    """Whether a file may reference targets without a word of C(search_words): by a folder or a glob."""
    return kind_of(path) in _GROUPING
