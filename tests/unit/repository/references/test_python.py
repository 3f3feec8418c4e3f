# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest

from .conftest import uses


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
        ("backend/old/__init__.py", "backend/old/a.py", "from . import b"),
        ("backend/old/__init__.py", "backend/old/a.py", "from .b import c"),
        ("src/sample/tools.py", "tests/test_a.py", "from sample.tools import x"),
        ("tools/tools.py", "bin/run", "#!/usr/bin/env python3\nimport tools.tools"),
        (
            "lib/helper.py",
            "run.py",
            "import os, sys\nsys.path.insert(0, os.path.dirname(__file__) + '')\nimport lib.helper",
        ),
        (
            "kit/helper.py",
            "run.py",
            "import sys\nHERE = Path(__file__).resolve().parent\nsys.path.insert(0, str(HERE / 'kit'))\nimport helper",
        ),
    ],
)
def test_imports_are_certain(target, user, content):
    found = uses(target, user, content)
    line = content.count("\n") + 1
    assert (line, "import", True, None) in found
    assert all(kind in ("import", "path", "text") for _line, kind, _certain, _token in found)


@pytest.mark.parametrize(
    "target, user, content",
    [
        ("backend/tools.py", "main.py", "import tools"),
        ("tools.py", "backend/core/app.py", "from . import tools"),
        ("tools.py", "main.py", "import toolset"),
        ("tools.py", "main.py", "this is not python, tools"),
        ("tools.py", "a/b.py", "from .... import tools"),
        ("other/tools/x.py", "main.py", "from tools import x"),
        ("tools.py", "main.txt", "import tools"),
        ("tools.py", "main.py", "tools = 1\ntools.py = 2"),
    ],
)
def test_other_imports_are_not_certain(target, user, content):
    assert not any(certain for _line, _kind, certain, _token in uses(target, user, content))
    assert not any(kind == "import" for _line, kind, _certain, _token in uses(target, user, content))


def test_python_of_long_ago_is_read_line_by_line():
    assert uses("tools.py", "main.py", 'import tools\nprint "x"\n') == [(1, "import", False, None)]
    assert uses("a/tools.py", "a/main.py", 'from .tools import x\nprint "x"\n') == [(1, "import", False, None)]


@pytest.mark.parametrize(
    "content",
    [
        "import importlib\nimportlib.import_module('backend.tools')",
        "\n__import__('backend.tools')",
        "import runpy\nrunpy.run_module('backend.tools')",
        "from importlib import import_module\nimport_module('backend.tools', package=None)",
    ],
)
def test_modules_in_strings_are_uncertain(content):
    assert uses("backend/tools.py", "main.py", content) == [(2, "import-string", False, None)]


def test_a_module_that_is_put_together_is_not_seen():
    assert uses("backend/tools.py", "main.py", "__import__(f'backend.{tools}')") == []


@pytest.mark.parametrize(
    "content, token",
    [
        ("open(os.path.join(os.path.dirname(__file__), 'data.json'))", "data.json"),
        ("x = Path(__file__).parent / 'data.json'", "data.json"),
        ("x = Path(__file__).resolve().parent.joinpath('data.json')", "data.json"),
        ("x = Path(__file__).parent.parent / 'ops' / 'data.json'", "data.json"),
        ("x = Path(__file__).parents[1] / 'ops/data.json'", "ops/data.json"),
        ("x = Path(__file__).with_name('data.json')", None),
        ("HERE = Path(__file__).parent\nx = HERE / 'data.json'", "data.json"),
    ],
)
def test_paths_from_a_files_own_place_are_certain(content, token):
    found = uses("ops/data.json", "ops/run.py", content)
    assert [(kind, certain, said) for _line, kind, certain, said in found if certain] == [("path", True, token)]
    assert found[0][0] == content.count("\n") + 1


def test_a_path_from_another_place_is_uncertain():
    found = uses("data.json", "ops/run.py", "x = Path(__file__).parent / 'data.json'", ["ops/data.json"])
    assert not any(certain for _line, _kind, certain, _token in found)


@pytest.mark.parametrize(
    "user, content, expected",
    [
        ("run.sh", "python3 -m backend.tools --x", (1, "shell", True, None)),
        ("run.sh", "# python3 -m backend.tools --x", (1, "shell", False, None)),
        (".github/workflows/ci.yml", "run: python -m backend.tools", (1, "workflow", True, None)),
        ("Makefile", "x:\n\tpython -u -m backend.tools", (2, "makefile", True, None)),
        ("Dockerfile", 'FROM x\nCMD ["python", "-m", "backend.tools"]', (2, "dockerfile", True, None)),
        ("Dockerfile", 'FROM x\nCMD ["uvicorn", "backend.tools:app"]', (2, "dockerfile", True, None)),
        ("pyproject.toml", '[project.scripts]\nrun = "backend.tools:main"', (2, "pyproject", True, None)),
        ("README.md", "python -m backend.tools", (1, "text", False, None)),
    ],
)
def test_modules_that_commands_run(user, content, expected):
    assert uses("backend/tools.py", user, content) == [expected]
    assert uses("elsewhere/tools.py", user, content) == []
