"""The handbook as it is built: whole, with links that lead somewhere, and nothing fetched from elsewhere."""

from __future__ import annotations

import importlib
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from docs.pages import ROOT

pytestmark = pytest.mark.slow

MKDOCS = pathlib.Path(sys.executable).parent / "mkdocs"
#: What a browser fetches by itself.
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?([^"' >]+)|<link\b[^>]*\bhref=["']?([^"' >]+)"""
)


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("book")
    done = subprocess.run(
        [MKDOCS, "--quiet", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def links(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools/handbook")
    return importlib.import_module("links")


def test_it_has_a_page_of_every_role_module_filter_and_lookup(book) -> None:
    roles = {path.name for path in (ROOT / "roles").iterdir()}
    assert {path.stem for path in (book / "roles").glob("*.html")} == roles
    for kind, folder in (("module", "modules"), ("lookup", "lookup")):
        names = {path.stem for path in (ROOT / "plugins" / folder).glob("*.py")}
        assert {path.stem for path in (book / "plugins" / kind).glob("*.html")} == names
    assert (book / "plugins/filter/evidence_verdicts.html").is_file()


def test_every_variable_of_every_role_is_in_the_reference(book) -> None:
    text = (book / "reference/variables.html").read_text()
    for path in ROOT.glob("roles/*/meta/argument_specs.yml"):
        for spec in yaml.safe_load(path.read_text())["argument_specs"].values():
            for name in spec.get("options") or {}:
                assert f"<code>{name}</code>" in text, f"{path.parts[-3]}: {name}"


def test_it_fetches_nothing_from_elsewhere(book) -> None:
    wanted = set()
    for page in book.rglob("*.html"):
        wanted |= {one or other for one, other in FETCHED.findall(page.read_text())}
    for sheet in book.rglob("*.css"):
        wanted |= set(re.findall(r"""(?:url\(|@import )["']?([^"')]+)""", sheet.read_text()))
    assert len(wanted) > 10
    assert [one for one in wanted if re.match(r"([a-z]+:)?//", one)] == []


def test_files_of_the_tree_that_pages_link_to_are_in_it(book) -> None:
    there = book / "tree/inventories/two-nodes/group_vars/all/fleet.yml"
    assert there.read_text() == (ROOT / "inventories/two-nodes/group_vars/all/fleet.yml").read_text()


@pytest.mark.parametrize(
    "link", ["[x](nowhere.md)", "[x](edge.md#nowhere)", "[x](../roles/nowhere/README.md)", "[x](../nowhere)"]
)
def test_a_broken_link_fails(tmp_path, link) -> None:
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    with open(tmp_path / "docs/limits.md", "a", encoding="utf-8") as page:
        page.write(f"\n{link}\n")
    settings.update(hooks=[str(ROOT / settings["hooks"][0])], site_dir=str(tmp_path / "site"))
    (tmp_path / "mkdocs.yml").write_text(yaml.safe_dump(settings))
    done = subprocess.run([MKDOCS, "build", "--strict"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "limits.md" in done.stderr and "nowhere" in done.stderr


@pytest.mark.parametrize(
    ("source", "folder", "link", "expected"),
    [
        ("README.md", "", "[x](docs/edge.md#live)", "[x](edge.md#live)"),
        ("docs/rolling.md", "", "[x](../roles/rolling/README.md)", "[x](roles/rolling.md)"),
        ("docs/limits.md", "", "[x](../README.md#a)", "[x](index.md#a)"),
        ("docs/reference/plugins.md", "reference", "[x](../edge.md)", "[x](../edge.md)"),
        ("docs/limits.md", "", "[x](../mkdocs.yml)", "[x](tree/mkdocs.yml)"),
        ("docs/limits.md", "", "[x](https://example.com/docs/edge.md)", "[x](https://example.com/docs/edge.md)"),
        ("docs/limits.md", "", "[x](#a)", "[x](#a)"),
        ("README.md", "", "`[x](docs/edge.md)`", "`[x](docs/edge.md)`"),
        ("README.md", "", "```\n[x](docs/edge.md)\n```", "```\n[x](docs/edge.md)\n```"),
        ("README.md", "", "| `a \\| b` |", "| `a | b` |"),
        ("README.md", "", "[x](LICENSES)", "[x](LICENSES)"),
    ],
)
def test_a_link_leads_to_the_same_thing(links, source, folder, link, expected) -> None:
    text, wanted = links.rewritten(link, source, folder, ROOT)
    assert text == expected
    assert wanted == (["mkdocs.yml"] if "mkdocs.yml" in link else [])
