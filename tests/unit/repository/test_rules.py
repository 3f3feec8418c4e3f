# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pathlib

import pytest
import yaml
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.repository.rules import Classifier, parse_rules

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


@pytest.mark.parametrize(
    "rule, reason",
    [
        ({"category": "x", "reason": "r"}, r"rule 1 \(x\) has no 'patterns'"),
        ({"patterns": ["*"], "reason": "r"}, r"rule 1 \(no category\) has no 'category'"),
        ({"category": "x", "patterns": ["*"]}, "has no 'reason'"),
        ({"category": "x", "patterns": ["*"], "reason": "r", "destination": "../x"}, "not below archive or scripts"),
        ({"category": "x", "patterns": ["*"], "reason": "r", "destination": "archive/../.."}, "not below"),
        ({"category": "x", "patterns": ["*"], "reason": "r", "destination": "docs/x"}, "destination 'docs/x'"),
        ({"category": "../../x", "patterns": ["*"], "reason": "r"}, "not below"),
        ({"category": "x", "patterns": ["*"], "reason": "r", "destination": "archive/.git/x"}, "not below"),
    ],
)
def test_a_rule_at_fault_is_refused_by_name(rule, reason):
    with pytest.raises(ReplatformError, match=reason):
        parse_rules([rule])


def role_classifier():
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    return Classifier(parse_rules(defaults["repository_rules"]), defaults["repository_protected_always"])


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
        ("backend/app.py", "kept"),
    ],
)
def test_what_the_default_rules_make_of_common_names(path, category):
    assert role_classifier().classify(path).category == category
