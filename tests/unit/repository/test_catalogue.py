# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import json
import re

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.repository.catalogue import (
    MANIFEST,
    MARKER,
    PAGE,
    catalogue,
    catalogue_without,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.model import Entry, Intent, Look, Move
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references import Found
from hypothesis import given
from hypothesis import strategies as st

INTENT = Intent(base="c0ffee", categories={"old": "What is old"})


def move(path: str, category: str = "old", reason: str = "it is old", to: str = "") -> Move:
    return Move(path, to or f"archive/{category}/{path}", category, reason, "100644", "1" * 40)


def look(files=(), *, modes=(), untracked=(), dirty=(), links=()):
    files = dict(files)
    modes = dict(modes)
    entries = [Entry(path, modes.get(path, "100644"), "" if path in untracked else "1" * 40, 1) for path in files]
    return Look(entries, {}, Found(), links=dict(links), dirty=dirty, read=files.get)


def written(result) -> dict[str, bytes]:
    return {edit.path: edit.after for edit in result.edits}


def test_without_moves_nothing_is_written():
    assert catalogue([], look({PAGE: b"anything", MANIFEST: b"not json"}), INTENT).edits == ()


def test_the_manifest_says_what_whence_why_and_from_which_commit():
    result = catalogue([move("b"), move("a", to="scripts/ci/a", category="ci")], look({"a": b"", "b": b""}), INTENT)
    assert json.loads(written(result)[MANIFEST]) == {
        "format": 1,
        "categories": {"old": "What is old"},
        "files": [
            {"path": "archive/old/b", "from": "b", "category": "old", "reason": "it is old", "base": "c0ffee"},
            {"path": "scripts/ci/a", "from": "a", "category": "ci", "reason": "it is old", "base": "c0ffee"},
        ],
    }
    assert {(edit.kind, edit.mode, edit.before) for edit in result.edits} == {("generated", "100644", None)}
    assert not result.faults and not result.kept


def test_the_page_says_it_for_people():
    result = catalogue([move("a"), move("d/b", "backups", "a copy")], look({"a": b"", "d/b": b""}), INTENT)
    page = written(result)[PAGE].decode()
    assert page.startswith(MARKER + "\n\n# Archive\n")
    assert "\n## old\n\nWhat is old\n\n| original | place | reason |\n|---|---|---|\n" in page
    assert "\n## backups\n\na copy\n\n|" in page
    assert "\n| `d/b` | `archive/backups/d/b` | a copy |\n" in page
    assert page.index("## backups") < page.index("## old")
    for word in ("git log --follow", "git mv", "repository_state=restored"):
        assert word in page


def test_a_second_run_adds_to_what_is_there_and_drops_what_is_gone():
    first = written(catalogue([move("a"), move("b")], look({"a": b"", "b": b""}), INTENT))
    # A person has put b back; c goes now.
    files = {"archive/old/a": b"", "b": b"", "c": b"", **first}
    result = catalogue([move("c")], look(files, modes={PAGE: "100755"}), Intent(base="beef"))
    entries = json.loads(written(result)[MANIFEST])["files"]
    assert [(one["path"], one["base"]) for one in entries] == [("archive/old/a", "c0ffee"), ("archive/old/c", "beef")]
    assert "\n## old\n\nWhat is old\n" in written(result)[PAGE].decode()
    assert "`archive/old/a`" in written(result)[PAGE].decode() and "`b`" not in written(result)[PAGE].decode()
    assert {edit.path: (edit.mode, edit.before) for edit in result.edits} == {
        MANIFEST: ("100644", first[MANIFEST]),
        PAGE: ("100755", first[PAGE]),
    }


def test_what_is_moved_again_is_known_by_its_new_place_alone():
    first = written(catalogue([move("a", to="scripts/ci/a")], look({"a": b""}), INTENT))
    result = catalogue([move("scripts/ci/a")], look({"scripts/ci/a": b"", **first}), INTENT)
    entries = json.loads(written(result)[MANIFEST])["files"]
    assert [(one["from"], one["path"]) for one in entries] == [("scripts/ci/a", "archive/old/scripts/ci/a")]


@pytest.mark.parametrize("page", [b"# Our archive\n", b"", b"\xff"])
def test_a_page_of_a_person_is_left_alone(page):
    result = catalogue([move("a")], look({"a": b"", PAGE: page}, dirty=[PAGE]), INTENT)
    assert list(written(result)) == [MANIFEST]
    assert "a person wrote it" in result.kept[PAGE]
    assert result.faults == ()


def test_a_page_that_is_a_link_is_left_alone():
    result = catalogue([move("a")], look({"a": b"", PAGE: MARKER.encode()}, links={PAGE: "../README.md"}), INTENT)
    assert list(written(result)) == [MANIFEST]


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"format": 2, "files": []}',
        b'{"format": 1}',
        b'{"format": 1, "categories": {}, "files": 3}',
        b'{"format": 1, "categories": [], "files": []}',
        b'{"format": 1, "categories": {}, "files": [{"path": "a"}]}',
        b"[" * 100000,
    ],
)
def test_a_manifest_of_somebody_else_is_a_fault(manifest):
    result = catalogue([move("a")], look({"a": b"", MANIFEST: manifest}), INTENT)
    assert result.faults == ("archive/manifest.json was not made by this collection: rename it",)


def test_a_manifest_that_is_a_link_is_a_fault():
    assert catalogue([move("a")], look({"a": b""}, links={MANIFEST: "x"}), INTENT).faults


@pytest.mark.parametrize(
    "state, mend",
    [({"dirty": [MANIFEST]}, "commit or revert"), ({"untracked": [PAGE]}, "commit or remove")],
)
def test_ours_with_changes_or_unknown_to_git_is_a_fault_that_names_the_mend(state, mend):
    ours = written(catalogue([move("a")], look({"a": b""}), INTENT))
    result = catalogue([move("b")], look({"b": b"", **ours}, **state), INTENT)
    assert len(result.faults) == 1 and mend in result.faults[0]


def test_ours_that_git_ignores_is_a_fault():
    ours = written(catalogue([move("a")], look({"a": b""}), INTENT))
    seen = look({"b": b""})
    result = catalogue([move("b")], Look(seen.entries, {}, Found(), read=ours.get), INTENT)
    assert len(result.faults) == 2


def test_what_went_back_is_taken_out_and_the_catalogue_with_the_last_of_it():
    ours = written(catalogue([move("a"), move("b")], look({"a": b"", "b": b""}), INTENT))
    alone = written(catalogue([move("b")], look({"b": b""}), INTENT))
    edits = catalogue_without(["archive/old/a"], ours.get, {PAGE: "100755"})
    assert {edit.path: edit.after for edit in edits} == alone
    assert {edit.path: (edit.mode, edit.before) for edit in edits} == {
        MANIFEST: ("100644", ours[MANIFEST]),
        PAGE: ("100755", ours[PAGE]),
    }
    assert {edit.path: edit.after for edit in catalogue_without(["archive/old/b"], alone.get)} == dict.fromkeys(alone)


@pytest.mark.parametrize("there", [{}, {MANIFEST: b"[]"}])
def test_where_no_catalogue_is_there_is_nothing_to_take_out(there):
    assert catalogue_without(["archive/old/a"], there.get) == ()


def test_what_the_catalogue_does_not_tell_of_changes_nothing():
    ours = written(catalogue([move("a")], look({"a": b""}), INTENT))
    assert catalogue_without(["archive/old/x"], ours.get) == ()


def test_the_page_of_a_person_outlives_the_manifest():
    ours = written(catalogue([move("a")], look({"a": b""}), INTENT))
    edits = catalogue_without(["archive/old/a"], {**ours, PAGE: b"# Ours\n"}.get)
    assert [(edit.path, edit.after) for edit in edits] == [(MANIFEST, None)]


ODD = st.text(st.sampled_from("ab/`|\\\n\r\t <>&*_#~[]\u00e9\u2028\x1b\udcff"), min_size=1, max_size=8)


@given(st.lists(st.tuples(ODD, ODD, ODD), min_size=1, max_size=4, unique_by=lambda one: one[0]))
def test_any_names_make_whole_tables_and_a_manifest_to_the_byte(names):
    moves = [move(path, category.strip() or "x", reason) for path, category, reason in names]
    moves = list({one.destination: one for one in moves}.values())
    seen = look({one.source: b"" for one in moves})
    result = catalogue(moves, seen, INTENT)
    assert result == catalogue(list(reversed(moves)), seen, INTENT)
    entries = json.loads(written(result)[MANIFEST])["files"]
    assert {(one["from"], one["path"]) for one in entries} == {(one.source, one.destination) for one in moves}
    assert [one["path"] for one in entries] == sorted(one["path"] for one in entries)
    page = written(result)[PAGE].decode("utf-8")
    rows = [line for line in page.split("\n") if line.startswith("| ") and not line.startswith("| original")]
    assert len(rows) == len(moves)
    for row in rows:
        # Three cells, and in each code span an even number of backticks: nothing in a name ends its cell or its span.
        assert row.count("|") == 4 and "\\|" not in row
        assert all(re.fullmatch(r" (`[^`]*`|<code>[^`<>]*</code>) ", cell) for cell in row.split("|")[1:3])
    assert all(line.isprintable() for line in page.split("\n"))
