# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is run for logical replication where C(psql) reaches both PostgreSQL instances. Those for the pooler, and for what an instance
keeps of the password, are in C(switchover_scripts.py), where the arguments of every script are told, too.

C(pg_dump) is that of an instance, run by it (C(COPY ... FROM PROGRAM)), so that it is never older than what it reads.
"""

from __future__ import annotations

from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_scripts import (
    PREAMBLE,
    STATUS_OF_BOTH,
)

# Of the publication, the subscription, the slot, and the schema that holds what freezes the others.
NAME = "replatform_logical"

BEGIN = (
    PREAMBLE
    + r"""
# Text forms must not depend on how either instance is configured.
PGOPTIONS="$PGOPTIONS -c intervalstyle=postgres -c extra_float_digits=3 -c bytea_output=hex -c lc_monetary=C"
at() { _host=$1 _port=$2; shift 2; timeout "$limit" psql -h "$_host" -p "$_port" -d "$database" -XAtq -v ON_ERROR_STOP=1 "$@"; }
here() { at "$host" "$port" "$@"; }
# What neither the read-only default nor the freeze binds.
change() { PGOPTIONS="$PGOPTIONS -c default_transaction_read_only=off -c session_replication_role=replica" here "$@"; }
"""
)

_SETTING = "SELECT FROM pg_db_role_setting WHERE setdatabase = d.oid AND setrole = 0 AND '%s=on' = ANY (setconfig)"

_STATUS_SQL = rf"""
SELECT json_build_object(
  'system', (SELECT system_identifier::text FROM pg_control_system()),
  'freeze', (SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = '{NAME}'),
  'recorded', (SELECT obj_description(oid, 'pg_publication') FROM pg_publication WHERE pubname = '{NAME}'),
  'conninfo', (SELECT subconninfo FROM pg_subscription WHERE subname = '{NAME}' AND subdbid = d.oid),
  'running', EXISTS (SELECT FROM pg_stat_subscription WHERE subname = '{NAME}' AND relid IS NULL AND pid IS NOT NULL
    AND received_lsn IS NOT NULL),
  'pending', (SELECT count(*) FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = srsubid
    WHERE subname = '{NAME}' AND subdbid = d.oid AND srsubstate <> 'r'),
  'slot', s.slot_name IS NOT NULL,
  'confirmed', s.confirmed_flush_lsn,
  'lsn', pg_current_wal_insert_lsn(),
  'read_only', EXISTS ({_SETTING % "default_transaction_read_only"}),
  'fenced', EXISTS ({_SETTING % "replatform.fenced"}),
  'credentials', (pg_stat_file(current_setting('data_directory') || '/../replatform.pgpass', true)).size IS NOT NULL,
  'busy', EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'replatform-handover' AND pid <> pg_backend_pid()
    AND datid = d.oid AND state <> 'idle' AND query NOT LIKE '%json_build_object%'))
FROM pg_database d LEFT JOIN pg_replication_slots s ON s.slot_name = '{NAME}' AND s.datoid = d.oid
WHERE d.datname = current_database();
"""

# Further arguments: host and port of the other instance, empty where it is gone for good. Four parts, each after a line that names it.
STATUS = (
    BEGIN
    + rf"""
alone
status() {{ at "$1" "$2" <<'SQL'
{_STATUS_SQL}
SQL
}}
"""
    + STATUS_OF_BOTH
)

# Tables that are not the catalogue's, nor an extension's own.
OWN = rf"""n.nspname NOT IN ('pg_catalog', 'information_schema', '{NAME}') AND n.nspname NOT LIKE 'pg\_toast%'
    AND n.nspname NOT LIKE 'pg\_temp%'"""

MINE = f"pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND {OWN}"

TABLE = "n.nspname || '.' || c.relname"


def _tables(where: str) -> str:
    return f"(SELECT coalesce(json_agg({TABLE} ORDER BY n.nspname, c.relname), '[]') FROM {MINE} WHERE {where})"


# Whose updates and deletes can be told.
_IDENTITY = """(relreplident IN ('f', 'i')
    OR relreplident = 'd' AND EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisprimary))"""

# Prints a line of JSON, then a line for each table that has rows.
FACTS = (
    BEGIN
    + rf"""
here <<'SQL'
SELECT json_build_object(
  'version', current_setting('server_version_num')::int / 10000,
  'superuser', (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
  'encoding', (SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()),
  'wal_level', current_setting('wal_level'),
  'free_senders', current_setting('max_wal_senders')::int
    - (SELECT count(*) FROM pg_stat_replication WHERE application_name NOT LIKE 'replatform-%'),
  'free_slots', current_setting('max_replication_slots')::int
    - (SELECT count(*) FROM pg_replication_slots WHERE slot_name <> '{NAME}'),
  'free_workers', current_setting('max_logical_replication_workers')::int
    - (SELECT count(*) FROM pg_stat_subscription WHERE pid IS NOT NULL AND subname <> '{NAME}'),
  'size', pg_database_size(current_database()),
  'tables', (SELECT count(*) FROM {MINE} WHERE relkind IN ('r', 'p')),
  'identityless', {_tables(f"relkind = 'r' AND relpersistence = 'p' AND NOT {_IDENTITY}")},
  'unlogged', {_tables("relkind IN ('r', 'p') AND relpersistence = 'u'")},
  'large_objects', (SELECT count(*) FROM pg_largeobject_metadata),
  'always', (SELECT coalesce(json_agg({TABLE} || '.' || tgname), '[]') FROM {MINE} JOIN pg_trigger ON tgrelid = c.oid
    WHERE NOT tgisinternal AND tgenabled IN ('A', 'R')),
  'stale_views', {_tables("relkind = 'm' AND NOT relispopulated")},
  'unanalyzed', (SELECT count(*) FROM {MINE} WHERE relkind = 'r' AND reltuples < 0),
  'extensions', (SELECT json_agg(extname) FROM pg_extension),
  'available_extensions', (SELECT json_agg(name) FROM pg_available_extensions),
  'roles', (SELECT coalesce(json_agg(DISTINCT rolname), '[]') FROM pg_shdepend JOIN pg_roles r ON r.oid = refobjid
    WHERE refclassid = 'pg_authid'::regclass AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())),
  'available_roles', (SELECT json_agg(rolname) FROM pg_roles),
  'settings', (SELECT coalesce(json_agg(one), '[]') FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase, unnest(setconfig) one
    WHERE datname = current_database() AND setrole = 0 AND one NOT LIKE 'default_transaction_read_only=%' AND one NOT LIKE 'replatform.%'),
  'rw_roles', (SELECT coalesce(json_agg(DISTINCT setrole::regrole::text), '[]') FROM pg_db_role_setting, unnest(setconfig) one
    WHERE setrole <> 0 AND one LIKE 'default_transaction_read_only=%'),
  'logical_slots', (SELECT coalesce(json_agg(slot_name), '[]') FROM pg_replication_slots
    WHERE slot_type = 'logical' AND database = current_database() AND slot_name <> '{NAME}' AND NOT temporary
      AND slot_name NOT LIKE 'pg\_%\_sync\_%'),
  'prepared', (SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()));
SELECT format('SELECT %L WHERE EXISTS (SELECT FROM %I.%I)', {TABLE}, n.nspname, c.relname) FROM {MINE}
WHERE relkind = 'r' \gexec
SQL
"""
)

# The slot stays at the publisher, which need not be reached.
UNSUBSCRIBE_SQL = rf"""
SELECT EXISTS (SELECT FROM pg_subscription JOIN pg_database d ON d.oid = subdbid
  WHERE subname = '{NAME}' AND datname = current_database()) AS subscribed \gset
\if :subscribed
ALTER SUBSCRIPTION {NAME} DISABLE;
ALTER SUBSCRIPTION {NAME} SET (slot_name = NONE);
DROP SUBSCRIPTION {NAME};
\endif
"""
