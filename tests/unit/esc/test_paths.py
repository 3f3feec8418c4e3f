from __future__ import annotations

import json

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.esc import paths
from fake_esc import value
from hypothesis import given
from hypothesis import strategies as st

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


# From Pulumi's documentation of structured configuration.
@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("", []),
        ("root", ["root"]),
        ("root.nested", ["root", "nested"]),
        ('root["nested"]', ["root", "nested"]),
        ('root.double["nest"]', ["root", "double", "nest"]),
        ('root["double"].nest', ["root", "double", "nest"]),
        ("root.array[0]", ["root", "array", 0]),
        ("root.array[0][1].nested", ["root", "array", 0, 1, "nested"]),
        ('root["key with \\"escaped\\" quotes"]', ["root", 'key with "escaped" quotes']),
        ('root["key with a ."]', ["root", "key with a ."]),
        ('["root key with a ."]', ["root key with a ."]),
        ("root-with_signs/etc", ["root-with_signs/etc"]),
    ],
)
def test_a_path_is_read_as_pulumi_reads_it(path, parts):
    assert paths.parse(path) == parts


@pytest.mark.parametrize(
    "path", [".root", "root.", "root..nested", "root[", "root[x]", 'root["x', "root[0]nested", "]"]
)
def test_what_is_no_path_is_refused(path):
    with pytest.raises(ReplatformError, match="can't be read from"):
        paths.parse(path)


def written(parts):
    """A path that leads to O(parts), every name in quotes."""
    return "".join(f"[{part}]" if isinstance(part, int) else '["' + part.replace('"', '\\"') + '"]' for part in parts)


def places(values, at=()):
    """Every place in O(values) with what is there."""
    yield at, values
    if isinstance(values, dict):
        for key, one in values.items():
            yield from places(one, (*at, key))
    elif isinstance(values, list):
        for index, one in enumerate(values):
            yield from places(one, (*at, index))


# A backslash before a quote stands for the quote, so a name can't end in one or have one before a quote.
NAMES = st.dictionaries(st.text().filter(lambda name: "\\" not in name), VALUES, max_size=4)


@given(NAMES)
def test_every_place_is_found_again(values):
    for at, there in places(values):
        if not any(isinstance(part, str) and "\\" in part for part in at):
            assert paths.pick(values, written(at)) == there


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_wrapped_values_come_out_as_they_were(values):
    wrapped = json.loads(json.dumps(value(values)["value"]))
    assert paths.plain(wrapped) == values


def test_a_property_called_value_loses_nothing():
    assert paths.plain({"db": value({"value": "a", "user": "b"})}) == {"db": {"value": "a", "user": "b"}}


def test_what_is_not_known_is_no_value():
    unknown = {**value("x"), "unknown": True}
    with pytest.raises(ReplatformError, match="the value of 'a.b' is not known"):
        paths.plain({"a": value({"b": unknown})})


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nope", "the environment has no 'nope', so 'nope' is not there; it has db, list$"),
        ("db.nope", "'db' has no 'nope', so 'db.nope' is not there; it has password$"),
        ("db.password.more", "'db.password' has no 'more', .* it has no keys$"),
        ("list[2]", "'list' has 2 elements"),
        ("db[0]", "'db' is no list"),
    ],
)
def test_a_path_that_leads_nowhere_names_what_is_there_and_no_value(path, said):
    with pytest.raises(ReplatformError, match=said) as caught:
        paths.pick({"db": {"password": "hunter2"}, "list": [1, 2]}, path)
    assert "hunter2" not in str(caught.value)
