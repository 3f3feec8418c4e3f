# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
import pathlib

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.sophia.replatform.plugins.doc_fragments.repository import ModuleDocFragment
from ansible_collections.sophia.replatform.plugins.module_utils.repository.arguments import SURVEY_OPTIONS
from ansible_collections.sophia.replatform.plugins.modules import repo_archive, repo_audit

from .conftest import PROTECTED, RULES

ROLE = pathlib.Path(__file__).parents[3] / "roles" / "repository"


@pytest.fixture
def audit(sandbox, tmp_path, capsys):
    def run(check_mode=False, **args):
        given = {"path": str(sandbox.root), "report": str(tmp_path / "out" / "audit"), "rules": RULES}
        given.update(protected=PROTECTED, _ansible_check_mode=check_mode)
        with patch_module_args({**given, **args}), pytest.raises(SystemExit):
            repo_audit.main()
        return json.loads(capsys.readouterr().out)

    return run


def test_an_audit_reads_and_reports(sandbox, audit, tmp_path):
    sandbox.write("docs/how.md", "run deploy_it.sh\n")
    before = sandbox.state()
    result = audit()
    assert not result["changed"]
    assert sandbox.state() == before
    assert (result["audit"]["root_files"], result["audit"]["root_files_after"], result["audit"]["moves"]) == (5, 2, 6)
    assert [pathlib.Path(path).name for path in result["report"]] == ["audit.json", "audit.txt", "audit.md"]
    full = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert len(full["all_files"]) == full["files"] == 12
    assert full["references"]["deploy_it.sh"] == [{"file": "docs/how.md", "line": 1, "kind": "text", "certain": False}]
    assert result["audit"] == {key: full[key] for key in result["audit"]}
    assert "deploy_it.sh: once" in (tmp_path / "out" / "audit.txt").read_text()
    assert "- `deploy_it.sh`: once" in (tmp_path / "out" / "audit.md").read_text()


def test_no_report_holds_what_files_contain(sandbox, audit, tmp_path):
    sandbox.write("docs/how.md", "deploy_it.sh --token=hunter2\n")
    audit()
    assert all("hunter2" not in path.read_text() for path in (tmp_path / "out").iterdir())


def test_an_audit_in_check_mode_writes_no_report(audit, tmp_path):
    assert audit(check_mode=True)["audit"]["moves"] == 6
    assert not (tmp_path / "out").exists()


def test_the_state_decides_what_would_move(audit):
    assert audit(state="archived")["audit"]["moves"] == 5
    assert audit(state="organised")["audit"]["moves"] == 6
    assert audit(state="restored")["audit"]["moves"] == 0


def test_the_report_of_before_is_kept_when_nothing_is_left_to_move(sandbox, audit, tmp_path):
    audit(keep_report=True)
    before = (tmp_path / "out" / "audit.json").read_text()
    sandbox.archive(branch="main")
    audit(keep_report=True)
    assert (tmp_path / "out" / "audit.json").read_text() == before
    audit()
    assert (tmp_path / "out" / "audit.json").read_text() != before


def test_the_report_of_before_is_kept_when_files_are_restored(sandbox, audit, tmp_path):
    audit(keep_report=True)
    before = (tmp_path / "out" / "audit.json").read_text()
    sandbox.archive(branch="main")
    sandbox.write("late.old", "x\n")
    sandbox.commit()
    audit(keep_report=True, state="restored")
    assert (tmp_path / "out" / "audit.json").read_text() == before


def test_an_audit_of_after_is_put_beside_that_of_before(sandbox, audit, tmp_path):
    audit(report=str(tmp_path / "before"))
    sandbox.archive(branch="main")
    result = audit(report=str(tmp_path / "after"), compare_to=str(tmp_path / "before.json"))
    rows = {row["figure"]: (row["before"], row["after"]) for row in result["comparison"]}
    assert rows["files in the root"] == (5, 2)
    assert rows["files to move"] == (6, 0)
    assert rows["broken references"] == (0, 0)
    assert "before" in (tmp_path / "after.txt").read_text().splitlines()[2]


def test_names_of_any_bytes_are_reported(sandbox, audit, tmp_path):
    sandbox.write(b"b\xff\n`|.old", "x\n")
    sandbox.commit()
    assert audit()["audit"]["moves"] == 7
    text = (tmp_path / "out" / "audit.json").read_text(encoding="utf-8")
    assert "b\\\\xff\\n`|.old" in text


@pytest.mark.parametrize(
    "args, message",
    [
        ({"path": "/"}, "repository_path: / is not the work tree of a git repository"),
        ({"rules": [{**RULES[0], "reason": ""}]}, "repository_rules: rule 1 (backups) has no 'reason'"),
        ({"rules": [{**RULES[0], "category": "backup"}]}, "does not list: did you mean 'backups'?"),
        ({"protected": [""]}, "repository_protected: pattern 1 is empty"),
        ({"strict": True}, "rule 1 (backups): pattern '*.backup' matches nothing"),
        ({"compare_to": "/absent.json"}, "compare_to: /absent.json cannot be read"),
    ],
)
def test_what_is_at_fault_is_named_in_one_line(audit, tmp_path, args, message):
    result = audit(**args)
    assert result["failed"]
    assert message in result["msg"]
    assert "\n" not in result["msg"]
    assert not (tmp_path / "out").exists()


# What says the same thing in several places


def role_options():
    specs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    return specs, defaults


def test_the_documentation_names_the_options_that_there_are():
    told = yaml.safe_load(repo_audit.DOCUMENTATION)["options"]
    told.update(yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"])
    for name, option in SURVEY_OPTIONS.items():
        for key, value in option.items():
            assert told[name][key] == value, (name, key)


@pytest.mark.parametrize(
    "name, option",
    [
        ("path", "repository_path"),
        ("state", "repository_state"),
        ("strict", "repository_strict"),
        ("on_reference", "repository_on_reference"),
        ("root_limit", "repository_root_limit"),
    ],
)
def test_the_role_offers_what_the_modules_do(name, option):
    specs, defaults = role_options()
    assert {key: specs[option].get(key) for key in SURVEY_OPTIONS[name]} == SURVEY_OPTIONS[name]
    assert defaults.get(option) == SURVEY_OPTIONS[name].get("default")


def test_the_defaults_of_the_role_are_those_of_its_specification():
    specs, defaults = role_options()
    for name, option in specs.items():
        if "default" in option:
            assert defaults[name] == option["default"], name
    assert set(defaults) <= set(specs)


@pytest.mark.parametrize(
    "file, number, module",
    [("audit_before", 0, repo_audit), ("audit_after", 1, repo_audit), ("archive", 0, repo_archive)],
)
def test_the_role_passes_options_that_the_modules_know(file, number, module):
    task = yaml.safe_load((ROLE / "tasks" / f"{file}.yml").read_text())[number]
    given = task[f"sophia.replatform.{module.__name__.rsplit('.', 1)[-1]}"]
    told = {
        **yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"],
        **yaml.safe_load(module.DOCUMENTATION)["options"],
    }
    assert set(given) <= set(told)
    assert set(SURVEY_OPTIONS) - set(given) <= {"strict"}
