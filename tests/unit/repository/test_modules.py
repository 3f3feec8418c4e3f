# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.sophia.replatform.plugins.modules import repo_archive, repo_audit

from .conftest import PROTECTED, RULES


def call(module, capsys, **args):
    check_mode = args.pop("check_mode", False)
    given = {"rules": RULES, "protected": PROTECTED, "_ansible_check_mode": check_mode, **args}
    with patch_module_args(given), pytest.raises(SystemExit):
        module.main()
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def audit(sandbox, tmp_path, capsys):
    def run(**args):
        return call(repo_audit, capsys, path=str(sandbox.root), report=str(tmp_path / "out" / "audit"), **args)

    return run


@pytest.fixture
def archive(sandbox, capsys):
    def run(**args):
        return call(repo_archive, capsys, path=str(sandbox.root), backup_path=str(sandbox.backups), **args)

    return run


def test_an_audit_reads_and_reports(sandbox, audit, tmp_path):
    sandbox.write("docs/how.md", "run deploy_it.sh\n")
    before = sandbox.state()
    result = audit()
    assert not result["changed"]
    assert sandbox.state() == before
    assert (result["audit"]["root_files"], result["audit"]["root_files_after"], result["audit"]["moves"]) == (5, 2, 6)
    full = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert len(full["all_files"]) == full["files"] == 12
    assert full["references"]["deploy_it.sh"] == [{"file": "docs/how.md", "line": 1, "kind": "text", "certain": False}]
    page = (tmp_path / "out" / "audit.md").read_text()
    assert "| backups | 4 |" in page
    assert "`deploy_it.sh`: once" in page


def test_an_audit_in_check_mode_writes_no_report(audit, tmp_path):
    assert audit(check_mode=True)["audit"]["moves"] == 6
    assert not (tmp_path / "out").exists()


def test_the_report_of_before_is_not_replaced_by_one_of_after(audit, archive, tmp_path):
    audit(keep_report=True)
    before = (tmp_path / "out" / "audit.json").read_text()
    assert archive()["changed"]
    audit(keep_report=True)
    assert (tmp_path / "out" / "audit.json").read_text() == before
    audit()
    assert (tmp_path / "out" / "audit.json").read_text() != before


def test_archive_tells_what_it_did_and_puts_it_back(sandbox, archive):
    before = sandbox.state()["files"]
    result = archive(branch="tidy", author={"name": "Ada"})
    assert (result["moved"], result["state"], result["pushed"]) == (6, "organised", None)
    assert result["steps"][0] == {"name": "branch", "branch": "tidy"}
    forecast = archive(state="restored", check_mode=True)
    result = archive(state="restored", rules=[])
    assert (result["moved"], result["conflicts"], result["state"]) == (6, [], "restored")
    assert forecast["diff"] == result["diff"]
    assert sandbox.state()["files"] == before


def test_archived_leaves_scripts_where_they_are(sandbox, archive):
    result = archive(state="archived")
    assert result["moved"] == 5
    assert (sandbox.root / "deploy_it.sh").exists()
    assert archive()["moved"] == 1


@pytest.mark.parametrize("on_reference", ["keep", "rewrite", "fail"])
def test_what_is_used_is_kept_or_its_users_are_rewritten_or_the_run_fails(sandbox, archive, on_reference):
    sandbox.write(".github/workflows/ci.yml", "steps:\n  - run: ./deploy_it.sh\n")
    sandbox.commit()
    before = sandbox.state()
    result = archive(on_reference=on_reference)
    if on_reference == "fail":
        assert "deploy_it.sh" in result["msg"]
        assert sandbox.state() == before
        return
    assert [one["path"] for one in result["kept"]] == (["deploy_it.sh"] if on_reference == "keep" else [])
    rewritten = {"path": ".github/workflows/ci.yml", "line": 2, "old": "./deploy_it.sh"}
    rewritten["new"] = "./scripts/deployment/deploy_it.sh"
    assert result["rewritten"] == ([] if on_reference == "keep" else [rewritten])


def test_backups_beyond_those_to_keep_are_deleted(sandbox, archive):
    archive()
    archive(state="restored", backup_keep=1)
    assert len(list(sandbox.backups.iterdir())) == 1


@pytest.mark.parametrize("module", [repo_archive, repo_audit])
def test_what_is_no_repository_fails_in_one_line(module, capsys, tmp_path):
    given = {"backup_path": str(tmp_path / "b")} if module is repo_archive else {}
    result = call(module, capsys, path=str(tmp_path), **given)
    assert result["failed"]
    assert "is not the work tree of a git repository" in result["msg"]


def test_a_rule_at_fault_fails_by_name(archive):
    rule = {"category": "x", "patterns": ["*"], "reason": "r", "destination": "/etc"}
    assert "rule 1 (x) has the destination '/etc'" in archive(rules=[rule])["msg"]
