# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest

from .conftest import groups, uses


@pytest.mark.parametrize(
    "target, user, content, expected",
    [
        ("x.mk", "Makefile", "include x.mk", [(1, "makefile", True, "x.mk")]),
        ("x.mk", "sub/Makefile", "include $(CURDIR)/../x.mk", [(1, "makefile", True, "../x.mk")]),
        ("a.sh", "Makefile", "x: a.sh\n", [(1, "makefile", True, "a.sh")]),
        ("a.sh", "Makefile", "# x: a.sh\n", [(1, "makefile", False, "a.sh")]),
        ("index.js", "package.json", '{"main": "index.js"}', [(1, "package.json", True, "index.js")]),
        ("index.js", "package.json", '{"main": "index"}', [(1, "package.json", True, None)]),
        ("lib/index.js", "package.json", '{"main": "./lib"}', [(1, "package.json", True, None)]),
        ("cli.js", "package.json", '{\n"bin": {"x": "./cli.js"}}', [(2, "package.json", True, "./cli.js")]),
        ("web/b.sh", "web/package.json", '{"scripts": {"b": "bash b.sh"}}', [(1, "package.json", True, "b.sh")]),
        ("x.md", "package.json", '{"files": ["x.md"]}', [(1, "package.json", True, "x.md")]),
        ("x.md", "package.json", "{broken x.md", [(1, "package.json", True, "x.md")]),
        ("NOTES.md", "pyproject.toml", '[project]\nreadme = "NOTES.md"', [(2, "pyproject", True, "NOTES.md")]),
        ("x.py", "pyproject.toml", '[tool.y]\nfile = "./x.py"', [(2, "pyproject", True, "./x.py")]),
        ("x.py", "pyproject.toml", '[tool.setuptools]\npy-modules = ["x"]', [(2, "pyproject", True, None)]),
        ("x/__init__.py", "pyproject.toml", '[tool.setuptools]\npackages = ["x"]', [(2, "pyproject", True, None)]),
        ("x.py", "pyproject.toml", "[broken\n# x.py", [(2, "pyproject", False, "x.py")]),
        ("x.cfg", "setup.cfg", "[a]\nb = x.cfg", [(2, "setup.cfg", True, "x.cfg")]),
        ("x/y.py", "setup.cfg", "[options.entry_points]\nconsole_scripts =\n  z = x.y:main", [(3, "setup.cfg", True, None)]),
        ("x.md", "setup.py", "open('x.md')", [(1, "setup.py", True, "x.md")]),
        ("x.py", "setup.py", "import x", [(1, "import", True, None)]),
        ("x.sh", "tox.ini", "[testenv]\ncommands = sh x.sh", [(2, "tox.ini", True, "x.sh")]),
        ("x.md", "MANIFEST.in", "include x.md", [(1, "MANIFEST.in", True, "x.md")]),
        ("x.md", "MANIFEST.in", "exclude x.md", []),
        ("x.sh", ".pre-commit-config.yaml", "repos:\n- hooks:\n  - entry: ./x.sh --fix", [(3, "pre-commit", True, "./x.sh")]),
        ("x.sh", ".pre-commit-config.yaml", "repos:\n- hooks:\n  - files: ^x\\.sh$", [(3, "pre-commit", False, None)]),
        ("x.sh", ".pre-commit-config.yaml", "exclude: (y|z/x.sh)", [(1, "pre-commit", False, None)]),
        ("x.sh", ".pre-commit-config.yaml", "files: \\.sh$", []),
        ("x.sh", ".githooks/pre-push", "#!/bin/sh\n./x.sh", [(2, "shell", True, "./x.sh")]),
        ("k/x.yaml", "k/kustomization.yaml", "resources: [x.yaml]", [(1, "kustomize", True, "x.yaml")]),
    ],
)  # fmt: skip
def test_manifests(target, user, content, expected):
    assert uses(target, user, content) == expected


@pytest.mark.parametrize(
    "user, content, kind, pattern",
    [
        ("Makefile", "x = $(wildcard ops/*.old)", "makefile", "ops/*.old"),
        ("package.json", '{"files": ["ops/"]}', "package.json", "ops"),
        ("package.json", '{"workspaces": ["op*"]}', "package.json", "op*"),
        ("package.json", '{"workspaces": {"packages": ["ops"]}}', "package.json", "ops"),
        ("pyproject.toml", '[tool.x]\npaths = ["ops"]', "pyproject", "ops"),
        ("MANIFEST.in", "graft ops", "MANIFEST.in", "ops"),
        ("MANIFEST.in", "recursive-include ops *.old", "MANIFEST.in", "ops/**/*.old"),
        ("MANIFEST.in", "global-include *.old", "MANIFEST.in", "**/*.old"),
    ],
)
def test_manifest_groups(user, content, kind, pattern):
    found = groups(["ops/a.old"], user, content, ["ops/b.old", "c"])
    assert found == [(content.count("\n") + 1, kind, pattern, ("ops/a.old", "ops/b.old"))]


@pytest.mark.parametrize(
    "user, content",
    [
        ("package.json", '{"files": ["!ops"]}'),
        ("package.json", "[]"),
        ("package.json", '{"name": "ops"}'),
        ("pyproject.toml", '[tool.x]\nextend-exclude = ["ops"]'),
        ("MANIFEST.in", "prune ops"),
        ("README.md", "[x](ops)"),
    ],
)
def test_no_groups(user, content):
    assert groups(["ops/a.old"], user, content, ["ops/b.old"]) == []
