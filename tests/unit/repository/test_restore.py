# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError

pytestmark = pytest.mark.slow

WORKFLOW = "jobs:\n  one:\n    steps:\n      - run: ./deploy_it.sh\n"


def files_and_tree(box):
    state = box.state()
    return {key: state[key] for key in ("files", "tree", "status")}


def reasons(result) -> dict[str, str]:
    return {one["path"]: one["reason"] for one in result["conflicts"]}


@pytest.fixture
def tied(sandbox):
    """A workflow that runs a script that moves, a link that moves, and one that stays and leads to what moves."""
    sandbox.write(".github/workflows/ci.yml", WORKFLOW)
    os.symlink("../lib/keep.py", sandbox.root / "lib" / "way.old")
    os.symlink("a.old", sandbox.root / "to_a")
    sandbox.commit()
    return sandbox


@pytest.mark.parametrize("on_reference", ["keep", "rewrite"])
def test_everything_is_as_it_was(tied, on_reference):
    tied.write("untracked.txt", "u\n")
    tied.write("lib/untracked.old", "u\n")
    before = files_and_tree(tied)
    assert tied.archive(on_reference=on_reference)["changed"]
    assert files_and_tree(tied) != before
    result = tied.restore()
    assert files_and_tree(tied) == before
    assert result["changed"]
    assert result["conflicts"] == []
    assert (result["state"], result["root_files_after"]) == ("restored", 7)
    assert tied.git("fsck") == ""
    assert tied.git("log", "--format=%s").split("\n")[:2] == ["archive", "archive"]


def test_a_second_restore_changes_nothing_and_tells_the_same(tied):
    tied.archive(on_reference="rewrite")
    first = tied.restore()
    state = tied.state()
    second = tied.restore()
    assert (second["changed"], second["steps"]) == (False, [])
    assert tied.state() == state
    keys = (
        "root_files_before",
        "root_files_after",
        "moved",
        "categories",
        "rewritten",
        "commit",
        "backup",
        "conflicts",
    )
    assert {key: second[key] for key in keys} == {key: first[key] for key in keys}


def test_what_was_never_archived_needs_no_restoring(sandbox):
    before = sandbox.state()
    result = sandbox.restore()
    assert (result["changed"], result["moved"], result["conflicts"]) == (False, 0, [])
    assert sandbox.state() == before


def test_runs_are_undone_newest_first_each_in_a_commit_of_its_own(tied):
    before = files_and_tree(tied)
    tied.archive(on_reference="rewrite")
    between = tied.git("rev-parse", "HEAD^{tree}")
    tied.write("late.old", "late\n")
    tied.commit("late")
    tied.archive(on_reference="rewrite")
    result = tied.restore()
    assert result["moved"] > 6
    assert len([step for step in result["steps"] if step["name"] == "commit"]) == 2
    assert (tied.root / "late.old").exists()
    assert len(tied.git("log", "--format=%h", "main..").splitlines()) == 5
    assert tied.git("rev-parse", "HEAD~1^{tree}") != between  # late.old is there too
    tied.git("rm", "-q", "late.old")
    tied.commit()
    assert files_and_tree(tied) == before


def test_archived_again_after_a_restore_and_restored_again(tied):
    before = files_and_tree(tied)
    first = tied.archive(on_reference="rewrite")
    after = files_and_tree(tied)
    tied.restore()
    again = tied.archive(on_reference="rewrite")
    assert again["moved"] == first["moved"]
    # The manifest names another commit; everything else is the same.
    assert set(tied.state()["files"]) == set(after["files"])
    tied.restore()
    assert files_and_tree(tied) == before


def test_after_a_restore_a_run_with_nothing_to_do_tells_of_no_archive(sandbox):
    sandbox.archive()
    sandbox.restore()
    assert sandbox.archive(rules=[])["moved"] == 0


def test_the_runs_of_another_phase_stay(sandbox):
    sandbox.archive()
    state = sandbox.state()
    assert not sandbox.restore(phase="cutover")["changed"]
    assert sandbox.state() == state


# What has changed since stays, and is told


def test_an_old_place_that_is_taken(sandbox):
    sandbox.archive()
    sandbox.write("a.old", "new\n")
    sandbox.commit()
    result = sandbox.restore()
    assert reasons(result) == {
        "a.old": "there is another file at a.old since the run; the file stays at archive/backups/a.old"
    }
    assert (sandbox.root / "a.old").read_text() == "new\n"
    assert (sandbox.root / "archive/backups/a.old").read_text() == "a\n"
    assert (sandbox.root / "lib/deep/c.old").exists()
    assert sandbox.state()["status"] == ""


def test_the_catalogue_tells_what_stays(sandbox):
    sandbox.archive()
    sandbox.write("a.old", "new\n")
    sandbox.commit()
    sandbox.restore()
    manifest = json.loads((sandbox.root / "archive/manifest.json").read_text())
    assert [one["path"] for one in manifest["files"]] == ["archive/backups/a.old"]
    page = (sandbox.root / "archive/README.md").read_text()
    assert "archive/backups/a.old" in page
    assert "c.old" not in page


def test_a_conflict_is_told_again_and_ends_once_it_is_mended(sandbox):
    before = files_and_tree(sandbox)
    sandbox.archive()
    sandbox.write("a.old", "new\n")
    sandbox.commit()
    first = sandbox.restore()
    again = sandbox.restore()
    assert not again["changed"]
    assert again["conflicts"] == first["conflicts"] != []
    sandbox.git("rm", "-q", "a.old")
    sandbox.commit()
    assert sandbox.restore()["conflicts"] == []
    assert files_and_tree(sandbox) == before


def test_an_archived_file_that_was_changed_stays(sandbox):
    sandbox.archive()
    sandbox.write("archive/backups/a.old", "changed\n")
    sandbox.commit()
    result = sandbox.restore()
    assert list(reasons(result)) == ["a.old"]
    assert "archive/backups/a.old was changed since the run" in reasons(result)["a.old"]
    assert (sandbox.root / "archive/backups/a.old").read_text() == "changed\n"
    assert not (sandbox.root / "a.old").exists()


def test_an_archived_file_that_was_removed_is_told(sandbox):
    sandbox.archive()
    sandbox.git("rm", "-q", "archive/backups/a.old")
    sandbox.commit()
    base = sandbox.git("rev-parse", "main").strip()
    result = sandbox.restore()
    assert f"a.old of the commit {base[:12]}" in reasons(result)["a.old"]
    assert (sandbox.root / "lib/deep/c.old").exists()
    assert not (sandbox.root / "archive").exists()


def test_a_folder_that_became_a_file_or_a_link(sandbox):
    sandbox.archive()
    sandbox.write("only", "a file now\n")
    os.rename(sandbox.root / "lib", sandbox.root / "other")
    os.symlink("other", sandbox.root / "lib")
    sandbox.commit()
    told = reasons(sandbox.restore())
    assert told["only/one_deprecated.txt"].startswith("only is a file since the run; the file stays at archive/")
    assert told["lib/deep/c.old"].startswith("lib is a link since the run")
    assert (sandbox.root / "only").read_text() == "a file now\n"
    assert (sandbox.root / "a.old").exists()


def test_an_ignored_file_in_the_way_is_not_overwritten(sandbox):
    sandbox.archive()
    sandbox.write(".git/info/exclude", "a.old\n")
    sandbox.write("a.old", "precious\n")
    assert list(reasons(sandbox.restore())) == ["a.old"]
    assert (sandbox.root / "a.old").read_text() == "precious\n"


def test_a_user_that_was_changed_holds_what_it_names(tied):
    tied.archive(on_reference="rewrite")
    ci = tied.root / ".github/workflows/ci.yml"
    ci.write_text(ci.read_text() + "# more\n")
    tied.commit()
    text = ci.read_text()
    told = reasons(tied.restore())
    assert set(told) == {".github/workflows/ci.yml", "deploy_it.sh"}
    assert "names scripts/deployment/deploy_it.sh" in told["deploy_it.sh"]
    assert ci.read_text() == text
    assert (tied.root / "scripts/deployment/deploy_it.sh").exists()
    assert os.readlink(tied.root / "to_a") == "a.old"


def test_what_is_named_holds_the_user_that_names_it(tied):
    tied.archive(on_reference="rewrite")
    tied.write("scripts/deployment/deploy_it.sh", "#!/bin/sh\nnew\n")
    tied.write("archive/backups/a.old", "new\n")
    tied.commit()
    told = reasons(tied.restore())
    assert set(told) == {".github/workflows/ci.yml", "deploy_it.sh", "to_a", "a.old"}
    assert "scripts/deployment/deploy_it.sh" in (tied.root / ".github/workflows/ci.yml").read_text()
    assert (tied.root / "to_a").read_text() == "new\n"


# Where it may be undone


def test_it_is_undone_on_the_branch_that_it_was_merged_into(sandbox):
    before = files_and_tree(sandbox)
    sandbox.archive()
    sandbox.git("switch", "-q", "main")
    sandbox.git("merge", "-q", "--no-ff", "-m", "merge", "tidy")
    sandbox.restore()
    assert sandbox.state()["branch"] == "refs/heads/main\n"
    assert files_and_tree(sandbox) == before


def test_undone_on_one_branch_it_is_still_there_to_undo_on_another(sandbox):
    before = files_and_tree(sandbox)
    sandbox.archive()
    sandbox.git("branch", "other")
    sandbox.restore()
    sandbox.git("switch", "-q", "other")
    assert sandbox.restore()["changed"]
    assert files_and_tree(sandbox) == before


@pytest.mark.parametrize("check_mode", [False, True])
def test_refused_on_a_branch_without_the_run(sandbox, check_mode):
    commit = sandbox.archive()["commit"]
    sandbox.git("switch", "-q", "main")
    before = sandbox.state()
    backups = os.listdir(sandbox.backups)
    with pytest.raises(RefusedError, match=f"{commit[:12]}.*branch tidy.*switch to tidy") as caught:
        sandbox.restore(check_mode=check_mode)
    assert "\n" not in str(caught.value)
    assert sandbox.state() == before
    assert os.listdir(sandbox.backups) == backups


def test_a_run_whose_branch_was_thrown_away_is_forgotten(sandbox):
    sandbox.archive()
    sandbox.git("switch", "-q", "main")
    sandbox.git("branch", "-qD", "tidy")
    assert not sandbox.restore()["changed"]


@pytest.mark.parametrize("prepare", ["dirty", "staged", "detached"])
def test_refused_when_the_tree_is_not_at_rest(sandbox, prepare):
    sandbox.archive()
    sandbox.write("README.md", "changed\n")
    if prepare == "staged":
        sandbox.git("add", "README.md")
    if prepare == "detached":
        sandbox.git("checkout", "-q", "--detach")
    before = sandbox.state()
    with pytest.raises(RefusedError):
        sandbox.restore()
    assert sandbox.state() == before


def test_dirty_bytes_go_back_with_their_file(sandbox):
    sandbox.archive()
    sandbox.write("archive/backups/a.old", "dirty\n")
    assert sandbox.restore(allow_dirty=True)["conflicts"] == []
    assert (sandbox.root / "a.old").read_text() == "dirty\n"
    assert sandbox.git("status", "--porcelain") == " M a.old\n"


def test_a_dirty_user_is_not_changed_back(tied):
    tied.archive(on_reference="rewrite")
    ci = tied.root / ".github/workflows/ci.yml"
    ci.write_text(ci.read_text() + "# dirty\n")
    text = ci.read_text()
    told = reasons(tied.restore(allow_dirty=True))
    assert "commit them, then restore again" in told[".github/workflows/ci.yml"]
    assert ci.read_text() == text


def test_a_hook_that_rejects_the_restore_puts_everything_back(tied):
    tied.archive(on_reference="rewrite")
    before = tied.state()
    tied.hook("exit 1")
    with pytest.raises(RefusedError, match="put back"):
        tied.restore()
    assert tied.state() == before
    tied.hook("exit 0")
    assert tied.restore()["changed"]


def test_check_mode_foretells_the_restore_of_several_runs(tied):
    tied.archive(on_reference="rewrite")
    tied.write("late.old", "late\n")
    tied.commit()
    tied.archive(on_reference="rewrite")
    before = tied.state()
    forecast = tied.restore(check_mode=True)
    assert tied.state() == before
    done = tied.restore()
    keys = ("changed", "diff", "root_files_before", "root_files_after", "moved", "categories", "rewritten", "conflicts")
    for key in keys:
        assert forecast[key] == done[key], key
    assert [step["name"] for step in forecast["steps"]] == [step["name"] for step in done["steps"]]
    assert forecast["rewritten"]
