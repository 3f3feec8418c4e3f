# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
import os
import subprocess

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.repository import backup

MOVED = {
    "a.old": "archive/backups/a.old",
    "name with spaces.old": "archive/backups/name with spaces.old",
    "deploy_it.sh": "scripts/deployment/deploy_it.sh",
    "lib/deep/c.old": "archive/backups/lib/deep/c.old",
    "lib/memory.py.old": "archive/backups/lib/memory.py.old",
    "only/one_deprecated.txt": "archive/deprecated/only/one_deprecated.txt",
}
CATALOGUE = {"archive/README.md", "archive/manifest.json"}


def test_moves_what_the_rules_say_and_nothing_else(sandbox):
    before = sandbox.state()["files"]
    result = sandbox.archive()
    after = sandbox.state()
    assert {path for path in after["files"] if path in CATALOGUE} == CATALOGUE
    moved = {path: found for path, found in after["files"].items() if path not in CATALOGUE}
    assert moved == {MOVED.get(path, path): found for path, found in before.items()}
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
    assert sorted(renames) == sorted(
        [*(f"R100\t{old}\t{new}" for old, new in MOVED.items()), *(f"A\t{path}" for path in CATALOGUE)]
    )
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
    subprocess.run(["tar", "--zstd", "-xf", f"{result['backup']['path']}/{backup.TAR}", "-C", restored], check=True)
    sandbox.root = restored
    assert sandbox.state()["files"] == before["files"]
    assert sandbox.state()["status"] == ""


def test_a_second_run_changes_nothing_and_tells_the_same(sandbox):
    first = sandbox.archive()
    state = sandbox.state()
    second = sandbox.archive()
    assert not second["changed"]
    assert second["steps"] == []
    assert [one["after"] for one in second["diff"]] == [""]
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


@pytest.mark.parametrize(
    "options", [{"state": "archived"}, {"state": "organised"}, {"on_reference": "rewrite"}, {"backup_keep": 1}]
)
def test_check_mode_writes_nothing_and_its_diff_is_what_the_run_does(sandbox, options):
    sandbox.write(".github/workflows/ci.yml", "steps:\n  - run: ./deploy_it.sh # secret\n")
    sandbox.commit()
    before = sandbox.state()
    forecast = sandbox.archive(check_mode=True, **options)
    assert sandbox.state() == before
    assert not sandbox.backups.exists()
    assert not (sandbox.root / ".git" / "replatform").exists()
    done = sandbox.archive(**options)
    assert "secret" not in json.dumps(done)
    assert bool(done["rewritten"]) == (options == {"on_reference": "rewrite"})
    for key in ("changed", "diff", "root_files_before", "root_files_after", "moved", "kept", "categories", "rewritten"):
        assert forecast[key] == done[key], key
    assert [step["name"] for step in forecast["steps"]] == [step["name"] for step in done["steps"]]


def test_looking_does_not_write_to_the_index(sandbox):
    index = (sandbox.root / ".git" / "index").read_bytes()
    os.utime(sandbox.root / "README.md", (1, 1))
    sandbox.archive(check_mode=True)
    assert (sandbox.root / ".git" / "index").read_bytes() == index


def test_what_untracked_and_ignored_files_have_in_store(sandbox):
    sandbox.write(".gitignore", "*.log\n")
    sandbox.commit()
    sandbox.write("untracked.old", "u\n")
    sandbox.write("ignored.log", "i\n")
    result = sandbox.archive()
    assert (sandbox.root / "untracked.old").exists()
    assert {"path": "untracked.old", "reason": "git does not track it"} in result["kept"]
    _header, members = backup.read_manifest(result["backup"]["path"])
    names = {member["path"] for member in members}
    assert "untracked.old" in names
    assert "ignored.log" not in names


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


def test_a_dirty_tree_is_taken_along_when_allowed(sandbox):
    sandbox.write("a.old", "changed\n")
    sandbox.archive(allow_dirty=True)
    assert (sandbox.root / "archive/backups/a.old").read_text() == "changed\n"
    assert sandbox.git("status", "--porcelain") == " M archive/backups/a.old\n"


def test_a_work_tree_beside_the_first_is_a_repository_too(sandbox, tmp_path):
    sandbox.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "beside"))
    main = sandbox.state()["files"]
    other = type(sandbox)(tmp_path)
    other.root = tmp_path / "beside"
    before = other.state()["files"]
    assert other.archive()["moved"] == len(MOVED)
    other.restore()
    assert {path: one for path, one in other.state()["files"].items() if path != ".git"} == {
        path: one for path, one in before.items() if path != ".git"
    }
    assert sandbox.state()["files"] == main


def test_a_file_that_gives_way_to_another_is_never_overwritten(sandbox):
    sandbox.write("scripts/deployment/deploy_it.sh", "the other\n")
    sandbox.commit()
    before = sandbox.state()
    rules = [
        {"category": "deprecated", "patterns": ["/scripts/deployment/*"], "reason": "old"},
        {
            "category": "deployment-scripts",
            "patterns": ["/deploy_*"],
            "reason": "s",
            "destination": "scripts/deployment",
        },
    ]
    with pytest.raises(RefusedError, match="collide"):
        sandbox.archive(rules=rules)
    assert sandbox.state() == before


def test_users_keep_their_line_endings_and_mode(sandbox):
    sandbox.write(".gitattributes", "*.mk text eol=crlf\n")
    sandbox.write("ci.mk", b"all:\r\n\t./deploy_it.sh\r\n")
    sandbox.write("Makefile", "all:\n\t./deploy_it.sh\n")
    os.chmod(sandbox.root / "Makefile", 0o755)
    sandbox.commit()
    before = sandbox.state()
    sandbox.archive(on_reference="rewrite")
    assert (sandbox.root / "ci.mk").read_bytes() == b"all:\r\n\t./scripts/deployment/deploy_it.sh\r\n"
    assert sandbox.git("show", "HEAD:ci.mk") == "all:\n\t./scripts/deployment/deploy_it.sh\n"
    assert (sandbox.root / "Makefile").stat().st_mode & 0o777 == 0o755
    assert sandbox.state()["status"] == ""
    sandbox.restore()
    assert {key: sandbox.state()[key] for key in ("files", "tree", "status")} == {
        key: before[key] for key in ("files", "tree", "status")
    }
