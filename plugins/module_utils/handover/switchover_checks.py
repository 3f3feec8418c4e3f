# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What must hold before one PostgreSQL instance may become a standby of another, and before clients are held. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

# The first in which a standby's settings are reloaded without a restart.
OLDEST = 13
# A copy, its WAL, and one to spare for the standby that follows.
SENDERS = 3


@dataclass(frozen=True)
class Facts:
    """What an instance is and offers; O(size) and O(free) are in bytes, O(free) is None where it can't be asked.

    O(extensions) and O(collations) are those that its databases use, as pairs of name and version; a collation's is that of the
    library on this instance's host. O(libraries) are those that it loads at its start. What begins with O(available_) is what its
    host has. O(tables) are its own and not the catalogue's, O(unlogged) are those of them that a standby has without their rows.
    """

    version: int = 15
    block_size: int = 8192
    segment: int = 16 << 20
    wal_level: str = "replica"
    free_senders: int = 10
    free_slots: int = 10
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
    faults += _environment(primary, target, primary_at, target_at)
    if target.mountpoint:
        faults.append(
            f"the data folder of {target_at} is a volume of its own, which can't be exchanged: set PGDATA to a folder below it"
        )
    if primary.tablespaces:
        faults.append(
            f"{primary_at} has the tablespaces {', '.join(primary.tablespaces)}: move them to the default one"
        )
    if primary.logical_slots:
        faults.append(
            f"{primary_at} has logical slots, which do not move: drop {', '.join(primary.logical_slots)} first"
        )
    if primary.synchronous:
        faults.append(f"{primary_at} waits for synchronous standbys: set synchronous_standby_names to nothing first")
    if primary.unlogged:
        faults.append(
            f"{primary_at} has tables whose rows a standby does not get: ALTER TABLE ... SET LOGGED for"
            f" {', '.join(primary.unlogged)}"
        )
    # What is copied, and a tenth for the WAL of the meantime.
    need = primary.size + primary.size // 10
    if target.free is not None and target.free < need:
        faults.append(f"{target_at} has {target.free} bytes free and needs {need}: give its volume more room")
    return faults


def _environment(primary: Facts, target: Facts, primary_at: str, target_at: str) -> list[str]:
    faults = []
    for name, version in primary.extensions:
        if version not in target.available_extensions.get(name, ()):
            faults.append(f"{target_at} lacks the extension {name} {version}: install its package there")
    for name in sorted(set(primary.libraries) - set(target.available_libraries)):
        faults.append(f"{target_at} lacks the library {name} of shared_preload_libraries: install its package there")
    there = target.available_collations
    for name, version in primary.collations:
        if name not in there:
            faults.append(f"{target_at} lacks the collation {name} that {primary_at} uses: generate the locale there")
        elif there[name] != version:
            faults.append(
                f"the collation {name} is version {version or 'unknown'} on {primary_at} and {there[name] or 'unknown'} on"
                f" {target_at}, so indexes would be read in another order: use the same base image"
            )
    return faults


def handover_faults(pool_mode: str, query_wait_s: float, grace_s: float) -> list[str]:
    """Why clients can't be held at the pooler without a failure, each with its mend; O(query_wait_s) of 0 is no limit."""
    faults = []
    if pool_mode == "session":
        faults.append("the pooler keeps a connection for each client (pool_mode session): set pool_mode to transaction")
    # As long again for the switch itself.
    if query_wait_s and query_wait_s < 2 * grace_s:
        faults.append(
            f"clients of the pooler give up after {query_wait_s:g} s (query_wait_timeout): set it to 0 or to at least"
            f" {2 * grace_s:g}"
        )
    return faults
