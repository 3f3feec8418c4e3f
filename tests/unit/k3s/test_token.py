from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.token import rotated, secret, token_faults
from hypothesis import given
from hypothesis import strategies as st

CA = "ab" * 32
GOOD = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("text", [GOOD, GOOD + "\n", f"K10{CA}::server:{GOOD}\n", f"K10{CA}::node:{GOOD}"])
def test_the_secret_of_either_form(text):
    assert secret(text) == GOOD


def test_a_bootstrap_token_in_secure_form_has_no_user():
    assert secret(f"K10{CA}::abcdef.0123456789abcdef") == "abcdef.0123456789abcdef"


def test_a_secret_may_hold_a_colon():
    assert secret(f"K10{CA}::server:a:b") == "a:b"


def test_a_good_token():
    assert token_faults(GOOD + "\n", "x") == []


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "empty"),
        ("\n", "empty"),
        ("abcdef.0123456789abcdef", "bootstrap token"),
        (f"K10{CA}::server:{GOOD}", "secure form"),
        ("two words of some length", "one word"),
        ("short", "shorter than 16"),
    ],
)
def test_a_token_that_a_cluster_can_not_be_given(text, said):
    (line,) = token_faults(text, "k3s_token_file")
    assert line.startswith("k3s_token_file: ") and said in line


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=60))
def test_no_message_repeats_the_token(text):
    assert not any(
        text in line.replace("openssl rand -hex 32", "") for line in token_faults(text, "x") if len(text) > 9
    )


@pytest.mark.parametrize(
    "present, noted, given_",
    [
        (f"K10{CA}::server:{GOOD}\n", GOOD, True),
        (f"K10{CA}::server:{GOOD}\n", GOOD[::-1], False),
        (f"K10{CA}::server:{GOOD}\n", "", False),
        ("", "", False),
    ],
)
def test_a_cluster_was_given_the_noted_token_once_it_is_its_own(present, noted, given_):
    assert rotated(present, noted) is given_
