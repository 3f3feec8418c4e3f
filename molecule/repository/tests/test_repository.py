"""The clone is tidy, nothing that is used was taken away, and the branch is where it came from."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import typing as t

import pytest

WORK = pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "phase1"
CHECKOUT, ORIGIN, ARTIFACTS = WORK / "checkout", WORK / "origin.git", WORK / "artifacts"
BRANCH = "k8s-migration-july-2025"


def git(*arguments: str, at: pathlib.Path = CHECKOUT) -> str:
    command = ["git", "-c", "core.quotePath=false", *arguments]
    return subprocess.run(command, cwd=at, check=True, capture_output=True, text=True).stdout


def read(name: str) -> dict[str, t.Any]:
    return json.loads((ARTIFACTS / name).read_text())


@pytest.fixture(scope="module", name="changes")
def changes_fixture() -> list[list[str]]:
    """Status, and one or two paths, for everything that differs between where it came from and what was made of it."""
    fields = iter(git("diff", "-z", "--name-status", "-M100%", "-l0", "origin/main", BRANCH).split("\0")[:-1])
    return [[status, *(next(fields) for _ in range(2 if status[0] == "R" else 1))] for status in fields]


def test_the_root_is_tidy() -> None:
    before = [path for path in git("ls-tree", "--name-only", "origin/main").splitlines() if "." in path]
    assert len(before) > 300
    assert sum(path.is_file() or path.is_symlink() for path in CHECKOUT.iterdir()) < 100
    assert git("status", "--porcelain") == ""
    assert git("symbolic-ref", "--short", "HEAD").strip() == BRANCH


def test_the_repository_is_whole() -> None:
    git("fsck", "--strict", "--no-dangling")


def test_files_were_moved_and_none_was_changed(changes: list[list[str]]) -> None:
    others = [change for change in changes if change[0] != "R100"]
    assert sorted(path for _status, path in others if not path.endswith("latest-report.md")) == [
        "archive/README.md",
        "archive/manifest.json",
    ]
    moved = [change[1:] for change in changes if change[0] == "R100"]
    assert len(moved) > 250
    assert all(to.startswith("scripts/") or to.endswith("/" + source) for source, to in moved)


def test_what_is_protected_stayed() -> None:
    for path in (
        "README.md",
        "docker-stack.yml",
        "tests/test_no_deprecated_imports.py",
        "docs/MEMORY_ECOSYSTEM_PHASE1.md",
    ):
        assert (CHECKOUT / path).is_file()
    assert read("repository.json")["protected_changed"] == 0


def test_what_was_mended_today_stayed() -> None:
    assert (CHECKOUT / "fix_gateway.py").is_file()
    assert not (CHECKOUT / "fix_billing.py").exists()
    [told] = [one for one in read("audit-after.json")["all_files"] if one["path"] == "fix_gateway.py"]
    assert told["reason"] == "changed in the last 14 days"


def test_what_is_used_stayed_and_nothing_is_broken() -> None:
    kept = {one["path"]: one["reason"] for one in read("repository.json")["kept"]}
    assert kept["deploy_gateway.sh"] == "workflow .github/workflows/ci.yml:9 uses it"
    assert "start_gateway.sh by its own place" in kept["start_all.sh"]
    assert all((CHECKOUT / path).exists() for path in kept)
    assert read("audit-after.json")["broken"] == []


def test_a_link_still_leads_to_its_file() -> None:
    link = CHECKOUT / "archive" / "reports" / "latest-report.md"
    assert link.is_symlink()
    assert link.resolve() == (CHECKOUT / "archive" / "reports" / "BACKEND_REPORT.md").resolve()
    assert link.is_file()


def test_history_follows_a_file() -> None:
    commits = git("log", "--follow", "--format=%s", "--", "archive/reports/BACKEND_REPORT.md").splitlines()
    assert commits[0] == "Move what is no longer used into the archive"
    assert commits[1].startswith("Work of week")


def test_the_branch_was_pushed_and_no_other() -> None:
    assert git("rev-parse", BRANCH, at=ORIGIN) == git("rev-parse", BRANCH)
    assert git("rev-parse", "main", at=ORIGIN) == git("rev-parse", "main", at=WORK / "sample")
    assert git("for-each-ref", "--format=%(refname:short)", "refs/heads", at=ORIGIN).split() == [BRANCH, "main"]


def test_the_audits_tell_of_before_and_after() -> None:
    page = (ARTIFACTS / "audit-after.txt").read_text().splitlines()
    [row] = [line.split() for line in page if line.startswith("files in the root")]
    assert int(row[4]) > 300
    assert int(row[5]) < 100
    assert read("audit-before.json")["moves"] == read("repository.json")["moved"]
