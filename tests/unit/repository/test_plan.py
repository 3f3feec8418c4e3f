# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import posixpath
import re
from dataclasses import replace

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.repository.catalogue import MANIFEST, MARKER, PAGE
from ansible_collections.sophia.replatform.plugins.module_utils.repository.plan import (
    Entry,
    Intent,
    Look,
    make_plan,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references import Found, Group, Reference
from ansible_collections.sophia.replatform.plugins.module_utils.repository.rules import Verdict
from hypothesis import given, settings
from hypothesis import strategies as st

STAYS = Verdict("keep", "kept", "no rule")
REWRITE = Intent(on_reference="rewrite")


def move(path: str, to: str | None = None) -> tuple[str, Verdict]:
    return path, Verdict("move", "old", "it is old", to or f"archive/old/{path}")


def plan(*given, entries=(), references=(), groups=(), links=(), files=(), intent=None, **seen):
    """A plan of the paths that O(given) moves, O(entries), O(links) (path to text) and O(files) (path to content).

    O(references) are (target, user, certain), or whole ones; those of links to what moves come by themselves.
    """
    verdicts, links, files = dict(given), dict(links), dict(files)
    known = {path: Entry(path, oid="1" * 40, size=1) for path in (*verdicts, *files)}
    known.update({path: Entry(path, "120000", "1" * 40, 1) for path in links})
    known.update({entry.path: entry for entry in entries})
    found: dict = {}
    for one in references:
        if not isinstance(one, Reference):
            target, user, certain = one
            one = Reference(target, user, 1, "workflow", certain)
        found.setdefault(one.target, []).append(one)
    for link, text in links.items():
        end = posixpath.normpath(posixpath.join(posixpath.dirname(link), text))
        for target in known:
            if target != link and (target == end or target.startswith(f"{end}/")):
                found.setdefault(target, []).append(Reference(target, link, 0, "symlink", True))
    look = Look(
        [known[path] for path in sorted(known)],
        {path: verdicts.get(path, STAYS) for path in known},
        Found(found, groups),
        links,
        read=files.get,
        **seen,
    )
    return make_plan(look, intent or Intent())


def named(files: dict[str, bytes], user: str, token: str, target: str, base: str = "", kind: str = "workflow"):
    """A reference to a token that O(files) holds once."""
    content = files[user]
    start = content.index(token.encode())
    line = content.count(b"\n", 0, start) + 1
    return Reference(target, user, line, kind, True, start, start + len(token.encode()), base)


def moved(result) -> list[str]:
    return [one.source for one in result.moves]


def edited(result) -> dict[str, bytes | None]:
    """What is written, without the catalogue of the archive."""
    return {edit.path: edit.after for edit in result.edits if edit.kind != "generated"}


def test_counts_the_root_before_and_after():
    result = plan(
        move("a"),
        move("b"),
        move("d/e"),
        entries=[Entry("c", oid="1", size=1), Entry("gone", oid="1", size=-1)],
        links={"l": "c"},
    )
    assert (result.root_before, result.root_after, result.remaining) == (4, 2, ("c", "l"))


@pytest.mark.parametrize(
    "entry, reason",
    [
        (Entry("a", "160000", "1"), "submodule"),
        (Entry("a", "120000", "1"), "symbolic link for git or"),
        (Entry("a", ""), "does not track"),
        (Entry("a", oid="1", size=-1), "not in the work tree"),
    ],
)
def test_some_things_are_never_moved(entry, reason):
    result = plan(move("a"), entries=[entry])
    assert moved(result) == []
    assert reason in result.kept["a"]


def test_what_git_would_convert_differently_stays():
    result = plan(move("a"), move("b"), recoded={"a"})
    assert moved(result) == ["b"]
    assert "attributes" in result.kept["a"]


def test_archived_leaves_in_place_what_is_only_put_in_order():
    given = [move("a"), move("b", "scripts/ci/b"), move("c", "archived/c")]
    assert moved(plan(*given)) == ["a", "b", "c"]
    result = plan(*given, intent=Intent(state="archived"))
    assert moved(result) == ["a"]
    assert result.kept == {}


# What is in use


def test_what_is_used_with_certainty_stays_and_what_is_merely_mentioned_moves():
    result = plan(move("used"), move("named"), references=[("used", "ci.yml", True), ("named", "ci.yml", False)])
    assert moved(result) == ["named"]
    assert result.kept == {"used": "workflow ci.yml:1 uses it"}


def test_what_goes_to_the_archive_holds_nothing_back():
    assert moved(plan(move("a"), move("b"), references=[("a", "b", True)])) == ["a", "b"]


def test_what_is_in_the_archive_holds_nothing_back():
    assert moved(plan(move("a"), references=[("a", "archive/old/b", True)])) == ["a"]


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
    assert moved(plan(move("a", "scripts/ci/a"), references=[("a", "a", True)])) == ["a"]


def test_a_script_that_finds_others_by_its_own_place_is_not_put_in_order_but_can_be_archived():
    found = {"run.sh": [Reference("lib.sh", "run.sh", 3, "shell", True)]}
    result = plan(move("run.sh", "scripts/ci/run.sh"), move("lib.sh"), by_place=found)
    assert moved(result) == []
    assert result.kept == {
        "run.sh": "it finds lib.sh by its own place (line 3)",
        "lib.sh": "shell run.sh:3 uses it",
    }
    assert moved(plan(move("run.sh"), move("lib.sh"), by_place=found)) == ["lib.sh", "run.sh"]


@pytest.mark.parametrize("base, gone", [("", ["tools/run.sh"]), ("tools", [])])
def test_a_name_from_the_root_stays_right_in_a_script_that_is_put_in_order(base, gone):
    files = {"tools/run.sh": b"sh tools/lib.sh"}
    token = "lib.sh" if base else "tools/lib.sh"
    one = named(files, "tools/run.sh", token, "tools/lib.sh", base, "shell")
    result = plan(move("tools/run.sh", "scripts/ci/tools/run.sh"), move("tools/lib.sh"), references=[one], files=files)
    assert moved(result) == gone
    assert result.kept["tools/lib.sh"] == "shell tools/run.sh:1 uses it"
    if base:
        assert "by its own place" in result.kept["tools/run.sh"]


@pytest.mark.parametrize("mode, gone", [("keep", []), ("rewrite", ["a"])])
def test_what_imports_by_its_own_place_is_not_put_in_order(mode, gone):
    files = {"run.py": b"import lib", "Makefile": b"x: a"}
    references = [Reference("lib.py", "run.py", 1, "import", True), named(files, "Makefile", "a", "a")]
    given = [move("run.py", "scripts/ci/run.py"), move("lib.py"), move("a")]
    assert moved(plan(*given, references=references, files=files, intent=Intent(on_reference=mode))) == gone


# Groups


def group(*paths: str, user: str = "Dockerfile", pattern: str = "d") -> Group:
    return Group(user, 2, "dockerfile", pattern, paths)


def test_a_folder_that_is_used_keeps_its_files_when_all_of_them_would_go():
    given = [move("d/a"), move("d/b"), move("c")]
    result = plan(*given, groups=[group("d/a", "d/b")])
    assert moved(result) == ["c"]
    assert result.kept["d/a"] == "dockerfile Dockerfile:2 uses all of d"
    assert moved(plan(*given, groups=[group("d/a", "d/b", "d/stays")])) == ["c", "d/a", "d/b"]
    assert moved(plan(*given, groups=[group()])) == ["c", "d/a", "d/b"]


def test_a_folder_that_is_used_by_what_goes_to_the_archive_goes():
    given = [move("d/a"), move("d/Dockerfile")]
    assert len(moved(plan(*given, groups=[group("d/a", "d/Dockerfile", user="d/Dockerfile")]))) == 2


def test_what_a_group_holds_back_uses_others_in_turn():
    result = plan(move("d/a"), move("b"), groups=[group("d/a")], references=[("b", "d/a", True)])
    assert moved(result) == []


def test_a_file_that_is_used_leaves_the_rest_of_its_folder_free_to_go():
    result = plan(move("d/a"), move("d/b"), groups=[group("d/a", "d/b")], references=[("d/a", "ci.yml", True)])
    assert moved(result) == ["d/b"]


def test_the_smallest_group_holds_first():
    groups = [group("d/a", "d/e/b", pattern="d"), group("d/e/b", pattern="d/e")]
    assert moved(plan(move("d/a"), move("d/e/b"), groups=groups)) == ["d/a"]


def test_groups_cannot_be_rewritten():
    assert moved(plan(move("d/a"), groups=[group("d/a")], files={"Dockerfile": b"COPY d/ /"}, intent=REWRITE)) == []


# Rewriting users


def test_the_users_of_what_moves_name_its_new_place():
    files = {"ci.yml": b"# a.sh\r\n- run: ./a.sh && b.sh\r\n", "m": b"x: b.sh"}
    references = [
        named(files, "ci.yml", "./a.sh", "a.sh"),
        named(files, "ci.yml", "b.sh", "b.sh"),
        named(files, "m", "b.sh", "b.sh", kind="makefile"),
        Reference("a.sh", "ci.yml", 1, "workflow", False, 2, 6),
    ]
    modes = [Entry("m", "100755", "1" * 40, 1)]
    given = [move("a.sh"), move("b.sh", "scripts/ci/b.sh")]
    result = plan(*given, entries=modes, references=references, files=files, intent=REWRITE)
    assert moved(result) == ["a.sh", "b.sh"]
    assert result.kept == {}
    edits = {edit.path: edit for edit in result.edits if edit.kind != "generated"}
    assert edits["ci.yml"].after == b"# a.sh\r\n- run: ./archive/old/a.sh && scripts/ci/b.sh\r\n"
    assert edits["ci.yml"].before == files["ci.yml"]
    assert edits["ci.yml"].changes == ((2, "./a.sh", "./archive/old/a.sh"), (2, "b.sh", "scripts/ci/b.sh"))
    assert (edits["m"].kind, edits["m"].mode, edits["m"].after) == ("rewrite", "100755", b"x: scripts/ci/b.sh")
    assert [edit.path for edit in result.edits] == sorted(edit.path for edit in result.edits)


def test_a_user_that_is_put_in_order_is_edited_at_its_new_place():
    files = {"tools/run.sh": b"sh tools/a.sh; sh lib.sh; sh stays.sh"}
    references = [
        named(files, "tools/run.sh", "tools/a.sh", "tools/a.sh", kind="shell"),
        named(files, "tools/run.sh", "lib.sh", "tools/lib.sh", "tools", "shell"),
        named(files, "tools/run.sh", "stays.sh", "tools/stays.sh", "tools", "shell"),
    ]
    given = [move("tools/run.sh", "scripts/ci/run.sh"), move("tools/a.sh"), move("tools/lib.sh")]
    result = plan(*given, references=references, files=files, intent=REWRITE)
    assert edited(result) == {
        "scripts/ci/run.sh": b"sh archive/old/tools/a.sh; sh ../../archive/old/tools/lib.sh; sh ../../tools/stays.sh"
    }


def test_a_user_that_goes_to_the_archive_is_not_edited():
    files = {"b": b"a"}
    result = plan(move("a"), move("b"), references=[named(files, "b", "a", "a")], files=files, intent=REWRITE)
    assert moved(result) == ["a", "b"]
    assert edited(result) == {}


def test_what_is_archived_and_used_under_its_new_name_must_find_what_it_uses():
    files = {"ci.yml": b"a.sh b.sh", "a.sh": b". ./c.sh; . d/e.sh; . x.sh", "b.sh": b". z.sh", "f.sh": b"c.sh"}
    references = [
        named(files, "ci.yml", "a.sh", "a.sh"),
        named(files, "ci.yml", "b.sh", "b.sh"),
        named(files, "a.sh", "./c.sh", "c.sh", kind="shell"),
        named(files, "a.sh", "d/e.sh", "d/e.sh", kind="shell"),
        Reference("x.sh", "a.sh", 1, "shell", True),
        named(files, "b.sh", "z.sh", "z.sh", kind="shell"),
        named(files, "f.sh", "c.sh", "c.sh", kind="shell"),
    ]
    given = [move(path) for path in ("a.sh", "b.sh", "c.sh", "d/e.sh", "f.sh", "x.sh", "z.sh")]
    placed = {"b.sh": [Reference("y.sh", "b.sh", 1, "shell", True)]}
    result = plan(*given, references=references, files=files, by_place=placed, intent=REWRITE)
    assert set(result.kept) == {"b.sh", "x.sh"}
    assert edited(result) == {
        "archive/old/a.sh": b". ./archive/old/c.sh; . archive/old/d/e.sh; . x.sh",
        "b.sh": b". archive/old/z.sh",
        "ci.yml": b"archive/old/a.sh b.sh",
    }


FILES = {"ci.json": b'["a", "b"]', "m": b"a"}


@pytest.mark.parametrize(
    "changes, why",
    [
        ({"dirty": {"m"}}, "changes that are not committed"),
        ({"entries": [Entry("m", size=1)]}, "git does not track it"),
        ({"files": {"ci.json": FILES["ci.json"]}}, "git does not track it"),
        ({"files": {**FILES, "m": None}}, "the name alone"),
        ({"references": [Reference("a", "m", 1, "import", True)]}, "the name alone"),
        ({"references": [Reference("a", "m", 1, "makefile", True, 0, 1, "d")]}, "the name alone"),
    ],
)
def test_what_cannot_be_rewritten_keeps_its_target_and_nothing_names_that_anew(changes, why):
    given = {"references": [named(FILES, "m", "a", "a")], "files": FILES, **changes}
    given["references"] = [*given["references"], named(FILES, "ci.json", "a", "a"), named(FILES, "ci.json", "b", "b")]
    result = plan(move("a"), move("b"), intent=REWRITE, **given)
    assert "a" not in moved(result)
    assert re.fullmatch(f"[a-z]+ m:1 uses it, and cannot be rewritten: .*{why}.*", result.kept["a"])
    if "b" in moved(result):
        assert edited(result) == {"ci.json": b'["a", "archive/old/b"]'}


def test_a_user_that_would_no_longer_parse_keeps_all_that_it_names():
    files = {"x.json": b"{a, b", "m": b"a b"}
    references = [named(files, user, token, token) for user in files for token in "ab"]
    result = plan(move("a"), move("b"), references=references, files=files, intent=REWRITE)
    assert moved(result) == []
    assert "no longer parse" in result.kept["a"] and "no longer parse" in result.kept["b"]


def test_names_that_overlap_keep_what_they_name():
    files = {"m": b"d/a"}
    references = [named(files, "m", "d/a", "d/a"), named(files, "m", "a", "a")]
    result = plan(move("a"), move("d/a"), references=references, files=files, intent=REWRITE)
    assert moved(result) == []


def test_what_stays_after_all_is_not_named_anew_by_what_uses_it_in_turn():
    # c cannot be rewritten, so b stays; what a says of b must not change, what it says of d must.
    files = {"a": b"b d", "c": b"-"}
    references = [
        named(files, "a", "b", "b"),
        named(files, "a", "d", "d"),
        Reference("b", "c", 1, "import", True),
    ]
    result = plan(move("b"), move("d"), references=references, files=files, intent=REWRITE)
    assert edited(result) == {"a": b"b archive/old/d"}


def test_fail_refuses_with_the_list_of_what_is_in_use():
    fail = Intent(on_reference="fail")
    references = [("a", "ci.yml", True), ("b", "ci.yml", False)]
    result = plan(move("a"), move("b"), move("d/c"), references=references, groups=[group("d/c")], intent=fail)
    assert len(result.faults) == 1
    assert "in use: a <- ci.yml:1, d/c <- Dockerfile:2:" in result.faults[0]
    assert plan(move("b"), references=references, intent=fail).faults == ()


# Symbolic links


@pytest.mark.parametrize(
    "link, text, to, new",
    [
        ("l", "stays", "archive/old/l", "../../stays"),
        ("l", "a", "archive/old/l", None),
        ("d/l", "../a", "archive/old/d/l", None),
        ("l", "a", "scripts/ci/l", "../../a"),
        ("l", "nothing/there", "archive/old/l", "../../nothing/there"),
        ("l", "l", "archive/old/l", None),
        ("d/l", "..", "archive/old/d/l", "../../.."),
        ("l", "gone", "archive/x/l", "../old/gone"),
        ("l", "mixed", "archive/old/l", "../../mixed"),
        ("l", "other", "archive/old/l", "../../other"),
    ],
)
def test_a_link_that_moves_leads_where_it_led(link, text, to, new):
    given = [move(link, to), move("gone/x"), move("gone/d/y"), move("mixed/x")]
    if to.startswith("archive"):
        given.append(move("a"))
    result = plan(
        *given,
        entries=[Entry("mixed/y", oid="1", size=1), Entry("stays", oid="1")],
        links={link: text, "other": "stays"},
    )
    assert link in moved(result)
    assert edited(result) == ({} if new is None else {to: new.encode()})
    assert all(edit.kind == "link" and edit.mode == "120000" for edit in result.edits if edit.path == to)


def test_links_in_a_loop_are_just_text():
    result = plan(move("l"), move("m", "archive/x/m"), links={"l": "m", "m": "l"})
    assert edited(result) == {"archive/old/l": b"../x/m", "archive/x/m": b"../old/l"}


def test_a_link_that_leads_outside_refuses_the_whole():
    result = plan(move("a"), move("l"), move("d/m"), links={"l": "/etc/passwd", "d/m": "../../x", "stays": "/etc"})
    assert len(result.faults) == 1
    assert "outside the repository: d/m -> ../../x, l -> /etc/passwd: protect them" in result.faults[0]


def test_a_link_whose_way_leads_through_another_stays():
    result = plan(move("l"), links={"l": "d/x", "d": "e"})
    assert moved(result) == []
    assert "through the symbolic link d" in result.kept["l"]


def test_a_link_to_a_folder_whose_files_would_scatter_stays_and_holds_them():
    result = plan(move("l"), move("d/a"), move("d/b", "archive/x/d/b"), links={"l": "d"})
    assert moved(result) == []
    assert "scatter" in result.kept["l"]


def test_a_link_with_changes_stays_when_its_text_would_change():
    assert moved(plan(move("l"), links={"l": "a"}, files={"a": b""}, dirty={"l"})) == []
    assert moved(plan(move("l"), move("a"), links={"l": "a"}, dirty={"l"})) == ["a", "l"]


def test_a_link_that_stays_keeps_its_target():
    result = plan(move("a"), move("d/b"), links={"l": "a", "m": "d"})
    assert result.kept == {"a": "symlink l uses it", "d/b": "symlink m uses it"}


def test_a_link_that_stays_can_be_rewritten():
    links = {"l": "a", "m": "./d/", "n": "l"}
    result = plan(move("a"), move("d/b"), move("d/e/c"), links=links, intent=REWRITE)
    assert moved(result) == ["a", "d/b", "d/e/c"]
    assert edited(result) == {"l": b"archive/old/a", "m": b"archive/old/d/"}
    assert {edit.kind for edit in result.edits if edit.path in links} == {"link"}


@pytest.mark.parametrize(
    "links, changes",
    [
        ({"l": "d"}, {"entries": [Entry("d/stays", oid="1")]}),
        ({"l": "d/a"}, {"dirty": {"l"}}),
        ({"l": "d/a"}, {"entries": [Entry("l", size=1)]}),
        ({"l": "d/a"}, {"entries": [Entry("l", "120000", size=1)]}),
        ({"l": "e/a", "e": "d"}, {"references": [Reference("d/a", "l", 0, "symlink", True)]}),
    ],
)
def test_a_link_that_cannot_be_rewritten_keeps_its_target(links, changes):
    result = plan(move("d/a"), links=links, intent=REWRITE, **changes)
    assert moved(result) == []
    assert "cannot be rewritten" in result.kept["d/a"]


def test_a_link_in_the_archive_follows_what_it_leads_to():
    result = plan(move("a"), links={"archive/old/l": "../../a"})
    assert moved(result) == ["a"]
    assert edited(result) == {"archive/old/l": b"a"}
    assert edited(plan(move("a"), links={"archive/old/l": "../../a"}, dirty={"archive/old/l"})) == {}


def test_a_link_to_a_link_needs_no_new_text_for_what_is_behind_that():
    behind = Reference("a", "m", 0, "symlink", True)
    result = plan(move("a"), links={"l": "a", "m": "l"}, references=[behind], intent=REWRITE)
    assert edited(result) == {"l": b"archive/old/a"}


# Destinations


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
        ([("a", "archive/x"), ("b", "archive/X/y")], [], "b -> archive/X/y (there is a -> archive/x)"),
        ([("a", "scripts/b"), ("scripts/b", "archive/b")], [], "there is scripts/b"),
        ([("archive", "archive/old/archive")], [], "there is archive"),
        ([("a", PAGE)], [], "archive/README.md"),
        ([("a", "archive/x")], ["archive/readme.md"], "there is archive/readme.md"),
        ([("a", "scripts/x")], ["archive"], "archive/README.md (there is archive)"),
        ([("a", "scripts/x")], ["archive/README.md/y"], "archive/README.md (there is archive/README.md)"),
        ([("a", "archive/../../x")], [], "outside the repository"),
        ([("a", "archive/.GIT/x")], [], "outside the repository"),
    ],
)
def test_destinations_that_must_not_be(given, existing, part):
    result = plan(*(move(*one) for one in given), entries=[Entry(path, oid="1", size=1) for path in existing])
    assert len(result.faults) == 1
    assert part in result.faults[0] and "\n" not in result.faults[0]


def test_a_destination_that_git_ignores_is_not_overwritten():
    result = plan(move("a"), files={"a": b""})
    assert result.faults == ()
    look = Look([Entry("a", oid="1")], dict([move("a")]), Found(), read={"archive/old/a": b"x"}.get)
    assert "there is archive/old/a, which git ignores" in make_plan(look, Intent()).faults[0]


def test_a_destination_below_a_link_is_a_fault():
    assert "symbolic link: archive" in plan(move("a"), through=["archive"]).faults[0]
    assert "symbolic link: archive" in plan(move("a", "scripts/a"), links={"archive": "x"}).faults[0]


def test_existing_neighbours_are_no_fault():
    assert plan(move("a"), entries=[Entry("archive/old/b", oid="1", size=1)]).faults == ()


# The catalogue


def test_the_catalogue_is_written_with_the_moves_and_only_then():
    result = plan(move("a"), intent=Intent(base="c0ffee"))
    assert [edit.path for edit in result.edits] == [PAGE, MANIFEST]
    assert b"c0ffee" in result.edits[1].after and result.edits[0].after.startswith(MARKER.encode())
    assert plan(move("a"), references=[("a", "ci.yml", True)]).edits == ()


def test_what_the_catalogue_meets_is_told():
    result = plan(move("a"), files={PAGE: b"mine", MANIFEST: b"[]"})
    assert PAGE in result.kept
    assert "rename it" in result.faults[0]


# What is added


def test_what_is_given_is_added_where_git_has_nothing():
    result = plan(
        files={"there.md": b"1"}, intent=Intent(added={"there.md": b"2", "new.md": b"3", "docs/new.md": b"4"})
    )
    assert edited(result) == {"new.md": b"3", "docs/new.md": b"4"}
    assert (result.root_before, result.remaining, result.faults) == (1, ("new.md", "there.md"), ())


def test_nothing_is_added_where_it_all_is():
    assert plan(files={"there.md": b"1"}, intent=Intent(added={"there.md": b"2"})).is_empty


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("../up.md", "leads outside the repository"),
        ("/up.md", "leads outside the repository"),
        (".git/config", "leads outside the repository"),
        ("mine.md", "commit or remove it"),
        ("way.md", "commit or remove it"),
        ("MINE.md", "destinations collide"),
        ("link/new.md", "lead through a symbolic link"),
    ],
)
def test_what_can_not_be_added_forbids_the_run(path, why):
    mine = [Entry("mine.md", size=1), Entry("way.md", "120000", size=1)]
    there = {"files": {"mine.md": b"1"}, "links": {"link": "x", "way.md": "mine.md"}}
    result = plan(entries=mine, **there, intent=Intent(added={path: b"2"}))
    assert any(why in fault for fault in result.faults)


# Any tree

NAMES = ["a", "b", "c.sh", "d", "e.md"]
PATHS = [*NAMES, *(f"{folder}/{name}" for folder in ("x", "x/y", "tools") for name in NAMES)]


@st.composite
def trees(draw):
    """Files that name each other, links, rules and groups: what a survey would find, made and not searched for."""
    paths = sorted(draw(st.sets(st.sampled_from(PATHS), min_size=2, max_size=12)))
    links = {}
    files: dict[str, bytes] = {}
    verdicts, references = {}, []
    for path in paths:
        to = draw(st.sampled_from(["", "", f"archive/old/{path}", f"archive/new/{path}", "scripts/ci/"]))
        to += posixpath.basename(path) if to.endswith("/") else ""
        verdicts[path] = Verdict("move", "old", "it is old", to) if to else STAYS
        if draw(st.integers(0, 4)) == 0:
            end = draw(st.sampled_from([*paths, "x", "x/y", "absent"]))
            links[path] = posixpath.relpath(f"/{end}", f"/{posixpath.dirname(path)}")
            continue
        content = b""
        for target in draw(st.lists(st.sampled_from(paths), max_size=3)):
            own = draw(st.booleans())
            base = posixpath.dirname(path) if own else ""
            token = draw(st.sampled_from(["", "./"])) + posixpath.relpath(f"/{target}", f"/{base}")
            start = len(content) + 1
            end = start + len(token)
            content += f" {token}\r\n".encode()
            plain = draw(st.integers(0, 5)) > 0
            place = (start, end, base) if plain else (-1, -1, "")
            if target != path:
                kind = "shell" if plain else draw(st.sampled_from(["shell", "import"]))
                references.append(Reference(target, path, 1, kind, draw(st.integers(0, 4)) > 0, *place))
        files[path] = content
    groups = []
    if draw(st.booleans()):
        user, folder = draw(st.sampled_from(paths)), draw(st.sampled_from(["x", "x/y", "tools"]))
        groups.append(Group(user, 1, "dockerfile", folder, tuple(p for p in paths if p.startswith(f"{folder}/"))))
    dirty = draw(st.sets(st.sampled_from(paths), max_size=2))
    mode = draw(st.sampled_from(["keep", "rewrite", "fail"]))
    state = draw(st.sampled_from(["archived", "organised"]))
    return paths, links, files, verdicts, references, groups, dirty, Intent(state, mode)


def carried_out(tree: dict[str, object], result) -> dict[str, object]:
    """The tree after the moves and then the edits."""
    tree = dict(tree)
    for one in result.moves:
        assert one.destination not in tree
        tree[one.destination] = tree.pop(one.source)
    for edit in result.edits:
        assert tree.pop(edit.path, None) == edit.before
        if edit.after is not None:
            tree[edit.path] = edit.after
    return tree


def undone(tree: dict[str, object], result) -> dict[str, object]:
    back = [replace(one, source=one.destination, destination=one.source) for one in result.moves]
    edits = [replace(edit, before=edit.after, after=edit.before) for edit in result.edits]
    return carried_out(carried_out(tree, replace(result, moves=(), edits=edits)), replace(result, moves=back, edits=()))


@settings(max_examples=300)
@given(trees())
def test_of_any_tree_nothing_is_lost_and_everything_that_stays_in_use_is_found(tree):
    paths, links, files, verdicts, references, groups, dirty, intent = tree
    seen = {"references": references, "groups": groups, "links": links, "files": files, "dirty": dirty}
    result = plan(*((path, verdicts[path]) for path in paths), intent=intent, **seen)
    to = {one.source: one.destination for one in result.moves}
    after = {path: to.get(path, path) for path in paths}
    ends = {link: posixpath.normpath(posixpath.join(posixpath.dirname(link), text)) for link, text in links.items()}
    assert set(to) | set(result.kept) <= {path for path in paths if verdicts[path].outcome == "move"}
    assert not set(to) & set(result.kept)
    assert all(destination == verdicts[source].destination for source, destination in to.items())
    if result.faults:
        return
    assert len(set(after.values())) == len(paths)
    before = {**files, **{link: text.encode() for link, text in links.items()}}
    then = carried_out(before, result)
    assert undone(then, result) == before
    assert set(then) - {PAGE, MANIFEST} == set(after.values())

    gone = {path for path in paths if after[path].startswith("archive/")}
    for _path in paths:
        # What is in use uses others in turn, wherever it is.
        used = {one.target for one in references if one.certain and one.user not in gone}
        gone -= used | {end for link, end in ends.items() if link not in gone}
    for one in references:
        if not one.certain or one.user in gone:
            continue
        if one.target in to:
            assert intent.on_reference == "rewrite" and one.start >= 0
            assert one.user not in dirty
        assert one.user not in to or one.kind != "import"
        if one.start < 0:
            continue
        # The how-manieth token of its user it is, it still is.
        at = files[one.user][: one.start].count(b" ") - 1
        token = then[after[one.user]].split()[at].decode()
        own = one.base and one.base == posixpath.dirname(one.user)
        base = posixpath.dirname(after[one.user]) if own else one.base
        assert posixpath.normpath(posixpath.join(base, token)) == after[one.target]
    for link, end in ends.items():
        if end in after and not any(end.startswith(f"{other}/") for other in links):
            now = then[after[link]].decode()
            assert posixpath.normpath(posixpath.join(posixpath.dirname(after[link]), now)) == after[end]
    for one in groups:
        if one.paths and one.user not in gone:
            assert not all(path in to for path in one.paths)
