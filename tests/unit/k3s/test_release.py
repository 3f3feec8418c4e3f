from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.release import checksum, redact

A, B, C = ("a" * 64, "B" * 64, "c" * 64)
SUMS = f"{A}  k3s-airgap-images-amd64.tar\n{B}  k3s\n{C} *k3s-arm64\nnot a line\n"


def test_the_name_is_matched_whole():
    assert checksum(SUMS, "k3s") == "b" * 64
    assert checksum(SUMS, "k3s-arm64") == C
    assert checksum(SUMS, "k3s-airgap-images-amd64.tar") == A


def test_a_name_that_is_missing_is_refused():
    with pytest.raises(RefusedError, match="does not list 'k3s-armhf'"):
        checksum(SUMS, "k3s-armhf")


def test_an_error_page_lists_nothing():
    with pytest.raises(RefusedError):
        checksum("<html>404</html>", "k3s")


def test_two_different_sums_for_one_name_are_refused():
    with pytest.raises(RefusedError, match="twice"):
        checksum(f"{A}  k3s\n{C}  k3s\n", "k3s")


@pytest.mark.parametrize(
    "line",
    [
        "joining with K10" + "ab" * 32 + "::server:s3cr3tvalue ok",
        "token=s3cr3tvalue",
        'level=fatal msg="bad" K3S_TOKEN: s3cr3tvalue',
        "password: s3cr3tvalue",
    ],
)
def test_secrets_are_hidden(line):
    assert "s3cr3tvalue" not in redact(line)
    assert "(hidden)" in redact(line)


def test_what_is_no_secret_stays():
    line = 'time="2026-11-23" level=error msg="bind: address already in use: 0.0.0.0:6443"'
    assert redact(line) == line
