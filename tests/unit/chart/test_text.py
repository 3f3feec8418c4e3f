from __future__ import annotations

import pytest
import yaml
from ansible_collections.sophia.replatform.plugins.module_utils.chart.text import dump
from hypothesis import given
from hypothesis import strategies as st

DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(DATA)
def test_what_is_written_reads_back(data):
    assert yaml.safe_load(dump(data)) == data


@pytest.mark.parametrize("text", ["y", "N", "1e3", "0o17", "22:22", "~", "", "- a", "a: b", "1_0", "No", "a #b", "*a"])
def test_what_another_parser_may_take_for_something_else_is_quoted(text):
    assert dump([text]) in (f'- "{text}"\n', f'  - "{text}"\n')


def test_names_and_texts_stay_readable():
    assert dump({"image": "registry/a:1"}) == "image: registry/a:1\n"
    assert dump({"configs": {"c": "a = 1\nb: 2\n"}}) == "configs:\n  c: |\n    a = 1\n    b: 2\n"


def test_nothing_is_an_alias():
    shared = {"a": 1}
    assert "&" not in dump([shared, shared])
