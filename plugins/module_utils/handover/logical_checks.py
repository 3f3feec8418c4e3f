# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What must hold before one PostgreSQL database may follow another by logical replication, and before clients are held. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_checks import slot_faults

# The first with gen_random_uuid() of its own and sequences whose state can be read as here; older ones have no security fixes either.
OLDEST = 13
# One for the subscription and two for the tables that it copies at the same time (max_sync_workers_per_subscription).
WORKERS = 3


@dataclass(frozen=True)
class Facts:
    """What a database and its instance are and offer; sizes are in bytes, O(free) is None where it can't be asked.

    Names of tables are C(schema.table). O(identityless) are those whose updates can't be published, O(filled) those that have rows,
    O(unlogged) and O(large_objects) what is not replicated, O(always) triggers that would fire on both sides, O(stale_views) the
    materialized views that have no contents yet, O(unanalyzed) how many tables the planner knows nothing of. O(roles) are those
    that own something or have a right in it, O(settings) what C(ALTER DATABASE ... SET) has set, O(rw_roles) the roles whose
    settings say whether transactions are read-only. What begins with
    O(available_) is what the instance has. O(logical_slots) are those of others in this database, O(prepared) transactions that
    are prepared and not committed.
    """

    version: int = 15
    superuser: bool = True
    encoding: str = "UTF8"
    wal_level: str = "logical"
    free_senders: int = 10
    free_slots: int = 10
    free_workers: int = 10
    size: int = 0
    free: int | None = None
    tables: int = 0
    filled: t.Sequence[str] = ()
    identityless: t.Sequence[str] = ()
    unlogged: t.Sequence[str] = ()
    large_objects: int = 0
    always: t.Sequence[str] = ()
    stale_views: t.Sequence[str] = ()
    unanalyzed: int = 0
    extensions: t.Sequence[str] = ()
    available_extensions: t.Sequence[str] = ()
    roles: t.Sequence[str] = ()
    available_roles: t.Sequence[str] = ()
    settings: t.Sequence[str] = ()
    rw_roles: t.Sequence[str] = ()
    logical_slots: t.Sequence[str] = ()
    prepared: int = 0


class Side(t.Protocol):
    """What is looked at of an instance, see C(logical.Instance)."""

    @property
    def address(self) -> str: ...
    @property
    def recorded(self) -> str: ...
    @property
    def schema(self) -> str: ...
    @property
    def facts(self) -> Facts: ...


def subscription_faults(primary: Facts, target: Facts, primary_at: str, target_at: str) -> list[str]:
    """Why O(target) can't follow O(primary), each with its mend; empty when it can."""
    faults = []
    if target.version < primary.version:
        faults.append(
            f"{target_at} is PostgreSQL {target.version} and older than {primary_at} with {primary.version}: install"
            f" {primary.version} or newer there"
        )
    if primary.version < OLDEST:
        faults.append(f"{primary_at} is PostgreSQL {primary.version}: upgrade it to {OLDEST} or newer first")
    if primary.encoding != target.encoding:
        faults.append(
            f"the database is in {primary.encoding} on {primary_at} and in {target.encoding} on {target_at}: create it there"
            f" with ENCODING '{primary.encoding}'"
        )
    for at, facts in ((primary_at, primary), (target_at, target)):
        faults += _instance(at, facts)
    faults += _contents(primary, primary_at)
    faults += _lacking(primary, target, target_at)
    need = primary.size + primary.size // 10
    if target.free is not None and target.free < need:
        faults.append(f"{target_at} has {target.free} bytes free and needs {need}: give its volume more room")
    return faults


def _instance(at: str, facts: Facts) -> list[str]:
    """What both need, for either is the publisher one day."""
    faults = []
    if not facts.superuser:
        faults.append(
            f"the user is no superuser of {at}, which freezing the schema needs: ALTER ROLE ... SUPERUSER there"
        )
    if facts.wal_level != "logical":
        faults.append(f"{at} has wal_level {facts.wal_level}: set it to logical and restart it")
    for free, what, setting in (
        (facts.free_senders, "WAL senders", "max_wal_senders"),
        (facts.free_slots, "replication slots", "max_replication_slots"),
        (facts.free_workers, "workers for logical replication", "max_logical_replication_workers"),
    ):
        if free < WORKERS:
            faults.append(f"{at} has {free} free {what} and needs {WORKERS}: raise {setting} by {WORKERS}")
    if facts.rw_roles:
        faults.append(
            f"roles of {at} have a default_transaction_read_only of their own, so that they could not be kept from writing:"
            f" ALTER ROLE ... RESET it for {', '.join(facts.rw_roles)}"
        )
    return faults


def _contents(primary: Facts, at: str) -> list[str]:
    """What is in the database and would not be carried."""
    faults = []
    if primary.identityless:
        faults.append(
            f"{at} has tables whose updates can't be published: add a primary key, or ALTER TABLE ... REPLICA IDENTITY FULL, for"
            f" {', '.join(primary.identityless)}"
        )
    if primary.unlogged:
        faults.append(
            f"{at} has tables that are not replicated: ALTER TABLE ... SET LOGGED for {', '.join(primary.unlogged)}"
        )
    if primary.large_objects:
        faults.append(
            f"{at} has {primary.large_objects} large objects, which are not replicated: move them into columns of type bytea"
            " and lo_unlink them"
        )
    if primary.always:
        faults.append(
            f"{at} has triggers that would fire on both sides: ALTER TABLE ... ENABLE TRIGGER (not ALWAYS, not REPLICA) for"
            f" {', '.join(primary.always)}"
        )
    return faults + slot_faults(primary.logical_slots, at)


def _lacking(primary: Facts, target: Facts, target_at: str) -> list[str]:
    """What the target must have before, for it does not come with the schema."""
    faults = []
    for name in sorted(set(primary.extensions) - set(target.available_extensions)):
        faults.append(f"{target_at} lacks the extension {name}: install its package there")
    roles = sorted(set(primary.roles) - set(target.available_roles))
    if roles:
        faults.append(
            f"{target_at} lacks roles that own something or have rights: CREATE ROLE, or pg_dumpall --roles-only, for"
            f" {', '.join(roles)}"
        )
    settings = sorted(set(primary.settings) - set(target.settings))
    if settings:
        faults.append(f"{target_at} lacks settings of the database: ALTER DATABASE ... SET there {', '.join(settings)}")
    return faults


def readiness_faults(target: Side, primary: Side) -> list[str]:
    """Why clients can't be held yet although O(target) follows O(primary), each with its mend."""
    faults = [
        f"the schema of {one.address} has changed since {target.address} was made: undo that, or say alone of"
        f" {primary.address} and begin again with overwrite"
        for one in (primary, target)
        if one.schema and one.schema != one.recorded
    ]
    if primary.facts.prepared:
        faults.append(
            f"{primary.address} has {primary.facts.prepared} prepared transactions: COMMIT PREPARED or ROLLBACK PREPARED them"
        )
    faults += slot_faults(primary.facts.logical_slots, primary.address)
    if primary.facts.large_objects:
        faults.append(f"{primary.address} has large objects by now, which are not replicated: lo_unlink them")
    return faults
