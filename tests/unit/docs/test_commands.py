"""Every command in the pages is run, as far as it can be without hosts; one that can't be is in a class that says why."""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import re
import subprocess
import sys

import pytest
import yaml
from docs.pages import ROOT, blocks, commands, simple, spans

from replatform import cli

pytestmark = pytest.mark.slow

#: The reader's own inventory is the example's; what stands in capitals is the reader's to fill in.
YOURS = {"inventories/yours": "inventories/two-nodes", "inventories/shop": "inventories/two-nodes"}
#: Playbooks that a page lets its reader write.
WRITTEN = {"delivery.yml": "the page has its text above"}
#: Programs that are not run here, and why.
ELSEWHERE = {
    ".": "the shell's",
    "ansible": "asks hosts, or AWX",
    "ansible-builder": "run by tests/unit/awx; building the image wants a container engine",
    "ansible-runner": "run by tests/unit/awx",
    "cat": "a file on the edge host",
    "cp": "a copy of a folder, looked for below",
    "curl": "fetches from the network",
    "dig": "asks a name server",
    "export": "the shell's",
    "git": "on the reader's repository, or from the network",
    "gpg": "on a key from the network",
    "install": "a copy of a file, looked for below",
    "jq": "reads what replatform says, whose events are in tests/unit/command",
    "kubectl": "asks a cluster",
    "ln": "a link in the reader's home",
    "pip": "run by tools/venv and tools/release, with the same file",
    "python3": "a new environment, as tools/release makes one",
    "tar": "on the reader's backup, as tests/unit/repository reads it",
    "sha256sum": "on a key from the network",
    "cd": "the shell's",
}
COMMANDS = commands()


def of(*programs: str) -> list:
    """The commands of some programs, each once, named by where they stand."""
    once = {command.words: command for command in COMMANDS if command.words[0] in programs}
    return [pytest.param(command, id=str(command)) for command in once.values()]


def test_the_pages_have_commands() -> None:
    assert len(COMMANDS) > 80


def test_every_program_is_run_or_says_why_not() -> None:
    run_here = {"ansible-playbook", "replatform", "make", "python", "molecule"}
    unknown = [
        str(command)
        for command in COMMANDS
        if command.words[0] not in run_here | set(ELSEWHERE) and not command.words[0].startswith(("tools/", "tests/"))
    ]
    assert unknown == []


def test_no_reason_outlives_its_command() -> None:
    assert set(ELSEWHERE) - {command.words[0] for command in COMMANDS} == set()


@pytest.mark.parametrize("command", of("ansible-playbook"))
def test_a_playbook_is_there_and_takes_its_options(command) -> None:
    words = [YOURS.get(word, word) for word in command.words]
    if WRITTEN.keys() & set(words):
        return
    environment = {**os.environ, "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"}
    inventory = [] if "-i" in words else ["-i", "localhost,"]
    done = subprocess.run(
        [*words, *inventory, "--syntax-check"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for word in words:
        if word.startswith("inventories/"):
            assert (ROOT / word / "hosts.yml").is_file()


@pytest.mark.parametrize("command", of("replatform"))
def test_the_command_understands_it(command) -> None:
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        try:
            options = cli.parse([YOURS.get(word, word) for word in command.words[1:]])
        except SystemExit:
            pytest.fail(said.getvalue())
    for inventory in options.inventory:
        assert (ROOT / inventory).is_dir()


def test_a_target_of_make_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wanted = {
        word: str(command)
        for command in COMMANDS
        if command.words[0] == "make"
        for word in command.words[1:]
        if not word.startswith("-") and "=" not in word
    }
    assert wanted
    assert {place for target, place in wanted.items() if target not in targets} == set()


def test_what_is_copied_or_installed_is_there() -> None:
    for command in COMMANDS:
        source = {"cp": command.words[-2], "install": command.words[-2], "pip": command.words[-1]}.get(command.words[0])
        assert source is None or (ROOT / source).exists(), str(command)


@pytest.mark.parametrize("command", of("python"))
def test_a_program_in_python_is_there_and_knows_its_options(command) -> None:
    path = ROOT / command.words[1]
    if command.words[1].startswith("scripts/"):  # the role writes it into the reader's repository
        path = ROOT / "roles/delivery/files" / path.name
    text = path.read_text()
    for word in command.words[2:]:
        assert not word.startswith("--") or f'"{word}"' in text, f"{path.name} has no {word}"


def test_our_own_programs_are_there() -> None:
    paths = {command.words[0] for command in COMMANDS if command.words[0].startswith(("tools/", "tests/"))}
    for _page, _line, text in spans():
        if re.match(
            r"(tools|tests|playbooks|roles|lab|benchmarks|inventories|plugins|awx|requirements|replatform)/", text
        ):
            paths.add(text.split()[0])
    missing = [
        path for path in paths if not re.search(r"[*<{]|[A-Z]{3}|yours|shop", path) and not (ROOT / path).exists()
    ]
    assert sorted(missing) == []


def test_every_variable_that_is_given_is_known() -> None:
    known = set()
    for path in [*ROOT.glob("roles/*/meta/argument_specs.yml"), *ROOT.glob("playbooks/**/*.yml")]:
        known |= set(re.findall(r"[a-z][a-z0-9_]+", path.read_text()))
    given = {}
    for command in COMMANDS:
        for option, value in zip(command.words, command.words[1:]):
            if option in ("-e", "--extra-vars") and "=" in value:
                given[value.split("=")[0]] = str(command)
    for page, line, text in spans():
        found = re.fullmatch(r"-e ([a-z0-9_]+)=.*", text)
        if found:
            given[found[1]] = f"{page}:{line}: {text}"
    assert len(given) > 10
    assert [place for name, place in given.items() if name not in known] == []


@pytest.mark.parametrize("block", [pytest.param(one, id=f"{one.page}:{one.line}") for one in blocks()])
def test_a_block_is_what_it_says(block) -> None:
    """YAML is YAML, and a command stands where it is found."""
    if block.language == "yaml":
        yaml.safe_load(block.text)
    elif not block.language and block.page not in ("docs/phase4-cutover.md", "docs/edge.md"):
        assert not re.search(r"^\s*(ansible|kubectl|docker|make|git|python) ", block.text, re.MULTILINE), (
            "write: console"
        )


def test_a_line_of_shell_is_read() -> None:
    line = "for x in a b; do make $x; done"
    assert simple(line) == [("make", "a"), ("make", "b")]
    assert simple("PATH=$(make -s venv)/bin:$PATH replatform run # all") == [
        ("make", "-s", "venv"),
        ("replatform", "run"),
    ]
    assert simple("a 'b c' | d > e && f") == [("a", "b c"), ("d",), ("f",)]
