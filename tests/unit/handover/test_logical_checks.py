# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is refused before a database follows another by logical replication, each with its mend."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.handover.logical_checks import (
    Facts,
    subscription_faults,
)

HERE = Facts(
    size=1000,
    extensions=["plpgsql", "vector"],
    roles=["shop"],
    settings=["work_mem=5MB"],
)
THERE = Facts(
    version=17,
    free=2000,
    available_extensions=["plpgsql", "vector"],
    available_roles=["shop", "postgres"],
    settings=["work_mem=5MB", "jit=off"],
)


def test_one_that_can_be_followed():
    assert subscription_faults(HERE, THERE, "a:1", "b:2") == []
    assert subscription_faults(HERE, replace(THERE, free=None), "a:1", "b:2") == []


@pytest.mark.parametrize(
    ("side", "changes", "says"),
    [
        ("target", {"version": 14}, "b:2 is PostgreSQL 14 and older than a:1 with 15"),
        ("primary", {"version": 12}, "upgrade it to 13"),
        ("target", {"encoding": "SQL_ASCII"}, "create it there with ENCODING 'UTF8'"),
        ("primary", {"superuser": False}, "ALTER ROLE ... SUPERUSER"),
        ("primary", {"wal_level": "replica"}, "a:1 has wal_level replica: set it to logical"),
        ("target", {"wal_level": "replica"}, "b:2 has wal_level replica: set it to logical"),
        ("primary", {"free_senders": 2}, "raise max_wal_senders by 3"),
        ("target", {"free_slots": 0}, "b:2 has 0 free replication slots and needs 3: raise max_replication_slots"),
        ("target", {"free_workers": 1}, "raise max_logical_replication_workers"),
        ("target", {"rw_roles": ["app"]}, "RESET it for app"),
        ("primary", {"identityless": ["public.log"]}, "REPLICA IDENTITY FULL, for public.log"),
        ("primary", {"unlogged": ["public.cache"]}, "SET LOGGED for public.cache"),
        ("primary", {"large_objects": 3}, "3 large objects"),
        ("primary", {"always": ["public.rows.audit"]}, "fire on both sides"),
        ("primary", {"logical_slots": ["cdc"]}, "drop cdc first"),
        ("target", {"available_extensions": ["plpgsql"]}, "b:2 lacks the extension vector"),
        ("target", {"available_roles": ["postgres"]}, "pg_dumpall --roles-only, for shop"),
        ("target", {"settings": []}, "ALTER DATABASE ... SET there work_mem=5MB"),
        ("target", {"free": 1099}, "has 1099 bytes free and needs 1100"),
    ],
)
def test_each_fault_alone_names_its_mend(side, changes, says):
    primary = replace(HERE, **changes) if side == "primary" else HERE
    target = replace(THERE, **changes) if side == "target" else THERE
    (fault,) = subscription_faults(primary, target, "a:1", "b:2")
    assert says in fault
