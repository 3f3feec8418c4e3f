from __future__ import annotations

import hashlib

import pytest
from k3s_standin.token import Token, accepted, full, parse

CA = b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"


def test_the_full_form_comes_back():
    text = full("pass:word", "server", CA)
    assert text == f"K10{hashlib.sha256(CA).hexdigest()}::server:pass:word"
    assert parse(text + "\n") == Token("pass:word", "server", hashlib.sha256(CA).hexdigest())


def test_the_full_form_pins_the_ca_and_the_short_form_trusts_any():
    assert parse(full("p", "node", CA)).pins(CA)
    assert not parse(full("p", "node", CA)).pins(CA + b"\n")
    assert parse("short").pins(b"any")


def test_the_form_without_a_user():
    assert parse(f"K10{'a' * 64}::secret") == Token("secret", "node", "a" * 64)


@pytest.mark.parametrize(
    "text, said", [("", "must not be empty"), ("K10abc::server:x", "hash length"), ("K10" + "a" * 64, "hash")]
)
def test_what_is_no_token(text, said):
    with pytest.raises(ValueError, match=said):
        parse(text)


@pytest.mark.parametrize(
    "user, password, wanted",
    [
        ("server", "S", True),
        ("node", "S", True),
        ("node", "A", True),
        ("server", "A", False),
        ("node", "X", False),
        ("root", "S", False),
        ("node", "", False),
        ("node", "ä", False),
    ],
)
def test_who_may_join(user, password, wanted):
    assert accepted(user, password, "S", "A") is wanted
