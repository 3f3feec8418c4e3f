from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.release import (
    checksum,
    redact,
    release_faults,
    script_due,
)

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


SAID = "k3s version v1.35.6+k3s1 (abc1234)\ngo version go1.24.4\n"


def test_a_binary_of_the_release():
    assert release_faults(SAID, "v1.35.6+k3s1", "k3s_airgap_dir") == []


@pytest.mark.parametrize("wanted", ["v1.35.6+k3s2", "v1.35.60+k3s1", "v1.35.6+k3s", "v1.36.0+k3s1"])
def test_a_binary_of_another_release_is_one_line_that_names_both(wanted):
    (line,) = release_faults(SAID, wanted, "k3s_airgap_dir")
    assert line == (
        f"k3s_airgap_dir: its binary is of v1.35.6+k3s1, and k3s_version is {wanted}; "
        "put that release there, or set k3s_version to the one that is there"
    )


@pytest.mark.parametrize("said", ["", "go version go1.24.4\n", "usage of k3s version v1.35.6+k3s1\n"])
def test_what_does_not_say_its_release_is_refused(said):
    (line,) = release_faults(said, "v1.35.6+k3s1", "k3s_release_url")
    assert line.startswith("k3s_release_url: its binary does not say of which release it is")


@pytest.mark.parametrize(
    "script, unit, due",
    [
        ({"exists": True, "mtime": 10.0}, {"exists": False}, True),
        ({"exists": True, "mtime": 10.0}, {"exists": True, "mtime": 9.9}, True),
        ({"exists": True, "mtime": 10.0}, {"exists": True, "mtime": 10.0}, False),
        ({"exists": True, "mtime": 10.0}, {"exists": True, "mtime": 11.0}, False),
        ({"exists": False}, {"exists": True, "mtime": 11.0}, False),
        ({"exists": False}, {"exists": False}, True),
    ],
)
def test_the_script_is_run_until_it_has_written_its_unit(script, unit, due):
    assert script_due(script, unit) is due
