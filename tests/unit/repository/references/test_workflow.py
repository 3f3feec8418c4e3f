# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest

from .conftest import groups, uses

CI = ".github/workflows/ci.yml"


@pytest.mark.parametrize(
    "target, user, content, expected",
    [
        (".github/workflows/b.yml", CI, "jobs:\n  b:\n    uses: ./.github/workflows/b.yml", (3, True, "./.github/workflows/b.yml")),
        ("act/x/action.yml", CI, "steps:\n- uses: ./act/x", (2, True, None)),
        ("a.sh", CI, "on:\n  push:\n    paths: [a.sh]", (3, True, "a.sh")),
        ("a.sh", CI, "on:\n  push:\n    paths-ignore:\n      - 'a.sh'", (4, True, "a.sh")),
        ("a.sh", CI, "on:\n  push:\n    paths: ['!a.sh']", None),
        ("ops/a.sh", CI, "steps:\n- working-directory: ops\n  run: ./a.sh", (3, True, "./a.sh")),
        ("ops/a.sh", CI, "defaults:\n  run:\n    working-directory: ./ops\njobs:\n  x:\n    steps:\n    - run: |\n        a.sh", (8, True, "a.sh")),
        ("a.sh", CI, "steps:\n- working-directory: ops\n  run: ./a.sh", (3, False, None)),
        ("a.sh", CI, "steps:\n- run: ./a.sh\n- working-directory: ops\n  run: x", (2, True, "./a.sh")),
        ("act/a.js", "act/action.yml", "runs:\n  using: node20\n  main: a.js", (3, True, "a.js")),
        ("act/a.sh", "act/action.yml", "runs:\n  steps:\n  - run: ${{ github.action_path }}/a.sh", (3, True, "a.sh")),
        ("ci/b.yml", ".gitlab-ci.yml", "include:\n  - local: /ci/b.yml", (2, True, "ci/b.yml")),
        ("ci/b.yml", ".gitlab-ci.yml", "include: 'ci/b.yml'", (1, True, "ci/b.yml")),
        ("a.sh", ".gitlab-ci.yml", "x:\n  script:\n    - ./a.sh", (3, True, "./a.sh")),
        ("a.sh", "Jenkinsfile", "sh './a.sh'", (1, True, "./a.sh")),
        ("a.sh", "Jenkinsfile", "// sh './a.sh'", (1, False, "./a.sh")),
        ("a.sh", CI, "steps:\n- uses: org/repo/a.sh@v1", None),
        ("a.sh", CI, "not: [yaml\nrun: ./a.sh", (2, True, "./a.sh")),
    ],
)  # fmt: skip
def test_workflow(target, user, content, expected):
    found = uses(target, user, content)
    assert found == ([] if expected is None else [(expected[0], "workflow", *expected[1:])])


@pytest.mark.parametrize(
    "content, pattern",
    [
        ("on:\n  push:\n    paths:\n    - ops/**", "ops/**"),
        ("on:\n  push:\n    paths:\n    - '**/*.old'", "**/*.old"),
        ("jobs:\n  a:\n    steps:\n    - uses: ./ops", "ops"),
        ("jobs:\n  a:\n    steps:\n    - working-directory: ops", "ops"),
        ("a:\n  rules:\n    - changes: [ops/*]", "ops/*"),
        ("a:\n  rules:\n    - changes:\n        paths: [ops/*]", "ops/*"),
    ],
)
def test_workflow_groups(content, pattern):
    user = ".gitlab-ci.yml" if "changes" in content else CI
    found = groups(["ops/a.old"], user, content, ["ops/b.old", "c"])
    assert found == [(content.count("\n") + 1, "workflow", pattern, ("ops/a.old", "ops/b.old"))]


def test_a_glob_of_many_stars_is_no_trap():
    content = "on:\n  push:\n    paths: ['" + "**a" * 30 + "']"
    assert groups(["a" * 200], CI, content) == []
