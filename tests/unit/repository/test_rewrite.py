# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import posixpath

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references import Reference
from ansible_collections.sophia.replatform.plugins.module_utils.repository.rewrite import (
    by_own_place,
    new_token,
    rewritten,
)
from hypothesis import given
from hypothesis import strategies as st


def reference(content: bytes, token: str, target: str, user: str = "ci.yml", base: str = "", kind: str = "shell"):
    start = content.index(token.encode("utf-8", "surrogateescape"))
    end = start + len(token.encode("utf-8", "surrogateescape"))
    return Reference(target, user, content.count(b"\n", 0, start) + 1, kind, True, start, end, base)


@pytest.mark.parametrize(
    "token, base, target, place, new",
    [
        ("a.sh", "", "a.sh", "archive/old/a.sh", "archive/old/a.sh"),
        ("./a.sh", "", "a.sh", "archive/old/a.sh", "./archive/old/a.sh"),
        ("/a.sh", "", "a.sh", "archive/old/a.sh", "/archive/old/a.sh"),
        ("d/../a.sh", "", "a.sh", "archive/a.sh", "archive/a.sh"),
        ("a.sh", "d", "d/a.sh", "archive/d/a.sh", "../archive/d/a.sh"),
        ("./a.sh", "d", "d/a.sh", "archive/d/a.sh", "../archive/d/a.sh"),
        ("../a.sh", "d", "a.sh", "d/b/a.sh", "b/a.sh"),
        ("my a.sh", "", "my a.sh", "archive/my a.sh", "archive/my a.sh"),
        ("caf\u00e9", "", "caf\u00e9", "archive/caf\u00e9", "archive/caf\u00e9"),
        ("\udcff", "", "\udcff", "archive/\udcff", "archive/\udcff"),
        ("../-a", "d", "-a", "d/-a", "./-a"),
        ("a.sh", "", "a.sh", "archive/a new name/a.sh", None),
        ("a.sh", "", "b.sh", "archive/b.sh", None),
        ("/a.sh", "d", "d/a.sh", "archive/d/a.sh", None),
        ("a%20b.md", "", "a b.md", "archive/a b.md", None),
    ],
)
def test_a_token_keeps_its_form(token, base, target, place, new):
    content = b"run: " + token.encode("utf-8", "surrogateescape") + b"\n"
    assert new_token(content, reference(content, token, target, base=base), place, "ci.yml") == new


@pytest.mark.parametrize("kind, new", [("dockerfile", None), ("package.json", None), ("shell", "../archive/d/a.sh")])
def test_some_tools_refuse_a_path_that_leads_up(kind, new):
    content = b"COPY a.sh /\n"
    one = reference(content, "a.sh", "d/a.sh", "d/Dockerfile", "d", kind)
    assert new_token(content, one, "archive/d/a.sh", "d/Dockerfile") == new


@pytest.mark.parametrize(
    "user, base, kind, place, new",
    [
        ("d/run.sh", "d", "shell", "d/a.sh", "../../d/a.sh"),
        ("d/run.sh", "", "shell", "d/a.sh", "d/a.sh"),
        ("read.md", "", "link", "d/a.sh", "../../d/a.sh"),
        ("run.sh", "", "shell", "d/a.sh", "d/a.sh"),
        ("d/run.sh", "d", "shell", "scripts/ci/a.sh", "a.sh"),
    ],
)
def test_a_user_that_moves_names_by_its_own_place_from_the_new_one(user, base, kind, place, new):
    token = "a.sh" if base else "d/a.sh"
    content = f"x {token} y".encode()
    one = reference(content, token, "d/a.sh", user, base, kind)
    assert new_token(content, one, place, "scripts/ci/" + posixpath.basename(user)) == new


@pytest.mark.parametrize(
    "user, base, kind, own",
    [
        ("d/x", "d", "shell", True),
        ("d/x", "", "shell", False),
        ("d/x", "e", "shell", False),
        ("x", "", "shell", False),
        ("x", "", "link", True),
        ("x", "", "compose", True),
    ],
)
def test_which_names_depend_on_where_their_user_is(user, base, kind, own):
    assert by_own_place(Reference("d/a", user, 1, kind, True, 0, 1, base)) is own
    assert not by_own_place(Reference("d/a", user, 1, kind, True, base=base))


def test_many_tokens_in_one_line_longer_and_shorter_and_nothing_else():
    content = b"a.sh\r\n\ta.sh && sh  archive/old/b.sh;a.sh # \xff\r\n\r\nlast"
    one = [Reference("a.sh", "u", line, "shell", True, at, at + 4) for line, at in ((1, 0), (2, 7), (2, 36))]
    assert [content[ref.start : ref.end] for ref in one] == [b"a.sh"] * 3
    other = reference(content, "archive/old/b.sh", "archive/old/b.sh")
    wanted = [(one[2], "archive/a.sh"), (other, "b.sh"), (one[0], "archive/a.sh"), (one[1], "archive/a.sh")]
    after, changes = rewritten(content, wanted, "u")
    assert after == b"archive/a.sh\r\n\tarchive/a.sh && sh  b.sh;archive/a.sh # \xff\r\n\r\nlast"
    assert changes == (
        (1, "a.sh", "archive/a.sh"),
        (2, "a.sh", "archive/a.sh"),
        (2, "archive/old/b.sh", "b.sh"),
        (2, "a.sh", "archive/a.sh"),
    )


def test_a_name_that_is_right_already_is_no_change():
    content = b"d/a"
    assert rewritten(content, [(reference(content, "d/a", "d/a"), "d/a")], "u") == (content, ())


def test_the_same_name_found_in_two_ways_changes_once():
    content = b"x a y"
    one = reference(content, "a", "a")
    assert rewritten(content, [(one, "archive/a"), (one, "archive/a")], "u")[0] == b"x archive/a y"


@pytest.mark.parametrize(
    "spans",
    [
        [(0, 3, "d/a", "archive/d/a"), (2, 3, "a", "archive/a")],
        [(0, 3, "d/a", "archive/d/a"), (0, 3, "d/a", "archive/other")],
        [(0, 2, "d/a", "archive/d/a")],
        [(-1, -1, "d/a", "archive/d/a")],
    ],
)
def test_what_cannot_be_said_is_an_error(spans):
    wanted = [(Reference(target, "u", 1, "shell", True, start, end), to) for start, end, target, to in spans]
    with pytest.raises(ValueError):
        rewritten(b"d/a", wanted, "u")


PART = st.sampled_from(["a", "b.sh", "c d", "\u00e9", "\udcff", "-x"])
PATH = st.lists(PART, min_size=1, max_size=3).map("/".join)
BETWEEN = st.binary(max_size=5)


@given(st.lists(st.tuples(BETWEEN, PATH, st.sampled_from(["", "./", "/"]), st.booleans()), max_size=5), BETWEEN, PATH)
def test_every_token_resolves_to_the_new_place_and_the_bytes_between_stay(names, rest, user):
    content, wanted, between = b"", [], []
    folder = posixpath.dirname(user)
    for gap, target, form, relative in names:
        base = folder if relative and form != "/" else ""
        token = form + posixpath.relpath(f"/{target}", f"/{base}")
        raw = token.encode("utf-8", "surrogateescape")
        start = len(content + gap)
        one = Reference(target, user, 1, "shell", True, start, start + len(raw), base)
        if new_token(content + gap + raw, one, f"archive/x/{target}", user) is None:
            continue  # The folder has a character that this token, from inside of it, did not have.
        wanted.append((one, f"archive/x/{target}"))
        content += gap + raw
        between.append(gap)
    after, _changes = rewritten(content + rest, wanted, user)
    at = 0
    for gap, (one, place) in zip(between, wanted):
        assert after[at : at + len(gap)] == gap
        new = new_token(content, one, place, user)
        assert posixpath.normpath(posixpath.join(one.base, new.lstrip("/"))) == place
        at += len(gap) + len(new.encode("utf-8", "surrogateescape"))
    assert after[at:] == rest
