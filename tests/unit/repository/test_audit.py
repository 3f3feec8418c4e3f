# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.repository import audit
from ansible_collections.sophia.replatform.plugins.module_utils.repository.contents import Contents
from ansible_collections.sophia.replatform.plugins.module_utils.repository.model import (
    SUBMODULE,
    Edit,
    Entry,
    Look,
    Move,
    Plan,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import shown
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references import Found, Group, Reference
from ansible_collections.sophia.replatform.plugins.module_utils.repository.rules import Verdict
from ansible_collections.sophia.replatform.plugins.module_utils.repository.survey import Survey

# A name that is not UTF-8, and one that would break a line, a table and a code span.
ODD = "odd \udcff.old"
WILD = "wild\n| `name` \x1b[31m.old"
BIDI = "safe\u202egpj.old"


def surveyed():
    entries = [
        Entry("README.md", oid="1", size=10),
        Entry("a.sh", "100755", "2", 20),
        Entry("gone.old", oid="3", size=-1),
        Entry("lib/b.old", oid="4", size=30),
        Entry("module", SUBMODULE, "5", 4096),
        Entry(ODD, "", "", 40),
        Entry(WILD, oid="6", size=50),
    ]
    verdicts = {entry.path: Verdict("keep", "kept", "no rule matches") for entry in entries}
    verdicts["lib/b.old"] = Verdict("move", "backups", "a copy", "archive/backups/lib/b.old")
    verdicts[WILD] = Verdict("move", "backups", "a copy", f"archive/backups/{WILD}")
    found = Found(
        {
            "lib/b.old": [Reference("lib/b.old", "README.md", 3, "text", False)],
            WILD: [Reference(WILD, "Makefile", 1, "makefile", True)],
        },
        [Group("Dockerfile", 2, "dockerfile", "*.sh", ("a.sh",))],
    )
    look = Look(entries, verdicts, found, links={"out": "/etc\n"})
    plan = Plan(
        moves=(Move("lib/b.old", "archive/backups/lib/b.old", "backups", "a copy", "100644", "4"),),
        kept={WILD: f"makefile {WILD}:1 uses it"},
        root_before=4,
        remaining=("README.md", WILD),
        faults=(),
        edits=(
            Edit("README.md", "rewrite", "100644", b"", b"x"),
            Edit("archive/README.md", "generated", "100644", None, b""),
        ),
    )
    contents = Contents(
        duplicates=[(20, ["a.sh", "lib/b.old", "x"]), (10, [ODD, WILD])],
        links={"out": "outside"},
        executables={"a.sh"},
        submodules=["module"],
        nested=["nested/"],
        broken=[Reference("gone.sh", "Makefile", 7, "makefile", True)],
    )
    return Survey(look, plan, "print"), contents


@pytest.fixture
def figures():
    return audit.in_full(*surveyed())


def test_the_figures_count_what_is_there(figures):
    assert (figures["files"], figures["bytes"], figures["untracked"], figures["executables"]) == (5, 150, 1, 1)
    assert (figures["root_files"], figures["root_folders"], figures["root_files_after"]) == (4, 2, 2)
    assert (figures["moves"], figures["rewrites"]) == (1, 1)
    assert figures["categories"]["backups"] == {"files": 2, "bytes": 80}
    assert figures["duplicates"] == {"groups": 2, "files": 3, "bytes": 50}
    assert figures["largest"][0]["bytes"] == 50
    assert figures["groups"] == [{"file": "Dockerfile", "line": 2, "kind": "dockerfile", "pattern": "*.sh", "paths": 1}]
    assert figures["broken"][0] == {
        "path": "gone.sh", "file": "Makefile", "line": 7, "kind": "makefile", "certain": True
    }  # fmt: skip
    assert len(figures["all_files"]) == 7


def test_the_summary_leaves_the_long_lists_out(figures):
    short = audit.summarise(*surveyed())
    assert set(figures) - set(short) == {"all_files", "copies"}
    assert all(figures[key] == value for key, value in short.items())


def test_names_of_any_bytes_can_be_written_down(figures):
    json.dumps(figures, ensure_ascii=False).encode()
    assert {one["path"] for one in figures["all_files"]} >= {"odd \\xff.old", WILD}


@pytest.mark.parametrize("page", [audit.text, audit.markdown])
def test_a_page_names_everything_in_lines_that_hold(figures, page):
    shown_page = page("audit-before", figures, 100)
    lines = shown_page.splitlines()
    assert len(lines) == shown_page.count("\n")
    assert "\x1b" not in shown_page
    assert sum("wild\\n|" in line for line in lines) >= 2
    for word in ("gone.sh", "makefile", "odd \\xff.old", "nested/", "module", "outside", "/etc\\n", "once"):
        assert word in shown_page


def test_the_text_begins_with_a_table_of_a_line_a_figure(figures):
    lines = audit.text("audit-before", figures, 100).splitlines()
    assert lines[0] == "Repository audit: audit-before"
    table = lines[2 : lines.index("", 2)]
    assert [line.split()[-1] for line in table[:1]] == ["now"]
    assert table[1].split()[:5] == ["files", "in", "the", "root", "4"]
    assert table[1].endswith("2 after the moves; fewer than 100 are wanted")
    assert len({line.index(" 4 ") if " 4 " in line else 0 for line in table} - {0}) == 1
    assert len(table) < 20


def test_a_page_of_after_has_the_figures_of_before_beside(figures):
    after = {**figures, "root_files": 1, "moves": 0, "categories": {"archived": {"files": 1204, "bytes": 5}}}
    page = audit.text("audit-after", after, 100, before=figures)
    rows = {line[:30].strip(): line[30:].split() for line in page.splitlines()}
    assert rows["files in the root"][:2] == ["4", "1"]
    assert rows["backups"] == ["2", "0"]
    assert rows["files in the archive"] == ["0", "1,204"]
    assert "| backups | 2 | 0 |" in audit.markdown("audit-after", after, 100, before=figures)


def test_what_markdown_would_read_is_escaped(figures):
    figures["kept"] = [{"path": "a`b.md", "reason": "text <b>*x*</b>:1 uses it"}]
    page = audit.markdown("audit", figures, 100)
    assert "- `` a`b.md ``: text \\<b\\>\\*x\\*\\</b\\>:1 uses it" in page


def test_a_comparison_has_both_figures_in_order(figures):
    rows = audit.compare(figures, {**figures, "root_files": 1, "categories": {"new": {"files": 3, "bytes": 0}}})
    told = {row["figure"]: (row["before"], row["after"]) for row in rows}
    assert told["files in the root"] == (4, 1)
    assert (told["  backups"], told["  new"]) == ((2, 0), (0, 3))
    assert [row["figure"] for row in rows][:2] == ["files in the root", "folders in the root"]
    assert rows[-1]["figure"].startswith("  ")


def test_an_audit_that_was_written_can_be_compared(figures, tmp_path):
    path = tmp_path / "audit.json"
    path.write_text(json.dumps(figures))
    assert audit.read_audit(str(path)) == figures


@pytest.mark.parametrize(
    "content, reason",
    [
        (None, "cannot be read: No such file or directory"),
        ("", "is no audit"),
        ("[]", "is no audit"),
        ("{}", "is no audit"),
        ('{"root_files": "many"}', "is no audit"),
        (b"\xff\xfe", "is no audit"),
    ],
)
def test_what_is_no_audit_is_refused_in_one_line(content, reason, tmp_path):
    path = tmp_path / "audit.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ReplatformError, match=f"compare_to: {path} {reason}") as refused:
        audit.read_audit(str(path))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "path, line",
    [
        ("plain name", "plain name"),
        ("crème brûlée 🍮", "crème brûlée 🍮"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[31m", "\\x1b[31m"),
        (ODD, "odd \\xff.old"),
        (BIDI, "safe\\u202egpj.old"),
        ("a\u2028b\u00a0c", "a\\u2028b\u00a0c"),
    ],
)
def test_a_path_is_shown_in_one_line(path, line):
    assert shown(path) == line
