# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest

from .conftest import search, told, uses

WORKFLOW = ".github/workflows/ci.yml"


@pytest.mark.parametrize(
    "target, user, content, expected",
    [
        ("deploy.sh", WORKFLOW, "x:\n  - run: ./deploy.sh --all\n", [(2, "workflow", True, "./deploy.sh")]),
        ("deploy.sh", WORKFLOW, "  # - run: ./deploy.sh\n", [(1, "workflow", False, "./deploy.sh")]),
        ("deploy.sh", WORKFLOW, "run: make  # not ./deploy.sh\n", [(1, "workflow", False, "./deploy.sh")]),
        ("deploy.sh", WORKFLOW, "run: echo '#1' && ./deploy.sh\n", [(1, "workflow", True, "./deploy.sh")]),
        ("ops/deploy.sh", WORKFLOW, "run: deploy.sh", [(1, "workflow", False, None)]),
        ("ops/deploy.sh", WORKFLOW, "run: ops/deploy.sh", [(1, "workflow", True, "ops/deploy.sh")]),
        ("deploy.sh", WORKFLOW, "run: scripts/deploy.sh", [(1, "workflow", False, None)]),
        ("deploy.sh", WORKFLOW, "run: redeploy.sh", []),
        ("deploy.sh", WORKFLOW, "run: deploy.sh.old", []),
        ("deploy.sh", WORKFLOW, "run: deploy.sh~", []),
        ("deploy.sh", WORKFLOW, "run: /deploy.sh", [(1, "workflow", False, None)]),
        ("deploy.sh", WORKFLOW, "run: $HOME/deploy.sh", [(1, "workflow", False, None)]),
        ("deploy.sh", WORKFLOW, "run: ../deploy.sh", [(1, "workflow", False, None)]),
        ("deploy.sh", WORKFLOW, "run: ~/deploy.sh", [(1, "workflow", False, None)]),
        ("deploy.sh", WORKFLOW, "run: curl https://example.com/deploy.sh", [(1, "workflow", False, None)]),
        ("deploy.sh", WORKFLOW, "run: ${{ github.workspace }}/deploy.sh", [(1, "workflow", True, "deploy.sh")]),
        ("deploy.sh", WORKFLOW, 'run: "$GITHUB_WORKSPACE/deploy.sh"', [(1, "workflow", True, "deploy.sh")]),
        ("deploy.sh", WORKFLOW, "run: bash deploy.sh.", [(1, "workflow", True, "deploy.sh")]),
        ("a.json", WORKFLOW, "run: curl -d @a.json x", [(1, "workflow", True, "a.json")]),
        ("ops/x.env", "ops/docker-compose.yml", "env_file: ./x.env", [(1, "compose", True, "./x.env")]),
        ("start.sh", "Dockerfile", "COPY start.sh /start\n", [(1, "dockerfile", True, "start.sh")]),
        ("start.sh", "Dockerfile", "RUN /start.sh\n", [(1, "dockerfile", False, None)]),
        ("check.sh", "Makefile", "check:\n\t./check.sh\n", [(2, "makefile", True, "./check.sh")]),
        ("clean", "Dockerfile", "RUN apt-get clean", [(1, "dockerfile", False, "clean")]),
        ("clean", "Makefile", "x:\n\t./clean", [(2, "makefile", True, "./clean")]),
        ("clean", "Dockerfile", "COPY clean /x", [(1, "dockerfile", True, "clean")]),
        ("PLAN.md", "docs/a.md", "See PLAN.md.\n", [(1, "text", False, "PLAN.md")]),
        ("PLAN.md", "config/a.yaml", "plan: PLAN.md\n", [(1, "text", False, "PLAN.md")]),
        ("PLAN.md", "config/a.json", '{"plan": "PLAN.md"}', [(1, "text", False, "PLAN.md")]),
        ("PLAN.md", "notes.txt", "\u201cPLAN.md\u201d", [(1, "text", False, None)]),
        ("two words.md", WORKFLOW, "run: cat 'two words.md'", [(1, "workflow", True, "two words.md")]),
        ("a/two words.md", WORKFLOW, "run: cat 'a/two words.md'", [(1, "workflow", True, "a/two words.md")]),
        ("a/two words.md", WORKFLOW, "run: cat './a/two words.md'", [(1, "workflow", True, "./a/two words.md")]),
        ("a/two words.md", WORKFLOW, "run: cat a/two\\ words.md", [(1, "workflow", True, None)]),
        ("a/two words.md", WORKFLOW, "run: cat 'b/two words.md'", [(1, "workflow", False, None)]),
        ("two words.md", WORKFLOW, "run: cat 'not two words.md'", [(1, "workflow", True, "two words.md")]),
        ("two words.md", WORKFLOW, "run: cat 'xtwo words.md'", []),
        ("a/two words.md", "docs/a.md", "see two words.md", [(1, "text", False, None)]),
        ('say "x".md', WORKFLOW, "run: cat 'say \"x\".md'", [(1, "workflow", True, 'say "x".md')]),
        ('say "x".md', "package.json", '{"x": "say \\"x\\".md"}', [(1, "package.json", True, None)]),
        ("a\nb", WORKFLOW, "run: |\n  cat 'a\nb'", [(2, "workflow", True, "a\nb")]),
        ("d/[a]+(b).sh", "Makefile", "x:\n\tsh 'd/[a]+(b).sh'", [(2, "makefile", True, "d/[a]+(b).sh")]),
        ("\udcff.sh", "Makefile", b"x:\n\tsh \xff.sh\n", [(2, "makefile", True, "\udcff.sh")]),
        ("crème.md", "Makefile", "x:\n\tcat crème.md\n", [(2, "makefile", True, "crème.md")]),
        ("me.md", "Makefile", "x:\n\tcat crème.md\n", [(2, "makefile", False, None)]),
    ],
)
def test_paths_in_text(target, user, content, expected):
    assert uses(target, user, content) == expected


def test_every_occurrence_is_found():
    content = "all:\n\t./a.sh && ./a.sh\n\tsh a.sh\n"
    found = [(line, token) for line, _kind, _certain, token in uses("a.sh", "Makefile", content)]
    assert found == [(2, "./a.sh"), (2, "./a.sh"), (3, "a.sh")]


def test_a_word_that_names_another_file_is_no_reference():
    assert uses("deploy.sh", WORKFLOW, "run: scripts/deploy.sh", ["scripts/deploy.sh"]) == []
    assert uses("deploy.sh", "docs/a.md", "run scripts/deploy.sh", ["scripts/deploy.sh"]) == []
    assert uses("deprecated.py", "a.md", "tests/test_no_deprecated.py", ["tests/test_no_deprecated.py"]) == []
    assert uses("tests/imports.py", WORKFLOW, "run: tests/test_no_deprecated_imports.py") == []


def test_a_word_that_may_mean_two_files_is_certain_of_both_and_plain_of_none():
    files = {"ops/Makefile": "x:\n\tsh run.sh\n"}
    found = search(["run.sh", "ops/run.sh"], files)
    for target in ("run.sh", "ops/run.sh"):
        assert told(found, target, files) == [(2, "makefile", True, None)]


def test_after_cd_a_word_is_relative_to_that_folder():
    content = "x:\n\tcd ops && ./run.sh\n"
    assert uses("ops/run.sh", "Makefile", content) == [(2, "makefile", True, "./run.sh")]
    assert uses("run.sh", "Makefile", content, ["ops/run.sh"]) == []


def test_a_file_does_not_reference_itself():
    assert uses("deploy.sh", "deploy.sh", "# ./deploy.sh\nbash deploy.sh\n") == []
    assert uses("Makefile", "Makefile", "x:\n\tmake -f Makefile\n") == []


def test_a_path_through_a_link_uses_the_link():
    files = {"Makefile": "x:\n\t./now/run.sh\n"}
    found = search(["now"], files, links={"now": "ops"})
    assert told(found, "now", files) == [(2, "makefile", True, "./now")]


def test_a_link_uses_its_target_and_what_is_below_it():
    links = {"docs/now": "../ops", "docs/too": "../ops", "other": "elsewhere"}
    found = search(["ops/a.old", "b.old"], {}, links=links).references
    assert {
        target: [(one.user, one.line, one.kind, one.certain) for one in ones] for target, ones in found.items()
    } == {"ops/a.old": [("docs/now", 0, "symlink", True), ("docs/too", 0, "symlink", True)]}


def test_a_link_to_a_link_uses_both_and_a_loop_ends():
    links = {"now": "v2", "v2": "v1/x.md", "a": "b", "b": "a", "out": "/etc/x", "up": "../../x"}
    found = search(["v1/x.md", "v2", "b"], {}, links=links).references
    assert sorted(one.user for one in found["v1/x.md"]) == ["now", "v2"]
    assert [one.user for one in found["v2"]] == ["now"]
    assert [one.user for one in found["b"]] == ["a"]
