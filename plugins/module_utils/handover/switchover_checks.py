# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What must hold before one PostgreSQL instance may become a standby of another, and before clients are held. Pure."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

# The first in which a standby's settings are reloaded without a restart.
OLDEST = 13
# A copy, its WAL, and one to spare for the standby that follows.
SENDERS = 3
# The switch itself, on a host that is busy.
SWITCH_S = 10
# What a disk must have free while WAL is kept on it for another instance: a tenth, and no more than that of a large one.
ROOM_SHARE, ROOM_ENOUGH = 10, 2 << 30


@dataclass(frozen=True)
class Facts:
    """What an instance is and offers; O(size) and O(free) are in bytes, O(free) is None where it can't be asked.

    O(wal_limit) is how many bytes of WAL a slot may keep, -1 any.
    O(extensions) and O(collations) are those that its databases use, as pairs of name and version; a collation's is that of the
    library on this instance's host, and its name is C(ICU LOCALE) where that is ICU. O(libraries) are those that it loads at its start. What
    begins with O(available_) is what its host has. O(tables) are its own and not the catalogue's, O(unlogged) are tables and sequences that
    a standby has without their contents.
    """

    version: int = 15
    block_size: int = 8192
    segment: int = 16 << 20
    wal_level: str = "replica"
    free_senders: int = 10
    free_slots: int = 10
    wal_limit: int = -1
    logical_slots: t.Sequence[str] = ()
    synchronous: str = ""
    size: int = 0
    free: int | None = None
    tables: int = 0
    unlogged: t.Sequence[str] = ()
    extensions: t.Sequence[tuple[str, str]] = ()
    available_extensions: t.Mapping[str, t.Sequence[str]] = field(default_factory=dict)
    collations: t.Sequence[tuple[str, str]] = ()
    available_collations: t.Mapping[str, str] = field(default_factory=dict)
    libraries: t.Sequence[str] = ()
    available_libraries: t.Sequence[str] = ()
    tablespaces: t.Sequence[str] = ()
    mountpoint: bool = False
    replication_allowed: bool = True


def seed_faults(primary: Facts, target: Facts, primary_at: str, target_at: str) -> list[str]:
    """Why O(target) can't become a standby of O(primary), each with its mend; empty when it can."""
    faults = []
    if primary.version != target.version:
        faults.append(
            f"{primary_at} is PostgreSQL {primary.version} and {target_at} is {target.version}, and a standby must be of the"
            " same major version: install that, or hand over with postgres_logical_switchover (streaming.logical)"
        )
    elif primary.version < OLDEST:
        faults.append(f"{primary_at} is PostgreSQL {primary.version}: upgrade it to {OLDEST} or newer first")
    if (primary.block_size, primary.segment) != (target.block_size, target.segment):
        faults.append(f"{primary_at} and {target_at} differ in the size of blocks or of WAL segments: build them alike")
    if primary.wal_level == "minimal":
        faults.append(f"{primary_at} has wal_level minimal: set it to replica and restart it")
    if primary.free_senders < SENDERS:
        faults.append(f"{primary_at} has {primary.free_senders} free WAL senders: raise max_wal_senders by {SENDERS}")
    if primary.free_slots < 1:
        faults.append(f"{primary_at} has no free replication slot: raise max_replication_slots by 1")
    if not primary.replication_allowed:
        faults.append(f"{primary_at} has no line for replication in its pg_hba.conf: add one for {target_at}")
    faults += environment_faults(primary, target, primary_at, target_at)
    if target.mountpoint:
        faults.append(
            f"the data folder of {target_at} is a volume of its own, which can't be exchanged: set PGDATA to a folder below it"
        )
    faults += carried_faults(primary, primary_at)
    # What is copied, and a tenth for the WAL of the meantime.
    need = primary.size + primary.size // 10
    if target.free is not None and target.free < need:
        faults.append(f"{target_at} has {target.free} bytes free and needs {need}: give its volume more room")
    return faults


def carried_faults(primary: Facts, primary_at: str) -> list[str]:
    """What O(primary) has that would not be carried, or would keep it from being fenced, whether or not a standby follows already."""
    faults = []
    if primary.tablespaces:
        faults.append(
            f"{primary_at} has the tablespaces {', '.join(primary.tablespaces)}: move them to the default one"
        )
    faults += slot_faults(primary.logical_slots, primary_at)
    if primary.synchronous:
        faults.append(f"{primary_at} waits for synchronous standbys: set synchronous_standby_names to nothing first")
    if primary.unlogged:
        faults.append(
            f"{primary_at} has tables or sequences whose contents a standby does not get: ALTER TABLE (or SEQUENCE) ... SET LOGGED for"
            f" {', '.join(primary.unlogged)}"
        )
    return faults


def slot_faults(logical_slots: t.Sequence[str], at: str) -> list[str]:
    """Why what the instance at O(at) keeps for others would be lost, however it is handed over."""
    return (
        [f"{at} has logical slots, which do not move: drop {', '.join(logical_slots)} first"] if logical_slots else []
    )


def environment_faults(primary: Facts, target: Facts, primary_at: str, target_at: str) -> list[str]:
    """Why O(target) would not read what it has from O(primary) as that does, however it came by it."""
    faults = []
    for name, version in primary.extensions:
        if version not in target.available_extensions.get(name, ()):
            faults.append(f"{target_at} lacks the extension {name} {version}: install its package there")
    for name in sorted(set(primary.libraries) - set(target.available_libraries)):
        faults.append(f"{target_at} lacks the library {name} of shared_preload_libraries: install its package there")
    here, there = _known_collations(primary), _known_collations(target)
    for used, _version in primary.collations:
        name = used if used in there else _language(used)
        if name not in here or name not in there:
            mend = "use the same base image" if used.startswith("ICU ") else "generate the locale there"
            faults.append(f"{target_at} lacks the collation {used} that {primary_at} uses: {mend}")
        elif here[name] != there[name]:
            faults.append(
                f"the collation {name} is version {here[name] or 'unknown'} on {primary_at} and {there[name] or 'unknown'} on"
                f" {target_at}, so indexes would be read in another order: use the same base image"
            )
    return faults


def _known_collations(facts: Facts) -> dict[str, str]:
    return {**facts.available_collations, **dict(facts.collations)}


def _language(name: str) -> str:
    """What a locale of ICU that was made to measure, C(de-u-co-phonebk), is made of: a server knows that one beforehand."""
    return re.sub("(-u-|@).*", "", name.replace("_", "-")) if name.startswith("ICU ") else name


def short_of_room(room: int | None, disk: int) -> bool:
    """Whether so little is free on a disk that no WAL should be kept there for another instance; O(room) may not be known."""
    return room is not None and room < min(disk // ROOM_SHARE, ROOM_ENOUGH)


def slot_warnings(instances: t.Mapping[str, Facts]) -> list[str]:
    """What may become of the disks of O(instances), by address, none of which is full now."""
    endless = " and ".join(sorted(at for at, facts in instances.items() if facts.wal_limit < 0))
    if not endless:
        return []
    said = (
        f"{endless}: WAL is kept for the other instance without limit (max_slot_wal_keep_size is -1). Should that one be gone for long,"
        " the disk fills, and then nobody can write. With a limit the standby would be lost instead, and be seeded anew."
    )
    return [said]


def handover_faults(pool_mode: str, query_wait_s: float, grace_s: float) -> list[str]:
    """Why clients can't be held at the pooler without a failure, each with its mend; O(query_wait_s) of 0 is no limit."""
    faults = []
    if pool_mode == "session":
        faults.append("the pooler keeps a connection for each client (pool_mode session): set pool_mode to transaction")
    need_s = grace_s + SWITCH_S
    if query_wait_s and query_wait_s < need_s:
        faults.append(
            f"clients of the pooler give up after {query_wait_s:g} s (query_wait_timeout): set it to 0 or to at least"
            f" {need_s:g}"
        )
    return faults
