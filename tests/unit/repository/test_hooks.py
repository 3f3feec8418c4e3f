# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hooks of the repository: they run, and whatever they do, nothing is lost and nothing is mistaken."""

from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError


def test_a_refused_later_run_keeps_the_branch_and_the_work_on_it(sandbox):
    sandbox.archive()
    sandbox.write("late.old", "late\n")
    sandbox.commit()
    head = sandbox.git("rev-parse", "HEAD")
    sandbox.hook("exit 1")
    with pytest.raises(RefusedError, match="put back"):
        sandbox.archive()
    assert sandbox.git("rev-parse", "refs/heads/tidy") == head
    assert sandbox.state()["branch"] == "refs/heads/tidy\n"


def test_a_hook_that_rejects_the_commit_puts_everything_back(sandbox):
    sandbox.hook("echo 'no commits on Mondays' >&2", "exit 1")
    before = sandbox.state()
    with pytest.raises(RefusedError, match="no commits on Mondays"):
        sandbox.archive()
    assert sandbox.state() == before
    sandbox.hook("exit 0")
    assert sandbox.archive()["moved"] == 6


def test_a_hook_may_change_files_and_stage_them(sandbox):
    sandbox.hook("echo formatted >> lib/keep.py", "echo formatted >> archive/backups/a.old", "git add -A")
    result = sandbox.archive()
    assert result["commit"] == sandbox.git("rev-parse", "HEAD").strip()
    assert sandbox.git("show", "HEAD:archive/backups/a.old") == "a\nformatted\n"
    assert sandbox.state()["status"] == ""
    assert not sandbox.archive()["changed"]


def test_a_hook_that_changes_files_and_then_rejects_loses_nothing(sandbox):
    sandbox.hook("echo formatted >> archive/backups/a.old", "git add -A", "exit 1")
    with pytest.raises(RefusedError, match="put back"):
        sandbox.archive()
    assert (sandbox.root / "a.old").read_text() == "a\nformatted\n"
    assert sandbox.git("status", "--porcelain") == " M a.old\n"
    assert not (sandbox.root / "archive").exists()


def test_a_hook_may_write_another_message(sandbox):
    sandbox.hook("echo 'TICKET-1: tidy' > \"$1\"", name="commit-msg")
    assert sandbox.archive()["commit"] == sandbox.git("rev-parse", "HEAD").strip()
    assert sandbox.git("log", "-1", "--format=%B").strip() == "TICKET-1: tidy"
    assert sandbox.restore()["changed"]


COMMIT = "git -c user.name=h -c user.email=h@example.com commit -q --no-verify"


def test_a_hook_may_commit_on_top(sandbox):
    sandbox.hook("test -e stamp && exit 0", "echo 1 > stamp", "git add stamp", f"{COMMIT} -m stamp", name="post-commit")
    result = sandbox.archive()
    assert result["commit"] == sandbox.git("rev-parse", "HEAD^").strip()
    assert not sandbox.archive()["changed"]


def test_a_hook_may_commit_what_is_staged_itself(sandbox):
    sandbox.hook(f"{COMMIT} -m mine", "exit 1")
    result = sandbox.archive()
    assert result["commit"] == sandbox.git("rev-parse", "HEAD").strip()
    assert sandbox.state()["status"] == ""


def test_the_message_names_the_run_beside_other_trailers(sandbox):
    result = sandbox.archive(message="Tidy\n\nAs agreed.\n\nSigned-off-by: Ada <ada@example.com>\n")
    lines = sandbox.git("log", "-1", "--format=%B").strip().split("\n")
    assert lines[:4] == ["Tidy", "", "As agreed.", ""]
    assert lines[4] == "Signed-off-by: Ada <ada@example.com>"
    assert lines[5].startswith("Replatform-Run: repository-")
    assert lines[5].endswith(".1")
    assert result["commit"]
