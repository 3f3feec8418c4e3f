"""The READMEs of roles: made from their specification, and found out of date when it changes."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys

import pytest

TOOL = pathlib.Path(__file__).parents[3] / "tools/role_readme"
SPEC = """
argument_specs:
  main:
    short_description: Make the host serve
    description:
      - Installs C(traefik). See O(edge_port), V(80) and M(ansible.builtin.copy).
    options:
      edge_port:
        description: The port | of the entry.
        type: int
        default: 80
      edge_mode:
        description:
          - One text.
          - Another text
        choices: [fast, slow]
        default: ""
      edge_token_file:
        description: A file.
        type: path
        required: true
      edge_services:
        description: What is served.
        type: list
        elements: dict
        options:
          name:
            description: Its name.
            required: true
      edge_from_defaults:
        description: Computed.
        type: dict
"""


@pytest.fixture()
def checkout(tmp_path: pathlib.Path) -> pathlib.Path:
    """A checkout with the tool and one role."""
    (tmp_path / "tools").mkdir()
    shutil.copy(TOOL, tmp_path / "tools/role_readme")
    role = tmp_path / "roles/edge"
    (role / "meta").mkdir(parents=True)
    (role / "defaults").mkdir()
    (role / "meta/argument_specs.yml").write_text(SPEC)
    (role / "defaults/main.yml").write_text("---\nedge_from_defaults: {a: 1}\n")
    return tmp_path


def run(checkout: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(checkout / "tools/role_readme"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_variable_has_a_row(checkout: pathlib.Path) -> None:
    assert run(checkout).returncode == 0
    text = (checkout / "roles/edge/README.md").read_text()
    assert "# sophia.replatform.edge\n\nMake the host serve.\n" in text
    assert "Installs `traefik`. See `edge_port`, `80` and *ansible.builtin.copy*." in text
    for row in (
        "| `edge_port` | int | `80` | The port \\| of the entry. |",
        '| `edge_mode` | str | `""` | One text. Another text. One of `fast`, `slow`. |',
        "| `edge_token_file` | path | **required** | A file. |",
        "| `edge_services` | list of dict |  | What is served. |",
        "| `edge_services[].name` | str | **required** | Its name. |",
        "| `edge_from_defaults` | dict | `{a: 1}` | Computed. |",
    ):
        assert row in text, row
    assert "role: sophia.replatform.edge\n      vars:\n        edge_token_file: '...'" in text


def test_an_example_of_the_specification_is_taken_as_it_is(checkout: pathlib.Path) -> None:
    spec = checkout / "roles/edge/meta/argument_specs.yml"
    spec.write_text(SPEC + "    examples: |\n      - name: An edge\n        hosts: edge\n")
    run(checkout, "edge")
    assert "```yaml\n- name: An edge\n  hosts: edge\n```\n" in (checkout / "roles/edge/README.md").read_text()


def test_check_writes_nothing_and_tells_what_is_out_of_date(checkout: pathlib.Path) -> None:
    readme = checkout / "roles/edge/README.md"
    missing = run(checkout, "--check")
    assert missing.returncode == 1
    assert "edge" in missing.stderr
    assert not readme.exists()
    run(checkout)
    assert run(checkout, "--check").returncode == 0
    spec = checkout / "roles/edge/meta/argument_specs.yml"
    spec.write_text(SPEC.replace("A file.", "Another file."))
    before = readme.read_text()
    assert run(checkout, "--check", "edge").returncode == 1
    assert readme.read_text() == before


def test_a_role_without_a_specification_is_named(checkout: pathlib.Path) -> None:
    (checkout / "roles/bare").mkdir()
    done = run(checkout, "bare")
    assert done.returncode == 1
    assert done.stderr.strip() == "roles/bare has no meta/argument_specs.yml, from which its README is made"
