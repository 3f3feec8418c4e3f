from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.sophia.replatform.plugins.filter.k3s import FilterModule, newer_than

START = "Mon 2026-11-23 10:17:39 UTC"
EPOCH = 1795429059


def test_only_a_later_change_asks_for_a_restart():
    assert newer_than([EPOCH - 100.0, EPOCH + 0.9], START) is False
    assert newer_than([EPOCH - 100.0, EPOCH + 1.0], START) is True
    assert newer_than([], START) is False


def test_what_never_started_is_not_stale():
    assert newer_than([EPOCH + 1.0], "") is False


def test_a_refusal_becomes_a_filter_error_of_one_line():
    with pytest.raises(AnsibleFilterError, match="does not list 'k3s'"):
        FilterModule().filters()["k3s_checksum"]("", "k3s")
