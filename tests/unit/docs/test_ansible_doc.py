"""ansible-doc shows every module, plugin and role."""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import subprocess
import sys

import pytest
from docs.pages import ROOT

NAMESPACE = "sophia.replatform."


def ansible_doc(kind: str, names: list[str], **environment: str) -> dict:
    program = pathlib.Path(sys.executable).parent / "ansible-doc"
    done = subprocess.run(
        [program, "--json", "--type", kind, *names],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def filters() -> set[str]:
    """The filters that a template can use."""
    found = set()
    for path in (ROOT / "plugins/filter").glob("*.py"):
        module = importlib.import_module(f"ansible_collections.sophia.replatform.plugins.filter.{path.stem}")
        found |= set(module.FilterModule().filters())
    return found


def files(folder: str) -> set[str]:
    return {path.stem for path in (ROOT / "plugins" / folder).glob("*.py")}


@pytest.mark.parametrize(
    ("kind", "names"), [("module", files("modules")), ("filter", filters()), ("lookup", files("lookup"))]
)
def test_every_plugin_is_documented(kind: str, names: set[str]) -> None:
    shown = ansible_doc(kind, [NAMESPACE + name for name in sorted(names)])
    assert set(shown) == {NAMESPACE + name for name in names}
    for name, said in shown.items():
        assert said["doc"]["short_description"], name
        assert said["examples"], name


def test_no_documentation_outlives_its_filter() -> None:
    assert {path.stem for path in (ROOT / "plugins/filter").glob("*.yml")} <= filters()


def test_an_action_has_the_documentation_of_its_module() -> None:
    assert files("action") <= files("modules")


def test_the_callback_is_documented() -> None:
    names = [path.stem for path in (ROOT / "replatform/callback").glob("*.py")]
    shown = ansible_doc("callback", names, ANSIBLE_CALLBACK_PLUGINS=str(ROOT / "replatform/callback"))
    assert sorted(shown) == sorted(names)


def test_every_role_is_documented() -> None:
    names = sorted(NAMESPACE + path.name for path in (ROOT / "roles").iterdir())
    shown = ansible_doc("role", names)
    assert sorted(shown) == names
    for name, said in shown.items():
        assert said["entry_points"]["main"]["short_description"], name
