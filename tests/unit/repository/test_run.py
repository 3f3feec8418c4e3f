# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
import os
import pathlib
import subprocess
import tarfile

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.repository.adapter import Repository
from ansible_collections.sophia.replatform.plugins.module_utils.repository.lock import hold

MOVED = {
    "a.old": "archive/backups/a.old",
    "name with spaces.old": "archive/backups/name with spaces.old",
    "deploy_it.sh": "scripts/deployment/deploy_it.sh",
    "lib/deep/c.old": "archive/backups/lib/deep/c.old",
    "lib/memory.py.old": "archive/backups/lib/memory.py.old",
    "only/one_deprecated.txt": "archive/deprecated/only/one_deprecated.txt",
}


def test_moves_what_the_rules_say_and_nothing_else(sandbox):
    before = sandbox.state()["files"]
    result = sandbox.archive()
    after = sandbox.state()
    assert after["files"] == {MOVED.get(path, path): found for path, found in before.items()}
    assert after["status"] == ""
    assert after["branch"] == "refs/heads/tidy\n"
    assert result["changed"]
    assert (result["root_files_before"], result["root_files_after"]) == (5, 2)
    assert result["moved"] == len(MOVED)
    assert result["protected_changed"] == 0
    assert sandbox.git("fsck") == ""


def test_history_follows_the_moves(sandbox):
    sandbox.archive()
    renames = sandbox.git("show", "--name-status", "-M100%", "--format=", "HEAD").splitlines()
    assert sorted(renames) == sorted(f"R100\t{old}\t{new}" for old, new in MOVED.items())
    assert len(sandbox.git("log", "--follow", "--format=%h", "archive/backups/a.old").splitlines()) == 2


def test_the_backup_restores_with_tar_and_git_alone(sandbox, tmp_path):
    before = sandbox.state()
    result = sandbox.archive()
    restored = tmp_path / "restored"
    subprocess.run(
        ["git", "clone", "-q", "-b", "main", f"{result['backup']['path']}/history.bundle", restored], check=True
    )
    for child in restored.iterdir():
        if child.name != ".git":
            subprocess.run(["rm", "-r", child], check=True)
    subprocess.run(["tar", "-xzf", f"{result['backup']['path']}/worktree.tar.gz", "-C", restored], check=True)
    sandbox.root = restored
    assert sandbox.state()["files"] == before["files"]
    assert sandbox.state()["status"] == ""


def test_a_second_run_changes_nothing_and_tells_the_same(sandbox):
    first = sandbox.archive()
    state = sandbox.state()
    second = sandbox.archive()
    assert not second["changed"]
    assert second["steps"] == []
    assert second["diff"]["after"] == ""
    assert sandbox.state() == state
    figures = ("root_files_before", "root_files_after", "moved", "protected_changed", "backup", "commit")
    assert {key: second[key] for key in figures} == {key: first[key] for key in figures}
    assert len(os.listdir(sandbox.backups)) == 1


def test_new_clutter_is_moved_by_a_later_run(sandbox):
    sandbox.archive()
    sandbox.write("late.old", "late\n")
    sandbox.commit()
    assert sandbox.archive()["moved"] == 1
    assert len(os.listdir(sandbox.backups)) == 2


def test_the_figures_of_a_phase_outlive_the_runs_of_another(sandbox):
    first = sandbox.archive()
    rules = [{"category": "late", "patterns": ["/link.md"], "reason": "late"}]
    sandbox.write("link.md", "late\n")
    sandbox.commit()
    assert sandbox.archive(phase="cutover", rules=rules)["moved"] == 1
    again = sandbox.archive()
    assert (again["changed"], again["moved"], again["root_files_before"]) == (False, first["moved"], 5)
    assert sandbox.archive(phase="cutover", rules=rules)["moved"] == 1


def test_a_refused_later_run_keeps_the_branch_and_the_work_on_it(sandbox):
    sandbox.archive()
    sandbox.write("late.old", "late\n")
    sandbox.commit()
    head = sandbox.git("rev-parse", "HEAD")
    hook(sandbox, "exit 1")
    with pytest.raises(RefusedError, match="put back"):
        sandbox.archive()
    assert sandbox.git("rev-parse", "refs/heads/tidy") == head
    assert sandbox.state()["branch"] == "refs/heads/tidy\n"


def test_check_mode_writes_nothing_and_its_diff_is_what_the_run_does(sandbox):
    before = sandbox.state()
    forecast = sandbox.archive(check_mode=True)
    assert sandbox.state() == before
    assert not sandbox.backups.exists()
    assert not (sandbox.root / ".git" / "replatform").exists()
    done = sandbox.archive()
    for key in ("changed", "diff", "root_files_before", "root_files_after", "moved", "kept", "categories"):
        assert forecast[key] == done[key], key
    assert [step["name"] for step in forecast["steps"]] == [step["name"] for step in done["steps"]]


def test_looking_does_not_write_to_the_index(sandbox):
    index = (sandbox.root / ".git" / "index").read_bytes()
    os.utime(sandbox.root / "README.md", (1, 1))
    sandbox.archive(check_mode=True)
    assert (sandbox.root / ".git" / "index").read_bytes() == index


def hook(sandbox, *lines: str, name: str = "pre-commit") -> None:
    path = sandbox.root / ".git" / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)


def test_a_hook_that_rejects_the_commit_puts_everything_back(sandbox):
    hook(sandbox, "echo 'no commits on Mondays' >&2", "exit 1")
    before = sandbox.state()
    with pytest.raises(RefusedError, match="no commits on Mondays"):
        sandbox.archive()
    assert sandbox.state() == before
    hook(sandbox, "exit 0")
    assert sandbox.archive()["moved"] == len(MOVED)


def kill_at(sandbox, number: int, *, after: bool) -> bool:
    """Run in a child that dies, as by SIGKILL, before or after its step O(number). Whether it came that far."""
    child = os.fork()
    if child == 0:
        act = Repository.act
        seen = 0

        def dying(self, step):
            nonlocal seen
            seen += 1
            if seen == number and not after:
                os._exit(9)
            result = act(self, step)
            if seen == number:
                os._exit(9)
            return result

        Repository.act = dying
        try:
            sandbox.archive()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def twin(sandbox, folder: pathlib.Path):
    """A copy of the sandbox, to be taken another way to the same end."""
    folder.mkdir()
    subprocess.run(["cp", "-a", sandbox.root, folder / "repository"], check=True)
    return type(sandbox)(folder)


STEPS = 10  # branch, backup, verify, ledger, move x 3, stage, commit, close


def test_the_steps_are_those_that_are_killed_below(sandbox):
    assert len(sandbox.archive()["steps"]) == STEPS


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, STEPS + 1))
def test_killed_at_any_step_and_run_again_it_ends_the_same(sandbox, tmp_path, number, after):
    other = twin(sandbox, tmp_path / "other")
    expected = sandbox.archive()
    assert kill_at(other, number, after=after)
    result = other.archive()
    assert other.state() == sandbox.state()
    keys = ("root_files_before", "root_files_after", "moved", "protected_changed", "categories")
    assert {key: result[key] for key in keys} == {key: expected[key] for key in keys}
    assert [name for name in os.listdir(other.backups) if name.endswith(".partial")] == []


@pytest.mark.parametrize("number", [5, 6, 8, 9])
def test_check_mode_foretells_what_finishing_does(sandbox, number):
    assert kill_at(sandbox, number, after=False)
    before = sandbox.state()
    forecast = sandbox.archive(check_mode=True)
    assert sandbox.state() == before
    done = sandbox.archive()
    for key in ("changed", "diff", "root_files_before", "root_files_after", "moved", "categories"):
        assert forecast[key] == done[key], key
    assert [step["name"] for step in forecast["steps"]] == [step["name"] for step in done["steps"]]


GOING_BACK = 6  # unstage, return x 3, abandon: after the 9 steps up to the commit


@pytest.mark.parametrize("number", range(9, 9 + GOING_BACK))
def test_killed_on_the_way_back_and_run_again_it_is_put_back(sandbox, number):
    hook(sandbox, "exit 1")
    before = sandbox.state()
    assert kill_at(sandbox, number, after=False)
    with pytest.raises(RefusedError, match="put back"):
        sandbox.archive()
    assert sandbox.state() == before


@pytest.mark.parametrize("name, count", [("rename", 2), ("fsync", 1), ("fsync", 3), ("replace", 2), ("rmdir", 1)])
def test_killed_within_a_step_and_run_again_it_ends_the_same(sandbox, tmp_path, name, count):
    other = twin(sandbox, tmp_path / "other")
    sandbox.archive()
    child = os.fork()
    if child == 0:
        real = getattr(os, name)
        calls = 0

        def dying(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls == count:
                os._exit(9)
            return real(*args, **kwargs)

        setattr(os, name, dying)
        try:
            other.archive()
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    other.archive()
    assert other.state() == sandbox.state()
    assert [one for one in os.listdir(other.backups) if one.endswith(".partial")] == []


def test_a_lock_that_a_killed_git_left_is_removed_when_it_can_only_be_ours(sandbox):
    assert kill_at(sandbox, 8, after=False)
    (sandbox.root / ".git" / "index.lock").touch()
    assert sandbox.archive()["moved"] == len(MOVED)


def test_a_lock_of_another_git_is_respected(sandbox):
    (sandbox.root / ".git" / "index.lock").touch()
    with pytest.raises(RefusedError, match="index.lock"):
        sandbox.archive()


def test_what_untracked_and_ignored_files_have_in_store(sandbox):
    sandbox.write(".gitignore", "*.log\n")
    sandbox.commit()
    sandbox.write("untracked.old", "u\n")
    sandbox.write("ignored.log", "i\n")
    result = sandbox.archive()
    assert (sandbox.root / "untracked.old").exists()
    assert {"path": "untracked.old", "reason": "git does not track it"} in result["kept"]
    with tarfile.open(f"{result['backup']['path']}/worktree.tar.gz") as tar:
        assert "untracked.old" in tar.getnames()
        assert "ignored.log" not in tar.getnames()


def test_a_submodule_stays_whatever_its_name(sandbox, tmp_path):
    other = tmp_path / "other"
    subprocess.run(["git", "clone", "-q", sandbox.root, other], check=True)
    sandbox.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other), "module.old")
    sandbox.commit()
    result = sandbox.archive()
    assert (sandbox.root / "module.old" / "README.md").exists()
    assert {"path": "module.old", "reason": "it is a submodule"} in result["kept"]
    assert sandbox.git("status", "--porcelain") == ""


def test_what_a_workflow_uses_stays(sandbox):
    sandbox.write(".github/workflows/ci.yml", "steps:\n  - run: ./deploy_it.sh\n")
    sandbox.commit()
    result = sandbox.archive()
    assert (sandbox.root / "deploy_it.sh").exists()
    assert result["kept"] == [{"path": "deploy_it.sh", "reason": "workflow .github/workflows/ci.yml:2 uses it"}]


NAMES = [
    b"-rf.old",
    b"new\nline.old",
    b"tab\t.old",
    b"quo\"te's.old",
    b"\xff\xfe.old",
    "ÿ😀.old".encode(),
    b"x" * 251 + b".old",
]


def test_names_of_every_kind_survive(sandbox):
    for number, name in enumerate(NAMES):
        sandbox.write(b"odd/" + name, f"{number}\n")
    sandbox.commit()
    result = sandbox.archive()
    json.dumps(result).encode("ascii")
    found = os.listdir(os.fsencode(sandbox.root / "archive" / "backups" / "odd"))
    assert sorted(found) == sorted(NAMES)
    assert sandbox.state()["status"] == ""
    assert sandbox.git("fsck") == ""


# Refusals: one line, and nothing changed.


def detach(box):
    box.git("checkout", "-q", "--detach")


def dirty(box):
    box.write("README.md", "changed\n")


def stage(box):
    box.write("README.md", "changed\n")
    box.git("add", "README.md")


def merge(box):
    box.git("checkout", "-q", "-b", "side")
    box.write("README.md", "side\n")
    box.commit()
    box.git("checkout", "-q", "main")
    box.write("README.md", "main\n")
    box.commit()
    box.git("merge", "side", check=False)


def rebase(box):
    merge(box)
    box.git("merge", "--abort")
    box.git("rebase", "side", check=False)


def unborn(box):
    box.git("checkout", "-q", "--orphan", "new")
    box.git("rm", "-rqf", "--cached", ".")


def no_repository(box):
    subprocess.run(["rm", "-r", box.root / ".git"], check=True)


def branch_exists(box):
    box.git("branch", "tidy")
    box.commit()


def destination_exists(box):
    box.write("archive/backups/a.old", "another\n")
    box.commit()


def destination_differs_by_case(box):
    box.write("archive/backups/A.OLD", "another\n")
    box.commit()


def folder_differs_by_case(box):
    box.write("Archive/x", "another\n")
    box.commit()


def folder_is_a_file(box):
    box.write("archive", "a file\n")
    box.commit()


def folder_is_a_link(box):
    os.symlink("/tmp", box.root / "archive")
    box.commit()


@pytest.mark.parametrize(
    "prepare, reason",
    [
        (detach, "detached HEAD"),
        (dirty, "not committed.*README.md"),
        (stage, "are staged.*README.md"),
        (merge, "merge is in progress"),
        (rebase, "rebase is in progress"),
        (unborn, "no commit yet"),
        (no_repository, "not the work tree of a git repository"),
        (branch_exists, "branch tidy exists with other commits"),
        (destination_exists, "collide"),
        (destination_differs_by_case, "collide"),
        (folder_differs_by_case, "collide.*Archive"),
        (folder_is_a_file, "collide"),
        (folder_is_a_link, "symbolic link"),
    ],
)
@pytest.mark.parametrize("check_mode", [False, True])
def test_refused_in_one_line_with_nothing_changed(sandbox, prepare, reason, check_mode):
    prepare(sandbox)
    before = sandbox.state()
    with pytest.raises(RefusedError, match=reason) as caught:
        sandbox.archive(check_mode=check_mode)
    assert "\n" not in str(caught.value)
    assert sandbox.state() == before
    assert not sandbox.backups.exists()


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"root_limit": 2}, r"2 files would remain in the root.*\(README.md, link\)"),
        ({"free_bytes": lambda _path: 100}, "repository_backup_path has 100 bytes free"),
        ({"root": "/nowhere"}, "repository_path: /nowhere is not a folder"),
    ],
)
def test_refused_by_settings(sandbox, changes, reason):
    before = sandbox.state()
    with pytest.raises(RefusedError, match=reason):
        sandbox.archive(**changes)
    assert sandbox.state() == before
    assert not sandbox.backups.exists()


def test_refused_in_a_folder_inside_the_repository(sandbox):
    with pytest.raises(RefusedError, match="name its root"):
        sandbox.archive(root=str(sandbox.root / "lib"))


def test_refused_with_the_backup_inside_the_repository(sandbox):
    with pytest.raises(RefusedError, match="inside the repository"):
        sandbox.archive(backup_path=str(sandbox.root / "backups"))


def test_refused_while_another_run_holds_the_lock(sandbox):
    before = sandbox.state()
    with hold(str(sandbox.root / ".git" / "replatform" / "lock"), 0), pytest.raises(RefusedError, match="another run"):
        sandbox.archive()
    assert sandbox.state() == before


def test_a_dirty_tree_is_taken_along_when_allowed(sandbox):
    sandbox.write("a.old", "changed\n")
    sandbox.archive(allow_dirty=True)
    assert (sandbox.root / "archive/backups/a.old").read_text() == "changed\n"
    assert sandbox.git("status", "--porcelain") == " M archive/backups/a.old\n"


def test_a_disk_that_fills_up_during_the_backup_leaves_no_half_backup(sandbox, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "addfile", full)
    before = sandbox.state()["files"]
    with pytest.raises(OSError, match="No space left"):
        sandbox.archive()
    assert os.listdir(sandbox.backups) == []
    assert sandbox.state()["files"] == before


def test_files_missing_from_an_interrupted_run_stop_the_next(sandbox):
    assert kill_at(sandbox, 5, after=True)
    os.unlink(sandbox.root / "archive/backups/a.old")
    with pytest.raises(RefusedError, match=r"missing or doubled.*a\.old"):
        sandbox.archive()


def test_an_interrupted_run_does_not_go_on_from_another_branch(sandbox):
    assert kill_at(sandbox, 4, after=True)
    sandbox.git("switch", "-q", "main")
    with pytest.raises(RefusedError, match="switch back to its branch tidy"):
        sandbox.archive()
