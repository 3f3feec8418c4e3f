# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs that are killed: at every record of the journal, and between any two changes of the work tree. The next run ends
in the same place as one that was never killed: the same commits, files, backups and figures."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import typing as t

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.journal import Journal
from ansible_collections.sophia.replatform.plugins.module_utils.repository.rules import Classifier, parse_rules
from ansible_collections.sophia.replatform.plugins.module_utils.repository.run import archive

from .conftest import Sandbox

pytestmark = pytest.mark.slow

FILES = {
    "README.md": "read me\n",
    "a.old": "a\n",
    "lib/keep.py": "x = 1\n",
    "only/b.old": "b\n",
    "deploy_it.sh": "#!/bin/sh\n",
    "untouched.txt": "u\n",
    ".github/workflows/ci.yml": "jobs:\n  one:\n    steps:\n      - run: ./deploy_it.sh\n",
}
LINKS = {"lib/way.old": "keep.py", "to_a": "a.old"}
RULES = [
    {"category": "backups", "patterns": ["*.old"], "reason": "a copy"},
    {"category": "ci-scripts", "patterns": ["/deploy_*"], "reason": "a script", "destination": "scripts/ci"},
]
DATE = "2026-01-02T03:04:05Z"
FIGURES = ("root_files_before", "root_files_after", "moved", "categories", "rewritten", "protected_changed", "commit")

BEFORE = ["backup", "verify", "ledger"]
ORGANISED = ["branch", *BEFORE, "move backups", "move ci-scripts", "edit", "stage", "commit", "push", "close", "rotate"]
RESTORED = [*BEFORE, "move backups", "move ci-scripts", "edit", "stage", "commit", "close", "rotate"]
REFUSED = [*ORGANISED[:9], "unstage", "unedit", "return ci-scripts", "return backups", "abandon"]


class Box(Sandbox):
    """A sandbox in which time stands still, so that the same commits have the same names."""

    def run(self, state: str, journal: t.Any = None, *, check_mode: bool = False) -> dict:
        settings = self.settings(
            author={"name": "a", "email": "a@example.com", "date": DATE}, now=lambda: 1_000_000_000.0
        )
        added = {"DONE.md": b"done\n"}
        wanted = self.wanted(state=state, on_reference="rewrite", remote="origin", backup_keep=1, added=added)
        return archive(
            settings,
            wanted,
            Classifier(parse_rules(RULES), ["README.md"]),
            journal or Journal(None, "repository", "test"),
            deadline_s=60,
            lock_wait_s=30,
            check_mode=check_mode,
        )

    def whole(self) -> dict[str, object]:
        """All that two ways to one end must agree on."""
        state = self.root / ".git" / "replatform"
        return {
            **self.state(),
            "head": self.git("rev-parse", "HEAD"),
            "remote": self.git("ls-remote", "origin"),
            "backups": sorted(os.listdir(self.backups)),
            "written down": sorted(os.listdir(state)),
            "fsck": self.git("fsck", "--no-dangling"),
        }


def make(box: Box) -> None:
    """A repository with an empty remote, and one backup that is one too many after the next run."""
    box.root.mkdir(parents=True)
    box.git("init", "-q", "-b", "main")
    subprocess.run(["git", "init", "-q", "--bare", box.root.parent / "remote.git"], check=True)
    box.git("remote", "add", "origin", "../remote.git")
    for path, content in FILES.items():
        box.write(path, content)
    for path, text in LINKS.items():
        os.symlink(text, box.root / path)
    os.chmod(box.root / "deploy_it.sh", 0o755)
    box.commit()
    box.write("early.old", "early\n")
    box.commit()
    box.archive(branch="early", rules=[{"category": "early", "patterns": ["/early.old"], "reason": "r"}], phase="early")


class Template:
    """A prepared sandbox that is laid out anew, always in the same place, for each way that is tried."""

    def __init__(self, folder: pathlib.Path, prepare: t.Callable[[Box], None], state: str) -> None:
        self.box = Box(folder / "work")
        self.state = state
        self._kept = folder / "kept"
        prepare(self.box)
        shutil.copytree(folder / "work", self._kept, symlinks=True)
        self.before = self.box.state()
        self.steps: list[str] = []
        self.end: dict[str, object] = {}
        self.result: dict = {}
        journal = Journal(None, "repository", "test")
        with contextlib.suppress(RefusedError):
            self.result = self.box.run(state, journal)
        self.records = [(record["step"], record["event"]) for record in journal.records]
        self.end = self.box.whole()

    def lay_out(self) -> Box:
        shutil.rmtree(self.box.root.parent)
        subprocess.run(["cp", "-a", self._kept, self.box.root.parent], check=True)
        return self.box

    def check(self) -> None:
        """Run again, and compare with the end of the run that was not killed."""
        if self.result:
            result = self.box.run(self.state)
            assert {key: result[key] for key in FIGURES} == {key: self.result[key] for key in FIGURES}
        else:
            with pytest.raises(RefusedError, match="put back"):
                self.box.run(self.state)
        assert self.box.whole() == self.end


class Fatal:
    """A journal that kills its process, as nothing can catch, once it has written record O(number)."""

    def __init__(self, number: int) -> None:
        self._left = number

    def write(self, *_args: object) -> None:
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)


def killed(work: t.Callable[[], object]) -> bool:
    """Do O(work) in a child. Whether that was killed."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def organised(box: Box) -> None:
    make(box)


def restored(box: Box) -> None:
    make(box)
    box.run("organised")


def refused(box: Box) -> None:
    make(box)
    box.hook("exit 1")


WAYS = {
    "organised": (organised, "organised", ORGANISED),
    "restored": (restored, "restored", RESTORED),
    "refused": (refused, "organised", REFUSED),
}


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> t.Callable[[str], Template]:
    made: dict[str, Template] = {}

    def template(way: str) -> Template:
        if way not in made:
            prepare, state, _steps = WAYS[way]
            made[way] = Template(tmp_path_factory.mktemp(way), prepare, state)
        return made[way]

    return template


def records(steps: list[str]) -> list[tuple[str, str]]:
    return [(step, event) for step in steps for event in ("start", "ok")]


@pytest.mark.parametrize("way", WAYS)
def test_the_steps_are_those_that_are_killed_below(templates, way):
    expected = records(WAYS[way][2])
    if way == "refused":
        expected[-1] = ("abandon", "failed")
    assert templates(way).records == expected


KILLS = [
    pytest.param(way, number, id=f"{way}-{number:02}-{event}-{step.replace(' ', '-')}")
    for way, (_prepare, _state, steps) in WAYS.items()
    for number, (step, event) in enumerate(records(steps), start=1)
    # Up to the commit the way that is refused is that of the first.
    if way != "refused" or number > records(steps).index(("commit", "start"))
]


@pytest.mark.parametrize("way, number", KILLS)
def test_killed_at_any_record_and_run_again_it_ends_the_same(templates, way, number):
    template = templates(way)
    box = template.lay_out()
    assert killed(lambda: box.run(template.state, Fatal(number)))
    if (way, number) == ("refused", len(records(REFUSED))):
        # It was put back whole, and only its last words are missing.
        assert {**box.whole(), "backups": 0} == {**template.end, "backups": 0}
    else:
        template.check()


def dying(name: str, number: int) -> None:
    """From now on this process dies at the O(number)th call of a function of C(os)."""
    real = getattr(os, name)
    left = number

    def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)

    setattr(os, name, call)


# For each way and each function, the calls that are died at: first and last. There is no other after the last.
CALLS = {
    ("organised", "rename"): (1, 12),
    ("organised", "replace"): (1, 5),
    ("organised", "symlink"): (1, 2),
    ("organised", "rmdir"): (1, 3),
    ("restored", "rename"): (1, 11),
    ("refused", "rename"): (12, 20),
}


@pytest.mark.parametrize("way, name", CALLS)
def test_killed_between_any_two_changes_and_run_again_it_ends_the_same(templates, way, name):
    template = templates(way)
    first, last = CALLS[way, name]
    for number in range(first, last + 2):
        box = template.lay_out()

        def work(box: Box = box, number: int = number) -> None:
            dying(name, number)
            box.run(template.state)

        assert killed(work) == (number <= last), number
        if number <= last:
            template.check()


def stopped(template: Template, step: str, event: str) -> Box:
    """A sandbox whose run was killed at a record."""
    box = template.lay_out()
    assert killed(lambda: box.run(template.state, Fatal(template.records.index((step, event)) + 1)))
    return box


@pytest.mark.parametrize(
    "way, step",
    [
        ("organised", "move backups"),
        ("organised", "edit"),
        ("organised", "stage"),
        ("organised", "push"),
        ("restored", "move backups"),
        ("restored", "commit"),
    ],
)
def test_check_mode_foretells_what_finishing_does(templates, way, step):
    box = stopped(templates(way), step, "start")
    before = box.whole()
    forecast = box.run(WAYS[way][1], check_mode=True)
    assert box.whole() == before
    result = box.run(WAYS[way][1])
    for key in ("changed", "diff", "root_files_before", "root_files_after", "moved", "kept", "conflicts", "rewritten"):
        assert forecast[key] == result[key], key
    assert [one["name"] for one in forecast["steps"]] == [one["name"] for one in result["steps"]]


def test_a_lock_that_a_killed_git_left_is_removed_when_it_can_only_be_ours(templates):
    box = stopped(templates("organised"), "stage", "start")
    (box.root / ".git" / "index.lock").touch()
    templates("organised").check()


def test_files_that_are_missing_stop_the_next_run(templates):
    box = stopped(templates("organised"), "move backups", "ok")
    os.unlink(box.root / "archive/backups/a.old")
    with pytest.raises(RefusedError, match=r"missing or doubled, mend them from .*backups.*a\.old"):
        box.run("organised")


def test_a_file_that_was_changed_meanwhile_stops_the_next_run_until_it_is_put_back(templates):
    box = stopped(templates("organised"), "edit", "start")
    workflow = box.root / ".github/workflows/ci.yml"
    workflow.write_text("mine\n")
    with pytest.raises(RefusedError, match=r"changed meanwhile, put them back from .*backups.*ci\.yml"):
        box.run("organised")
    assert workflow.read_text() == "mine\n"
    workflow.write_text(FILES[".github/workflows/ci.yml"])
    templates("organised").check()


def test_an_interrupted_run_does_not_go_on_from_another_branch(templates):
    box = stopped(templates("organised"), "ledger", "ok")
    box.git("switch", "-q", "main")
    with pytest.raises(RefusedError, match="switch back to its branch tidy"):
        box.run("organised")


def test_an_interrupted_run_is_finished_before_it_is_undone(templates):
    box = stopped(templates("organised"), "edit", "start")
    before = box.whole()
    with pytest.raises(RefusedError, match="repository_state=organised was cut off: run it again"):
        box.run("restored")
    assert box.whole() == before
    box.run("organised")
    assert box.run("restored")["conflicts"] == []
    assert box.state()["files"] == templates("organised").before["files"]
