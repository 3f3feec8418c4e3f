from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from ansible_collections.sophia.replatform.plugins.module_utils.stack.interpolate import interpolate, interpolate_text
from hypothesis import given
from hypothesis import strategies as st

SET = {"A": "one", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("$A", "one"),
        ("${A}-x", "one-x"),
        ("${A:-d}", "one"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${NONE:-d}", "d"),
        ("${NONE-d:e}", "d:e"),
        ("${NONE:-}", ""),
        ("${A:?gone}", "one"),
        ("${EMPTY?gone}", ""),
        ("$$A", "$A"),
        ("$$$A", "$one"),
        ("100$$", "100$"),
        ("${NONE:-http://x:80/?q}", "http://x:80/?q"),
        ("${A:+x}${EMPTY:+y}${NONE:+z}", "x"),
        ("${A+x}${EMPTY+y}${NONE+z}", "xy"),
        ("${NONE:-${A}-${NONE:-deep}}!", "one-deep!"),
        ("${A:-${NONE}}", "one"),
        ("${NONE:+${NEITHER}}", ""),
    ],
)
def test_forms_of_docker(text, wanted):
    assert interpolate_text(text, SET, "w") == wanted


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("${NONE}", "w: variable NONE has no value and no default"),
        ("$NONE", "variable NONE has no value"),
        ("${NONE:?tell me}", "variable NONE is required: tell me"),
        ("${EMPTY:?tell me}", "variable EMPTY is required: tell me"),
        ("${NONE?}", "variable NONE is required"),
        ("${", "is not a variable"),
        ("${A:=x}", "is not a variable"),
        ("${NONE:-${NEITHER}}", "variable NEITHER has no value"),
        ("${A:-", "is not a variable"),
        ("${A:-${B}", "is not a variable"),
        ("${N:-" * 20 + "}" * 20, "nested more than"),
        ("cost $5", "write $$ for a $"),
        ("$", "is not a variable"),
    ],
)
def test_what_is_missing_or_malformed_is_named(text, says):
    with pytest.raises(StackError, match=r".") as error:
        interpolate_text(text, SET, "w")
    assert says in str(error.value)


def test_values_are_filled_in_and_keys_are_not():
    assert interpolate({"$A": ["$A", 1, None, {"b": "$A"}]}, SET, "w") == {"$A": ["one", 1, None, {"b": "one"}]}


@given(st.text())
def test_a_doubled_dollar_is_one_dollar_and_all_else_stays(text):
    assert interpolate_text(text.replace("$", "$$"), {}, "w") == text


@given(st.text(), st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True))
def test_a_value_is_not_interpolated_again(value, name):
    assert interpolate_text("${" + name + "}", {name: value}, "w") == value
