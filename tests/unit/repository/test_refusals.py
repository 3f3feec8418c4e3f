# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is refused, in one line, with nothing changed."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.repository import backup
from ansible_collections.sophia.replatform.plugins.module_utils.repository.lock import hold


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


def cherry_pick(box):
    merge(box)
    box.git("merge", "--abort")
    box.git("cherry-pick", "side", check=False)


def revert(box):
    box.write("README.md", "second\n")
    box.commit()
    box.write("README.md", "third\n")
    box.commit()
    box.git("revert", "--no-edit", "HEAD~1", check=False)


def bisect(box):
    box.commit()
    box.git("bisect", "start")


def clone(box, *options):
    """The sandbox as a clone of what it was."""
    origin = box.root.rename(box.root.parent / "origin")
    subprocess.run(["git", "-C", origin, "config", "uploadpack.allowFilter", "true"], check=True)
    subprocess.run(["git", "clone", "-q", *options, f"file://{origin}", box.root], check=True)


def shallow(box):
    box.commit()
    clone(box, "--depth=1")


def partial(box):
    clone(box, "--filter=blob:none")


def sparse(box):
    box.git("sparse-checkout", "set", "lib")


def index_is_locked(box):
    (box.root / ".git" / "index.lock").touch()


def link_leads_outside(box):
    os.symlink("../../elsewhere", box.root / "lib" / "out.old")
    box.commit()


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
        (cherry_pick, "cherry-pick is in progress"),
        (revert, "revert is in progress"),
        (bisect, "bisect is in progress"),
        (shallow, "shallow clone.*git fetch --unshallow"),
        (partial, "partial clone.*without --filter"),
        (sparse, "sparse checkout.*git sparse-checkout disable"),
        (index_is_locked, "index.lock"),
        (link_leads_outside, r"lib/out\.old"),
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


def test_refused_in_a_repository_without_a_work_tree(sandbox, tmp_path):
    bare = tmp_path / "bare"
    subprocess.run(["git", "clone", "-q", "--bare", sandbox.root, bare], check=True)
    with pytest.raises(RefusedError, match="not the work tree of a git repository"):
        sandbox.archive(root=str(bare))


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


def test_a_backup_that_cannot_be_read_back_stops_the_run(sandbox, monkeypatch):
    def damaged(*_args, **_kwargs):
        raise ReplatformError("lib/keep.py differs")

    monkeypatch.setattr(backup, "_read_tar_back", damaged)
    before = sandbox.state()
    with pytest.raises(ReplatformError, match="could not be read back.*lib/keep.py differs"):
        sandbox.archive()
    assert sandbox.state() == before


def test_a_work_tree_that_changes_during_the_backup_stops_the_run(sandbox, monkeypatch):
    real = backup.verify_backup

    def busy(*args, **kwargs):
        sandbox.write("lib/keep.py", "x = 2\n")
        return real(*args, **kwargs)

    before = sandbox.state()["branches"]
    monkeypatch.setattr(backup, "verify_backup", busy)
    with pytest.raises(RefusedError, match="changed while it was backed up"):
        sandbox.archive()
    assert sandbox.state()["branches"] == before
    assert sandbox.state()["branch"] == "refs/heads/main\n"
    assert (sandbox.root / "a.old").exists()


def test_a_disk_that_fills_up_during_the_backup_leaves_no_half_backup(sandbox, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup, "write_tar", full)
    before = sandbox.state()
    with pytest.raises(OSError, match="No space left"):
        sandbox.archive()
    assert os.listdir(sandbox.backups) == []
    assert sandbox.state() == before


def test_a_branch_that_was_there_is_not_removed_with_a_failed_backup(sandbox, monkeypatch):
    sandbox.git("branch", "tidy")
    monkeypatch.setattr(backup, "write_tar", lambda *_args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        sandbox.archive()
    assert "refs/heads/tidy" in sandbox.state()["branches"]
