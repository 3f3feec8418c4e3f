# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import os

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.repository import links
from hypothesis import given
from hypothesis import strategies as st

PATH = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=4).map("/".join)
TEXT = st.lists(st.sampled_from(["a", "b", "c", "..", ".", ""]), min_size=1, max_size=6).map("/".join)


@pytest.mark.parametrize(
    "link, text, place",
    [
        ("l", "a", "a"),
        ("d/l", "a", "d/a"),
        ("d/l", "../a", "a"),
        ("d/l", "./x//./a/", "d/x/a"),
        ("d/l", "..", ""),
        ("d/e/l", "../../x/../a", "a"),
        ("l", "l", "l"),
        ("l", "/etc/passwd", None),
        ("l", "..", None),
        ("d/l", "../../d/a", None),
        ("d/l", "../../repository/a", None),
    ],
)
def test_where_a_link_leads(link, text, place):
    assert links.end(link, text) == place


@pytest.mark.parametrize(
    "text, others, passed",
    [
        ("a", ["a"], []),
        ("d/a", ["d"], ["d"]),
        ("d/..", ["d"], ["d"]),
        ("d/../a", ["d"], ["d"]),
        ("d/e/a", ["d/e", "e"], ["d/e"]),
        ("d/a", ["a", "e"], []),
    ],
)
def test_the_links_on_the_way_of_a_link(text, others, passed):
    assert links.through("l", text, others) == passed


@pytest.mark.parametrize(
    "known, needed",
    [
        ({"l": "d/x", "d": "e"}, ["d", "e/x"]),
        ({"l": "d/x", "d": "e/f", "e/f": "../g"}, ["d", "e/f", "g/x"]),
        ({"l": "d/../y", "d": "e/f"}, ["d", "e/y"]),
        ({"l": "d/x", "d": "/etc"}, ["d"]),
        ({"l": "d/x", "d": ".."}, ["d"]),
    ],
)
def test_all_that_a_link_needs(known, needed):
    assert links.reached("l", known["l"], known) == needed


def test_a_loop_ends():
    known = {"l": "d/x", "d": "e", "e": "d"}
    assert set(links.reached("l", known["l"], known)) == {"d", "e"}


@pytest.mark.parametrize(
    "text, link, place, new",
    [
        ("a", "archive/old/l", "a", "../../a"),
        ("a", "archive/old/l", "archive/old/a", "a"),
        ("./a", "archive/old/l", "archive/old/a", "./a"),
        ("../d/", "archive/old/x/l", "d", "../../../d/"),
        ("..", "archive/l", "", ".."),
        ("a", "l", "archive/old/a", "archive/old/a"),
        ("\udcff", "archive/l", "\udcff", "../\udcff"),
    ],
)
def test_what_a_moved_link_must_say(text, link, place, new):
    assert links.retext(text, link, place) == new


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("tree").resolve()
    for name in "abc":
        for below in "abc":
            (root / "a" / name / below).mkdir(parents=True)
    return root


@given(PATH, TEXT, PATH)
def test_a_changed_text_leads_where_it_should(link, text, place):
    assert links.end(link, links.retext(text, link, place)) == place


@given(TEXT.filter(bool))
def test_without_other_links_the_names_alone_say_what_the_kernel_says(tree, text):
    link = tree / "a" / "a" / "l"
    os.symlink(text, link)
    try:
        place = links.end("a/a/l", text)
        if place is not None and link.exists():
            assert link.resolve() == (tree / place).resolve()
    finally:
        link.unlink()
