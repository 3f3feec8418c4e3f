# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import os
import pathlib
import subprocess

import pytest
import yaml
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.repository.rules import (
    CATEGORIES,
    Classifier,
    parse_protected,
    parse_rules,
)

ROLE = pathlib.Path(__file__).parents[3] / "roles" / "repository"


def classifier(protected=()):
    return Classifier(
        parse_rules(
            [
                {"category": "backups", "patterns": ["*.old"], "reason": "a copy"},
                {"category": "reports", "patterns": ["/*_REPORT.md"], "reason": "done"},
                {
                    "category": "scripts",
                    "patterns": ["deploy_*"],
                    "reason": "in place",
                    "destination": "scripts/deployment",
                },
            ]
        ),
        protected,
    )


@pytest.mark.parametrize(
    "path, category, destination",
    [
        ("a.old", "backups", "archive/backups/a.old"),
        ("x/y/a.old", "backups", "archive/backups/x/y/a.old"),
        ("deploy_x.old", "backups", "archive/backups/deploy_x.old"),
        ("A_REPORT.md", "reports", "archive/reports/A_REPORT.md"),
        ("docs/A_REPORT.md", "kept", ""),
        ("deploy_x.sh", "scripts", "scripts/deployment/deploy_x.sh"),
        ("x/deploy_x.sh", "kept", ""),
        ("archive/backups/a.old", "archived", ""),
    ],
)
def test_the_first_rule_that_matches_decides(path, category, destination):
    verdict = classifier().classify(path)
    assert (verdict.category, verdict.destination) == (category, destination)


def test_protected_beats_every_rule_and_says_by_which_pattern():
    verdict = classifier(["*.md", "important*"]).classify("x/important.old")
    assert (verdict.outcome, verdict.reason) == ("protected", "protected by 'important*'")


GOOD = {"category": "plans", "patterns": ["/*_PLAN.md"], "reason": "r"}


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"patterns": None}, "rule 2 (plans) has no 'patterns'"),
        ({"patterns": []}, "rule 2 (plans) has no 'patterns'"),
        ({"category": ""}, "rule 2 (no category) has no 'category'"),
        ({"reason": None}, "rule 2 (plans) has no 'reason'"),
        ({"pattern": ["*"]}, "rule 2 (plans) has the unknown key 'pattern': did you mean 'patterns'?"),
        ({"x": 1}, "has the unknown key 'x' (category, patterns, reason, destination, keep_path)"),
        ({"patterns": "*.old"}, "rule 2 (plans) has a text as 'patterns', not a list"),
        ({"patterns": {"a": 1}}, "has a mapping as 'patterns', not a list"),
        ({"reason": ["r"]}, "has a list as 'reason', not a text"),
        ({"category": 2025}, "rule 2 (2025) has a number as 'category', not a text"),
        ({"destination": ["archive/x"]}, "has a list as 'destination', not a text"),
        ({"keep_path": "no"}, "has a text as 'keep_path', not true or false"),
        ({"patterns": ["a", 2025]}, "has at 'patterns' number 2 a pattern that is a number, not a text"),
        ({"patterns": ["a", True]}, "number 2 a pattern that is true or false, not a text"),
        ({"patterns": ["a", None]}, "number 2 a pattern that is nothing, not a text"),
        ({"patterns": ["  "]}, "number 1 a pattern that is empty"),
        ({"patterns": ["#1"]}, "number 1 a pattern that is a comment ('#1')"),
        ({"patterns": ["!"]}, "number 1 a pattern that is not valid ('!': "),
        ({"patterns": ["[z-a]"]}, "is not valid ('[z-a]': bad character range z-a"),
        ({"patterns": ["["]}, "is not valid ('[' can match nothing)"),
        ({"patterns": ["!a", "!b"]}, "has only negated patterns at 'patterns', which match nothing"),
        ({"destination": "../x"}, "has the destination '../x', which is not below archive or scripts"),
        ({"destination": "archive/../.."}, "has the destination 'archive/../..', which"),
        ({"destination": "/etc"}, "has the destination '/etc', which"),
        ({"destination": "docs/x"}, "has the destination 'docs/x', which"),
        ({"destination": "archive/.git/x"}, "has the destination 'archive/.git/x', which"),
        ({"category": "../../x"}, "has the destination 'archive/../../x', which"),
        ({"category": "plan"}, "has a category that repository_categories does not list: did you mean 'plans'?"),
        ({"category": "x"}, "has a category that repository_categories does not list (plans, reports)"),
        ({"category": "a\nb"}, "rule 2 (a\\nb) has a category"),
    ],
)
def test_a_rule_at_fault_is_refused_by_its_number_in_one_line(change, reason):
    with pytest.raises(ReplatformError) as refused:
        parse_rules([GOOD, {**GOOD, **change}], {"plans": "Plans", "reports": "Reports"})
    assert str(refused.value).startswith("repository_rules: rule 2 (")
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_category_needs_a_description():
    with pytest.raises(ReplatformError, match="repository_categories: plans has no description"):
        parse_rules([], {"plans": None})


@pytest.mark.parametrize(
    "pattern, reason", [("", "pattern 2 is empty"), (7, "pattern 2 is a number"), ("[", "pattern 2 is not valid")]
)
def test_a_protected_pattern_at_fault_is_refused_by_its_number(pattern, reason):
    with pytest.raises(ReplatformError, match=f"repository_protected: {reason}"):
        parse_protected(["README*", pattern])


def test_what_recent_commits_changed_is_protected():
    told = Classifier(parse_rules([GOOD]), [], recent={"A_PLAN.md"}, days=14)
    assert told.classify("A_PLAN.md").outcome == "protected"
    assert told.classify("A_PLAN.md").reason == "changed in the last 14 days"
    assert told.classify("B_PLAN.md").outcome == "move"
    assert told.is_protected("A_PLAN.md") and not told.is_protected("B_PLAN.md")


def test_the_patterns_that_match_nothing_are_named_with_their_rule():
    rules = [
        GOOD,
        {"category": "x", "patterns": ["*.old", "!keep.old", "/never*"], "reason": "r"},
        {"category": "run", "patterns": ["run_*"], "reason": "r", "destination": "scripts/ci"},
    ]
    told = Classifier(parse_rules(rules), [])
    assert told.unmatched(["A_PLAN.md", "a.old", "run_it.sh"]) == ["rule 2 (x): pattern '/never*' matches nothing"]
    assert "rule 3 (run): pattern 'run_*' matches nothing" in told.unmatched(["deep/run_it.sh"])


def test_a_pattern_still_matches_what_it_has_moved():
    rules = [GOOD, {"category": "run", "patterns": ["/run_*"], "reason": "r", "destination": "scripts/ci"}]
    told = Classifier(parse_rules(rules), [])
    assert told.unmatched(["archive/plans/A_PLAN.md", "scripts/ci/run_it.sh"]) == []
    assert len(told.unmatched(["archive/other/A_PLAN.md", "scripts/run_it.sh"])) == 2


@pytest.fixture(scope="module")
def git_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ignore")
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder


PATTERNS = [
    "*.old",
    "/*_REPORT*.md",
    "deprecated/",
    ".*",
    "docs/**/x",
    "/a/*/b",
    "[ab]?.md",
    "**/deep",
    "a b",
    "/top/",
    "crème*",
    "\\#hash",
]
PATHS = [
    "a.old", "x/a.old", "line\nbreak/a.old", "a.old\n", "new\nline.old", "A_REPORT.md", "docs/A_REPORT.md", "deprecated",
    "x/deprecated/y", "line\nbreak/deprecated/y", ".hidden", "x/.hidden/y", "docs/x", "docs/1/2/x", "docs/x/y", "a/1/b", "a/1/2/b",
    "a1.md", "c1.md", "x/b2.md", "deep/x", "1/2/deep", "a b", "x/a b/c", "top/x", "top", "x/top/y", "crème brûlée", "#hash",
    "-dash.old", "\udcff.old", "a\udcff/deprecated/b", "\t.old",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_mean_what_they_mean_to_git(git_folder, pattern):
    (git_folder / ".git" / "info" / "exclude").write_text(pattern + "\n", encoding="utf-8")
    told = subprocess.run(
        ["git", "check-ignore", "--no-index", "-z", "--stdin"],
        cwd=git_folder,
        input=b"\0".join(os.fsencode(path) for path in PATHS) + b"\0",
        capture_output=True,
        check=False,
    )
    ignored = {os.fsdecode(path) for path in told.stdout.split(b"\0") if path}
    rule = {"category": "x", "patterns": [pattern], "reason": "r"}
    classifier = Classifier(parse_rules([rule]), [])
    assert {path for path in PATHS if classifier.classify(path).outcome == "move"} == ignored


DEFAULTS = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())


def role_classifier():
    rules = parse_rules(DEFAULTS["repository_rules"], DEFAULTS["repository_categories"])
    return Classifier(rules, parse_protected(DEFAULTS["repository_protected_always"]))


def test_the_role_and_the_modules_know_the_same_categories():
    assert DEFAULTS["repository_categories"] == CATEGORIES


@pytest.mark.parametrize(
    "path",
    sorted((ROLE.parents[1] / "inventories").glob("*/group_vars/all/repository.yml")),
    ids=lambda path: path.parts[-4],
)
def test_the_rules_of_every_inventory_are_valid(path):
    settings = yaml.safe_load(path.read_text())
    extra = settings.get("repository_rules_extra", [])
    categories = {**DEFAULTS["repository_categories"], **settings.get("repository_categories_extra", {})}
    assert len(parse_rules([*DEFAULTS["repository_rules"], *extra], categories)) > len(extra)
    parse_protected(settings["repository_protected"])


@pytest.mark.parametrize(
    "path, category",
    [
        ("tests/test_no_deprecated_imports.py", "protected"),
        (".github/workflows/prevent_backup.yml.backup", "protected"),
        ("README.md", "protected"),
        ("uv.lock", "protected"),
        ("main.py", "protected"),
        ("backend/_deprecated/x.py", "deprecated"),
        ("config/x.yaml.backup", "backups"),
        ("docs/SOME_REPORT.md", "kept"),
        ("SOME_REPORT.md", "reports"),
        ("SOME_REPORT_20250703.md", "reports"),
        ("some-status.md", "reports"),
        ("MIGRATION_PLAN.md", "plans"),
        ("docker-compose.cloud.yml", "legacy-deployments"),
        ("infrastructure/docker-compose.yml", "kept"),
        ("fix_imports.py", "one-time-scripts"),
        ("deploy_all.sh", "deployment-scripts"),
        ("health_check.sh", "validation-scripts"),
        ("setup.py", "protected"),
        ("deploy_swarm_stack.sh", "legacy-deployments"),
        ("app.py", "protected"),
        ("Jenkinsfile", "protected"),
        ("services/web/package.json", "protected"),
        ("backend/app.py", "kept"),
    ],
)
def test_what_the_default_rules_make_of_common_names(path, category):
    assert role_classifier().classify(path).category == category
