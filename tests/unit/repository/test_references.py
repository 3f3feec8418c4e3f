# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references import find_references


def find(target: str, user: str, content: str, **links: str) -> list[tuple[int, str, bool]]:
    found = find_references([target], [user], lambda _path: content.encode(), links)
    return [(one.line, one.kind, one.certain) for one in found.get(target, [])]


@pytest.mark.parametrize(
    "target, user, content, expected",
    [
        ("deploy.sh", ".github/workflows/ci.yml", "x:\n  - run: ./deploy.sh --all\n", [(2, "workflow", True)]),
        ("deploy.sh", ".github/workflows/ci.yml", "  # - run: ./deploy.sh\n", [(1, "workflow", False)]),
        ("ops/deploy.sh", ".github/workflows/ci.yml", "run: deploy.sh", [(1, "workflow", False)]),
        ("ops/deploy.sh", ".github/workflows/ci.yml", "run: ops/deploy.sh", [(1, "workflow", True)]),
        ("deploy.sh", ".github/workflows/ci.yml", "run: scripts/deploy.sh", [(1, "workflow", False)]),
        ("deploy.sh", ".github/workflows/ci.yml", "run: redeploy.sh", []),
        ("deploy.sh", ".github/workflows/ci.yml", "run: deploy.sh.old", []),
        ("ops/x.env", "ops/docker-compose.yml", "env_file: ./x.env", [(1, "compose", True)]),
        ("start.sh", "Dockerfile", "COPY start.sh /start\n", [(1, "dockerfile", True)]),
        ("start.sh", "Dockerfile", "RUN /start.sh\n", [(1, "dockerfile", False)]),
        ("check.sh", "Makefile", "check:\n\t./check.sh\n", [(2, "makefile", True)]),
        ("PLAN.md", "docs/a.md", "See PLAN.md.\n", [(1, "text", False)]),
        ("two words.md", ".github/workflows/ci.yml", "run: cat 'two words.md'", [(1, "workflow", True)]),
        ("a/two words.md", "docs/a.md", "see two words.md", [(1, "text", False)]),
    ],
)
def test_paths_in_text(target, user, content, expected):
    assert find(target, user, content) == expected


@pytest.mark.parametrize(
    "target, user, content",
    [
        ("tools.py", "main.py", "import tools"),
        ("tools.py", "backend/app.py", "def f():\n    import tools"),
        ("backend/tools.py", "backend/app.py", "import tools"),
        ("backend/tools.py", "backend/app.py", "from . import tools"),
        ("backend/tools.py", "backend/app.py", "from .tools import x"),
        ("backend/tools.py", "backend/core/app.py", "from ..tools import x"),
        ("backend/tools.py", "main.py", "from backend import tools"),
        ("backend/tools.py", "main.py", "import backend.tools as t"),
        ("backend/old/__init__.py", "main.py", "from backend.old.tools import x"),
        ("backend/old/__init__.py", "main.py", "import backend.old"),
    ],
)
def test_python_imports_are_certain(target, user, content):
    assert [(kind, certain) for _line, kind, certain in find(target, user, content)] == [("import", True)]


@pytest.mark.parametrize(
    "target, user, content",
    [
        ("backend/tools.py", "main.py", "import tools"),
        ("tools.py", "backend/core/app.py", "from . import tools"),
        ("tools.py", "main.py", "import toolset"),
        ("tools.py", "main.py", "this is not python, tools"),
    ],
)
def test_other_imports_are_none(target, user, content):
    assert find(target, user, content) == []


def test_a_link_uses_its_target_and_what_is_below_it():
    links = {"docs/now": "../ops", "other": "elsewhere"}
    found = find_references(["ops/a.old", "b.old"], [], lambda _path: b"", links)
    assert {target: [(one.user, one.kind, one.certain) for one in ones] for target, ones in found.items()} == {
        "ops/a.old": [("docs/now", "symlink", True)]
    }
