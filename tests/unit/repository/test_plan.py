# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.repository.plan import Entry, make_plan
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references import Reference
from ansible_collections.sophia.replatform.plugins.module_utils.repository.rules import Verdict


def move(path: str, to: str | None = None) -> tuple[str, Verdict]:
    return path, Verdict("move", "old", "it is old", to or f"archive/old/{path}")


def plan(*given, entries=(), references=(), links=()):
    verdicts = dict(given)
    known = {path: Entry(path, oid="1" * 40, size=1) for path in verdicts}
    known.update({entry.path: entry for entry in entries})
    verdicts = {path: verdicts.get(path, Verdict("keep", "kept", "no rule")) for path in known}
    found: dict = {}
    for target, user, certain in references:
        found.setdefault(target, []).append(Reference(target, user, 1, "workflow", certain))
    return make_plan([known[path] for path in sorted(known)], verdicts, found, links)


def moved(result) -> list[str]:
    return [one.source for one in result.moves]


def test_counts_the_root_before_and_after():
    result = plan(
        move("a"), move("b"), move("d/e"), entries=[Entry("c", oid="1", size=1), Entry("gone", oid="1", size=-1)]
    )
    assert (result.root_before, result.root_after, result.remaining) == (3, 1, ("c",))


@pytest.mark.parametrize(
    "entry, reason",
    [
        (Entry("a", "160000", "1"), "submodule"),
        (Entry("a", "120000", "1"), "symbolic link"),
        (Entry("a", ""), "does not track"),
        (Entry("a", oid="1", size=-1), "not in the work tree"),
    ],
)
def test_some_things_are_never_moved(entry, reason):
    result = plan(move("a"), entries=[entry])
    assert moved(result) == []
    assert reason in result.kept["a"]


def test_what_is_used_with_certainty_stays_and_what_is_merely_mentioned_moves():
    result = plan(move("used"), move("named"), references=[("used", "ci.yml", True), ("named", "ci.yml", False)])
    assert moved(result) == ["named"]
    assert result.kept == {"used": "workflow ci.yml:1 uses it"}


def test_what_goes_to_the_archive_holds_nothing_back():
    assert moved(plan(move("a"), move("b"), references=[("a", "b", True)])) == ["a", "b"]


def test_what_is_merely_put_in_order_still_holds_back():
    assert moved(plan(move("a"), move("b", "scripts/ci/b"), references=[("a", "b", True)])) == ["b"]


def test_what_has_to_stay_holds_back_what_it_uses_in_turn():
    result = plan(
        move("a"), move("b"), move("c"), references=[("a", "b", True), ("b", "c", True), ("c", "ci.yml", True)]
    )
    assert moved(result) == []


def test_two_that_use_each_other_alone_both_go():
    assert moved(plan(move("a"), move("b"), references=[("a", "b", True), ("b", "a", True)])) == ["a", "b"]


def test_a_file_that_names_itself_is_not_used():
    assert moved(plan(move("a"), references=[("a", "a", True)])) == ["a"]


@pytest.mark.parametrize(
    "given, existing, part",
    [
        ([("a", "archive/x")], ["archive/x"], "there is archive/x"),
        ([("a", "archive/x")], ["archive/X"], "there is archive/X"),
        ([("a", "archive/\u00e9")], ["archive/e\u0301"], "collide"),
        ([("a", "archive/x")], ["archive"], "there is archive"),
        ([("a", "archive/x")], ["ARCHIVE/y"], "there is ARCHIVE"),
        ([("a", "archive/x")], ["archive/x/y"], "there is archive/x"),
        ([("a", "archive/x"), ("b", "archive/x")], [], "there is a"),
        ([("a", "archive/x"), ("b", "archive/X")], [], "there is a"),
        ([("a", "archive/../../x")], [], "outside the repository"),
        ([("a", "archive/.GIT/x")], [], "outside the repository"),
    ],
)
def test_destinations_that_must_not_be(given, existing, part):
    result = plan(*(move(*one) for one in given), entries=[Entry(path, oid="1", size=1) for path in existing])
    assert len(result.faults) == 1
    assert part in result.faults[0]


def test_a_destination_below_a_link_is_a_fault():
    assert "symbolic link: archive" in plan(move("a"), links=["archive"]).faults[0]


def test_existing_neighbours_are_no_fault():
    assert plan(move("a"), entries=[Entry("archive/old/b", oid="1", size=1)]).faults == ()
