# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pushing the branch: a new one, or none."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.repository.git import Git


@pytest.fixture
def cloned(sandbox):
    """The sandbox with a remote."""
    bare = sandbox.root.parent / "remote.git"
    subprocess.run(["git", "clone", "-q", "--bare", sandbox.root, bare], check=True)
    sandbox.git("remote", "add", "origin", str(bare))
    return sandbox


def branches(box) -> dict[str, str]:
    lines = box.git("ls-remote", "--heads", "origin").splitlines()
    return {name.removeprefix("refs/heads/"): oid for oid, name in (line.split("\t") for line in lines)}


def test_the_branch_is_pushed_and_no_other(cloned):
    cloned.git("branch", "private")
    main = branches(cloned)
    result = cloned.archive(remote="origin")
    assert branches(cloned) == {**main, "tidy": result["commit"]}
    assert result["pushed"] == "origin"
    again = cloned.archive(remote="origin")
    assert (again["changed"], again["pushed"]) == (False, "origin")


def test_nothing_is_pushed_unasked_or_by_a_restore(cloned):
    before = branches(cloned)
    assert cloned.archive()["pushed"] is None
    assert cloned.restore(remote="origin")["pushed"] is None
    assert branches(cloned) == before


@pytest.mark.parametrize("check_mode", [False, True])
def test_refused_when_the_branch_is_there(cloned, check_mode):
    cloned.git("push", "-q", "origin", "main:tidy")
    before = (cloned.state(), branches(cloned))
    with pytest.raises(RefusedError, match="branch tidy exists at the remote origin.*repository_branch"):
        cloned.archive(remote="origin", check_mode=check_mode)
    assert (cloned.state(), branches(cloned)) == before


def test_check_mode_foretells_the_push_and_does_not_push(cloned):
    before = branches(cloned)
    steps = [step["name"] for step in cloned.archive(remote="origin", check_mode=True)["steps"]]
    assert branches(cloned) == before
    assert [step["name"] for step in cloned.archive(remote="origin")["steps"]] == steps
    assert "push" in steps


def test_a_remote_is_named_and_an_address_is_refused_without_being_told(cloned):
    before = cloned.state()
    with pytest.raises(RefusedError, match="repository_remote is not the name of a remote") as caught:
        cloned.archive(remote="http://ada:geheim@127.0.0.1:9/x.git")
    assert "geheim" not in str(caught.value)
    assert cloned.state() == before


def test_refused_when_the_remote_cannot_be_asked_and_no_password_is_told(cloned):
    cloned.git("remote", "set-url", "origin", "http://ada:geheim@127.0.0.1:9/x.git")
    before = cloned.state()
    with pytest.raises(RefusedError, match="repository_remote cannot be asked") as caught:
        cloned.archive(remote="origin")
    assert "geheim" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert cloned.state() == before


def test_a_branch_that_comes_to_be_meanwhile_is_never_overwritten(cloned):
    """The one who pushes in between is a hook: after the remote was asked, before the push."""
    cloned.git("switch", "-q", "-c", "theirs")
    cloned.commit("theirs")
    theirs = cloned.git("rev-parse", "HEAD").strip()
    cloned.git("switch", "-q", "main")
    cloned.hook("git push -q origin theirs:tidy")
    with pytest.raises(RefusedError, match="come to be at the remote origin meanwhile"):
        cloned.archive(remote="origin")
    assert branches(cloned)["tidy"] == theirs
    # The person empties repository_remote, and the run ends.
    assert cloned.archive()["pushed"] is None


def test_even_in_a_race_the_remote_keeps_what_it_has(cloned):
    main = branches(cloned)["main"]
    cloned.git("push", "-q", "origin", "main:tidy")
    cloned.commit("a fast-forward would be possible")
    git = Git(str(cloned.root))
    with pytest.raises(ReplatformError, match="stale info|rejected"):
        git.push("origin", "tidy", cloned.git("rev-parse", "HEAD").strip())
    assert branches(cloned)["tidy"] == main


def test_a_push_that_failed_is_done_by_the_next_run(cloned):
    bare = cloned.root.parent / "remote.git"
    (bare / "hooks").mkdir(exist_ok=True)
    refuse = bare / "hooks" / "pre-receive"
    refuse.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    refuse.chmod(0o755)
    with pytest.raises(ReplatformError, match="not today|declined"):
        cloned.archive(remote="origin")
    assert "tidy" not in branches(cloned)
    os.unlink(refuse)
    result = cloned.archive(remote="origin")
    assert branches(cloned)["tidy"] == result["commit"]
    assert [step["name"] for step in result["steps"]] == ["push", "close"]
