"""What the cutover leaves in the repository, and how it is taken back: whole plays on a real repository."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess

import played
import pytest

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[3]
STACK = "services:\n  web: {image: web}\n"
FILES = {
    "README.md": "# Shop\n",
    "docker-stack.yml": STACK,
    "docker-stack.gpu.yml": STACK,
    "web/docker-stack.yml": STACK,
    ".github/workflows/ship.yml": "on: push\njobs: {ship: {runs-on: x, steps: [{run: docker stack deploy -c docker-stack.yml shop}]}}\n",
}
MOVED = {"docker-stack.yml", "docker-stack.gpu.yml"}
ARCHIVE = "archive/docker-swarm-legacy"


class Repository:
    """A repository whose stack runs on K3s by now, and the two ways of the role."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.swarm = "inactive"
        self.path = folder / "shop"
        for name, content in FILES.items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        self.git("init", "--quiet", "--initial-branch=migration")
        self.git("config", "user.name", "ada")
        self.git("config", "user.email", "ada@example.com")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=The shop")

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=self.path, check=True, capture_output=True, text=True
        ).stdout.strip()

    def tree(self) -> str:
        return self.git("rev-parse", "HEAD^{tree}")

    def commits(self) -> int:
        return int(self.git("rev-list", "--count", "HEAD"))

    def files(self) -> set[str]:
        return set(self.git("ls-files").splitlines())

    def play(self, tasks: str, *options: str) -> tuple[int, int, str]:
        """The exit status, how much was changed, and what was said."""
        variables = {
            "ansible_connection": "local",
            "cutover_repository": str(self.path),
            "cutover_branch": "migration",
            "cutover_stack_files": ["docker-stack*.yml"],
            "cutover_artifacts": str(self.folder / "artifacts"),
            "cutover_stack": "shop",
            "cutover_services": [{"name": "web"}],
            "cutover_groups": ["shop"],
            "cutover_swarm_hosts": ["c1"],
            "cutover_seen": {"swarm": self.swarm},
        }
        (self.folder / "artifacts").mkdir(exist_ok=True)
        inventory = {"all": {"hosts": {"c1": None}, "vars": variables}}
        role = {"name": "sophia.replatform.cutover", "tasks_from": tasks}
        play = [{"hosts": "c1", "gather_facts": False, "tasks": [{"ansible.builtin.include_role": role}]}]
        ran = played.play(self.folder, inventory, play, *options)
        return ran.code, int((re.findall(r"changed=(\d+)", ran.said) or ["0"])[-1]), ran.said


@pytest.fixture(name="shop")
def shop_fixture(tmp_path: pathlib.Path) -> Repository:
    return Repository(tmp_path)


def test_there_and_back_and_there_again(shop: Repository) -> None:
    first = shop.tree()
    code, changed, output = shop.play("breadcrumbs", "--check")
    assert (code, shop.tree(), shop.git("status", "--porcelain")) == (0, first, ""), output
    assert changed

    code, _changed, output = shop.play("breadcrumbs")
    assert code == 0, output
    there = shop.files()
    assert {f"{ARCHIVE}/{name}" for name in MOVED} <= there
    assert not MOVED & there
    assert {"web/docker-stack.yml", "MIGRATION_COMPLETE.md"} <= there
    assert f"-c {ARCHIVE}/docker-stack.yml" in (shop.path / ".github/workflows/ship.yml").read_text()
    assert shop.git("log", "--follow", "--format=%s", "--", f"{ARCHIVE}/docker-stack.yml").endswith("The shop")
    assert len(list(shop.folder.glob("shop.backups/*"))) == 1
    second = shop.tree()
    code, changed, output = shop.play("breadcrumbs")
    assert (code, changed, shop.tree()) == (0, 0, second), output

    commits = shop.commits()
    code, changed, output = shop.play("breadcrumbs_absent", "--check")
    assert (code, shop.commits(), shop.tree()) == (0, commits, second), output
    assert changed
    for again in (False, True):
        code, changed, output = shop.play("breadcrumbs_absent")
        assert (code, changed == 0, shop.tree()) == (0, again, first), output

    code, _changed, output = shop.play("breadcrumbs")
    assert (code, shop.files()) == (0, there), output
    assert shop.git("status", "--porcelain") == ""


def test_the_work_of_others_is_left_alone(shop: Repository) -> None:
    (shop.path / "README.md").write_text("# Shop, and more\n")
    (shop.path / "new.md").write_text("to be added\n")
    for tasks in ("breadcrumbs", "breadcrumbs_absent"):
        code, _changed, output = shop.play(tasks)
        assert code == 0, output
        assert shop.git("status", "--porcelain") == "M README.md\n?? new.md"
        assert "more" not in shop.git("show", "HEAD:README.md")


def test_a_run_that_was_killed_goes_on(shop: Repository) -> None:
    first = shop.tree()
    hook = shop.path / ".git/hooks/pre-commit"
    for tasks in ("breadcrumbs", "breadcrumbs_absent"):
        hook.write_text(
            "#!/bin/sh\ntouch .git/index.lock\nkill -KILL $(cut -d ' ' -f 4 /proc/$PPID/stat) $PPID # the module, git\n"
        )
        hook.chmod(0o755)
        code, _changed, output = shop.play(tasks)
        assert code != 0, output
        hook.unlink()
        code, changed, output = shop.play(tasks)
        assert (code, changed, shop.git("status", "--porcelain")) == (0, 1, ""), output
    assert shop.tree() == first


def test_what_was_changed_since_stays(shop: Repository) -> None:
    assert shop.play("breadcrumbs")[0] == 0
    (shop.path / "docker-stack.yml").write_text("another\n")
    shop.git("add", "docker-stack.yml")
    shop.git("commit", "--quiet", "--message=Another")
    code, _changed, output = shop.play("breadcrumbs_absent")
    assert code == 0, output
    assert "there is another file at docker-stack.yml since the run" in output
    assert (shop.path / "docker-stack.yml").read_text() == "another\n"
    assert (shop.path / ARCHIVE / "docker-stack.yml").read_text() == STACK
    assert (shop.path / "docker-stack.gpu.yml").read_text() == STACK


def test_another_branch_is_refused_in_one_line(shop: Repository) -> None:
    shop.git("switch", "--quiet", "--create", "elsewhere")
    for tasks in ("breadcrumbs", "breadcrumbs_absent"):
        commits = shop.commits()
        code, changed, output = shop.play(tasks)
        assert (code, changed, shop.commits()) == (2, 0, commits)
        assert "is on branch elsewhere, not on migration (cutover_branch); switch to it, then run this again" in output


def test_it_is_not_said_while_there_is_a_swarm(shop: Repository) -> None:
    shop.swarm = "active"
    code, changed, output = shop.play("breadcrumbs")
    assert (code, changed, shop.commits()) == (2, 0, 1)
    assert "c1 are in a Swarm or were not looked at; run playbooks/phase4_cutover.yml without limits" in output


def test_what_is_said_comes_from_the_evidence(shop: Repository) -> None:
    report = {
        "phases": {
            "cluster": {"seconds": 173.9, "ended": "2026-11-29T03:40:32Z"},
            "cutover": {"seconds": None, "ended": None},
        },
        "cluster": {"nodes": [{"name": "n1", "ready": True}, {"name": "n2", "ready": False}]},
        "cutover": {
            "requests": {"total": 677097, "failed": 0},
            "steps": [
                {"service": "web", "weight": 10, "in_effect_ms": 117},
                {"service": "web", "weight": 100, "in_effect_ms": 260},
            ],
        },
    }
    (shop.folder / "artifacts").mkdir()
    (shop.folder / "artifacts/report.json").write_text(json.dumps(report))
    assert shop.play("breadcrumbs")[0] == 0
    said = (shop.path / "MIGRATION_COMPLETE.md").read_text()
    assert "| requests through the edge while it was migrated | 677097, of which 0 failed |" in said
    assert "| phase cluster | ended 2026-11-29T03:40:32Z, 174 s |" in said
    assert "phase cutover" not in said
    assert "| nodes of K3s that are Ready | n1 |" in said
    assert "| weights that were changed | 2, in effect within 260 ms |" in said
