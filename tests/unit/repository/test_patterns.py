# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Patterns of many words: they match where one of the words stands, and nowhere else."""

from __future__ import annotations

import re

from ansible_collections.sophia.replatform.plugins.module_utils.repository.patterns import any_of
from hypothesis import given
from hypothesis import strategies as st

WORDS = st.binary(min_size=1, max_size=4).map(lambda raw: raw.replace(b"\n", b"n"))


@given(st.sets(WORDS, min_size=1, max_size=12), st.binary(max_size=30))
def test_they_match_what_holds_a_word_and_nothing_else(words, text):
    found = any(re.search(pattern, text) for pattern in any_of(words))
    assert found == any(word in text for word in words)


def test_what_begins_alike_is_said_once():
    assert any_of([b"check_b.py", b"check_a", b"check_a.py"]) == [b"check_(?:a|b\\.py)"]


def test_no_words_are_no_pattern():
    assert any_of([]) == []


def test_many_words_are_several_patterns():
    words = [f"{number:09}".encode() for number in range(3000)]
    patterns = any_of(words)
    assert len(patterns) > 1
    assert all(sum(bool(re.search(pattern, word)) for pattern in patterns) == 1 for word in words)
