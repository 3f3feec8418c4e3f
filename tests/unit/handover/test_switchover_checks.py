"""What is checked before a standby is made and before clients are held: each fault alone, and none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_checks import (
    Facts,
    carried_faults,
    environment_faults,
    handover_faults,
    seed_faults,
    short_of_room,
    slot_warnings,
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


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tablespaces": ["fast"]}, "a:1 has the tablespaces fast: move them"),
        ({"logical_slots": ["feed"]}, "drop feed first"),
        ({"synchronous": "*"}, "set synchronous_standby_names to nothing first"),
        ({"unlogged": ["shop.cache"]}, "SET LOGGED for shop.cache"),
    ],
)
def test_what_a_primary_has_that_no_standby_gets(changes, says):
    assert carried_faults(HERE, "a:1") == []
    (fault,) = carried_faults(replace(HERE, **changes), "a:1")
    assert says in fault


ICU = replace(
    HERE,
    collations=[("ICU de", "153.120")],
    available_collations={"ICU de": "153.120", "ICU und": "153.120"},
)


@pytest.mark.parametrize(
    ("there", "says"),
    [
        ({"ICU de": "153.120"}, None),
        ({"ICU de": "153.112"}, "collation ICU de is version 153.120 on a:1 and 153.112 on b:2"),
        ({"ICU de": ""}, "153.120 on a:1 and unknown on b:2"),
        ({"de": "153.120"}, "b:2 lacks the collation ICU de that a:1 uses: use the same base image"),
    ],
)
def test_locales_of_icu_are_compared_by_name_and_version(there, says):
    found = faults(ICU, replace(THERE, available_collations=there))
    assert (len(found), says is None or says in found[0]) == (int(says is not None), True)


@pytest.mark.parametrize("name", ["ICU de-u-co-phonebk", "ICU de@collation=phonebook"])
def test_a_locale_that_was_made_to_measure_is_judged_by_its_language_or_by_a_standbys_own(name):
    made = replace(ICU, collations=[(name, "153.120.1")])
    alike = replace(THERE, available_collations={"ICU de": "153.120"})
    assert faults(made, alike) == []
    (fault,) = faults(made, replace(THERE, available_collations={"ICU de": "153.112"}))
    assert "the collation ICU de is version 153.120 on a:1 and 153.112 on b:2" in fault
    (fault,) = environment_faults(made, replace(alike, collations=[(name, "153.112.1")]), "a:1", "b:2")
    assert f"the collation {name} is version 153.120.1 on a:1 and 153.112.1 on b:2" in fault
    (fault,) = faults(made, replace(THERE, available_collations={"ICU und": "153.120"}))
    assert f"lacks the collation {name}" in fault


@pytest.mark.parametrize(
    ("room", "disk", "short"),
    [(None, 0, False), (9, 100, True), (10, 100, False), ((2 << 30) - 1, 1 << 40, True), (2 << 30, 1 << 40, False)],
)
def test_what_room_is_too_little_to_keep_wal_in(room, disk, short):
    assert short_of_room(room, disk) is short


def test_a_slot_without_a_limit_is_warned_of():
    limited = replace(HERE, wal_limit=1 << 30)
    assert slot_warnings({"a:1": limited, "b:2": limited}) == slot_warnings({}) == []
    (said,) = slot_warnings({"b:2": HERE, "a:1": HERE})
    assert said.startswith("a:1 and b:2: ") and "max_slot_wal_keep_size is -1" in said
    (said,) = slot_warnings({"b:2": HERE, "a:1": limited})
    assert said.startswith("b:2: ")


def test_room_that_is_not_known_is_no_fault():
    assert faults(target=replace(THERE, free=None)) == []


@pytest.mark.parametrize(("mode", "wait", "says"), [("session", 0, "pool_mode"), ("transaction", 19, "at least 20")])
def test_a_pooler_that_can_not_hold_clients(mode, wait, says):
    (fault,) = handover_faults(mode, wait, 10)
    assert says in fault
