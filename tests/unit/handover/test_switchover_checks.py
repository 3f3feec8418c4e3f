"""What is checked before a standby is made and before clients are held: each fault alone, and none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_checks import (
    Facts,
    handover_faults,
    seed_faults,
)

HERE = Facts(
    size=1000,
    extensions=[("plpgsql", "1.0"), ("vector", "0.7")],
    collations=[("en_US.utf8", "2.36")],
    libraries=["pg_stat_statements"],
)
THERE = Facts(
    free=1101,
    available_extensions={"plpgsql": ["1.0"], "vector": ["0.6", "0.7"]},
    available_collations={"en_US.utf8": "2.36", "C": ""},
    available_libraries=["pg_stat_statements", "auto_explain"],
)


def faults(primary=HERE, target=THERE):
    return seed_faults(primary, target, "a:1", "b:2")


def test_two_that_fit():
    assert faults() == []
    assert handover_faults("transaction", 0, 10) == handover_faults("statement", 20, 10) == []


@pytest.mark.parametrize(
    ("side", "changes", "says"),
    [
        ("target", {"version": 16}, "install that, or hand over with postgres_logical_switchover"),
        ("both", {"version": 12}, "upgrade it to 13"),
        ("target", {"segment": 1 << 20}, "size of blocks or of WAL segments"),
        ("target", {"block_size": 4096}, "size of blocks"),
        ("primary", {"wal_level": "minimal"}, "set it to replica"),
        ("primary", {"free_senders": 2}, "raise max_wal_senders"),
        ("primary", {"free_slots": 0}, "raise max_replication_slots"),
        ("primary", {"replication_allowed": False}, "pg_hba.conf"),
        ("primary", {"tablespaces": ["fast"]}, "tablespaces fast"),
        ("primary", {"logical_slots": ["feed"]}, "drop feed first"),
        ("primary", {"synchronous": "*"}, "synchronous_standby_names"),
        ("primary", {"unlogged": ["shop.cache"]}, "SET LOGGED for shop.cache"),
        ("target", {"mountpoint": True}, "set PGDATA to a folder below it"),
        ("target", {"free": 1099}, "has 1099 bytes free and needs 1100"),
        ("target", {"available_extensions": {"plpgsql": ["1.0"], "vector": ["0.6"]}}, "lacks the extension vector 0.7"),
        ("target", {"available_libraries": []}, "lacks the library pg_stat_statements"),
        ("target", {"available_collations": {}}, "generate the locale"),
        ("target", {"available_collations": {"en_US.utf8": "2.37"}}, "is version 2.36 on a:1 and 2.37 on b:2"),
    ],
)
def test_each_fault_alone_names_its_mend(side, changes, says):
    primary = replace(HERE, **changes) if side in ("primary", "both") else HERE
    target = replace(THERE, **changes) if side in ("target", "both") else THERE
    (fault,) = faults(primary, target)
    assert says in fault


def test_room_that_is_not_known_is_no_fault():
    assert faults(target=replace(THERE, free=None)) == []


@pytest.mark.parametrize(("mode", "wait", "says"), [("session", 0, "pool_mode"), ("transaction", 19, "at least 20")])
def test_a_pooler_that_can_not_hold_clients(mode, wait, says):
    (fault,) = handover_faults(mode, wait, 10)
    assert says in fault
