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
_OWN = rf"""n.nspname NOT IN ('pg_catalog', 'information_schema', '{NAME}') AND n.nspname NOT LIKE 'pg\_toast%'
    AND n.nspname NOT LIKE 'pg\_temp%'"""
_MINE = f"pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND {_OWN}"
_TABLE = "n.nspname || '.' || c.relname"


def _tables(where: str) -> str:
    return f"(SELECT coalesce(json_agg({_TABLE} ORDER BY n.nspname, c.relname), '[]') FROM {_MINE} WHERE {where})"


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
  'tables', (SELECT count(*) FROM {_MINE} WHERE relkind IN ('r', 'p')),
  'identityless', {_tables(f"relkind = 'r' AND relpersistence = 'p' AND NOT {_IDENTITY}")},
  'unlogged', {_tables("relkind IN ('r', 'p') AND relpersistence = 'u'")},
  'large_objects', (SELECT count(*) FROM pg_largeobject_metadata),
  'always', (SELECT coalesce(json_agg({_TABLE} || '.' || tgname), '[]') FROM {_MINE} JOIN pg_trigger ON tgrelid = c.oid
    WHERE NOT tgisinternal AND tgenabled IN ('A', 'R')),
  'stale_views', {_tables("relkind = 'm' AND NOT relispopulated")},
  'unanalyzed', (SELECT count(*) FROM {_MINE} WHERE relkind = 'r' AND reltuples < 0),
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
SELECT format('SELECT %L WHERE EXISTS (SELECT FROM %I.%I)', {_TABLE}, n.nspname, c.relname) FROM {_MINE}
WHERE relkind = 'r' \gexec
SQL
"""
)

# dump is a program for an instance, which sets host, port, user, database and bindir before it. What one prints is the answer; the
# only way to that is a table, which is gone with the session.
_PROGRAM = r"""
dump=$(cat <<'PROGRAM'
set -eu
unset PGPASSWORD PGOPTIONS
PGPASSFILE=$(pwd)/../replatform.pgpass
PGCONNECT_TIMEOUT=5
export PGPASSFILE PGCONNECT_TIMEOUT
dump=$("$bindir/pg_dump" -h "$host" -p "$port" -U "$user" -d "$database" --schema-only --no-publications --no-subscriptions)
# The key of a dump is drawn anew each time, and what it names as its program is no part of it.
printf '%s\n' "$dump" | grep -Ev '^(\\(un)?restrict |--)'
PROGRAM
)
answer() {
  change -v program="$1" -v host="$2" -v port="$3" <<'SQL'
SELECT CASE WHEN :'host' <> '' THEN :'host'
  WHEN current_setting('listen_addresses') ~ '(^|[ ,])(\*|0\.0\.0\.0|127\.0\.0\.1|localhost)($|[ ,])' THEN '127.0.0.1'
  ELSE split_part(current_setting('unix_socket_directories'), ',', 1) END AS host,
  CASE WHEN :'port' <> '' THEN :'port' ELSE current_setting('port') END AS port \gset
SELECT setting AS bindir FROM pg_config WHERE name = 'BINDIR' \gset
SELECT format('bindir=%s host=%s port=%s user=%s database=%s; %s', quote_literal(:'bindir'), quote_literal(:'host'), :'port',
  current_user, current_database(), :'program') AS program \gset
CREATE TEMP TABLE answer (line text);
COPY answer FROM PROGRAM :'program';
SELECT line FROM answer;
SQL
}
"""

# A hash of the schema as the instance itself dumps it.
FINGERPRINT = (
    BEGIN
    + _PROGRAM
    + r"""
answer "$dump | sha256sum | cut -c 1-64" '' ''
"""
)

# Further arguments: host and port of the one that has the schema. All or nothing.
COPY_SCHEMA = (
    BEGIN
    + _PROGRAM
    + r"""
alone
limit=0
schema=$(answer "$dump | base64 -w 0" "$1" "$2" | base64 -d)
[ -n "$schema" ] || { echo "error: the schema of $1:$2 could not be dumped" >&2; exit 1; }
printf '%s\n' "$schema" | change --single-transaction >/dev/null
"""
)

# Temporary tables are no part of the schema. What the freeze is named by goes along with the schema, so that a copy is known.
FREEZE = (
    BEGIN
    + rf"""
alone
change --single-transaction <<'SQL'
CREATE SCHEMA IF NOT EXISTS {NAME};
CREATE OR REPLACE FUNCTION {NAME}.refuse() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $body$
BEGIN
  IF tg_tag = 'REFRESH MATERIALIZED VIEW'
    OR tg_event = 'sql_drop' AND NOT EXISTS (SELECT FROM pg_event_trigger_dropped_objects() WHERE NOT is_temporary)
    OR tg_event = 'ddl_command_end'
      AND NOT EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE schema_name IS DISTINCT FROM 'pg_temp')
  THEN RETURN; END IF;
  RAISE EXCEPTION '% is refused: the schema of % is frozen while the database is handed over', tg_tag, current_database()
    USING HINT = 'Wait until the handover is over, or give it up (postgres_logical_switchover, state alone).';
END $body$;
DROP EVENT TRIGGER IF EXISTS {NAME}_ddl;
DROP EVENT TRIGGER IF EXISTS {NAME}_drop;
CREATE EVENT TRIGGER {NAME}_ddl ON ddl_command_end EXECUTE FUNCTION {NAME}.refuse();
CREATE EVENT TRIGGER {NAME}_drop ON sql_drop EXECUTE FUNCTION {NAME}.refuse();
SELECT format('COMMENT ON SCHEMA {NAME} IS %L', gen_random_uuid()) \gexec
SQL
"""
)

UNFREEZE = (
    BEGIN
    + rf"""
alone
change --single-transaction <<'SQL'
SET client_min_messages = warning;
DROP PUBLICATION IF EXISTS {NAME};
DROP SCHEMA IF EXISTS {NAME} CASCADE;
SQL
"""
)

# Further argument: the hash of the schema.
PUBLISH = (
    BEGIN
    + rf"""
alone
change --single-transaction -v hash="$1" <<'SQL'
CREATE PUBLICATION {NAME} FOR ALL TABLES;
COMMENT ON PUBLICATION {NAME} IS :'hash';
SQL
"""
)

_SUBSCRIBE = rf"""
SELECT format($$CREATE SUBSCRIPTION {NAME} CONNECTION %L PUBLICATION {NAME}
  WITH (copy_data = %s, synchronous_commit = 'on' %s)$$,
  format('host=%s port=%s dbname=%s user=%s passfile=%s application_name=replatform-logical connect_timeout=5', :'to_host', :'to_port',
    current_database(), current_user, current_setting('data_directory') || '/../replatform.pgpass'),
  :'copy', CASE WHEN current_setting('server_version_num')::int >= 160000 THEN ', origin = none' ELSE '' END)
\gexec
"""

# Further arguments: host and port of the publisher. Transactions that are open there are waited for.
SUBSCRIBE = (
    BEGIN
    + rf"""
alone
limit=0
change -v to_host="$1" -v to_port="$2" -v copy=true <<'SQL'
{_SUBSCRIBE}
SQL
"""
)

# The slot stays at the publisher, which need not be reached.
_UNSUBSCRIBE = rf"""
SELECT EXISTS (SELECT FROM pg_subscription JOIN pg_database d ON d.oid = subdbid
  WHERE subname = '{NAME}' AND datname = current_database()) AS subscribed \gset
\if :subscribed
ALTER SUBSCRIPTION {NAME} DISABLE;
ALTER SUBSCRIPTION {NAME} SET (slot_name = NONE);
DROP SUBSCRIPTION {NAME};
\endif
"""
UNSUBSCRIBE = (
    BEGIN
    + rf"""
alone
change --single-transaction <<'SQL'
{_UNSUBSCRIBE}
SQL
"""
)

# One transaction: it takes writes exactly when it follows nobody any more.
OPEN = (
    BEGIN
    + rf"""
alone
change --single-transaction -v database="$database" <<'SQL'
{_UNSUBSCRIBE}
ALTER DATABASE :"database" RESET default_transaction_read_only;
ALTER DATABASE :"database" RESET replatform.fenced;
SQL
"""
)

# A session that is about to begin may have read the settings before they changed, and not be seen yet; but it holds a lock on the
# database. Only when none of those is left, and every session that is seen has been ended, is it fenced. The message flushes what
# was committed without waiting for that.
FENCE = (
    BEGIN
    + r"""
alone
change -v database="$database" <<'SQL'
ALTER DATABASE :"database" SET default_transaction_read_only = on;
DO $body$
DECLARE beginning int[] := ARRAY(SELECT pid FROM pg_locks WHERE classid = 'pg_database'::regclass
  AND objid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid());
BEGIN
  FOR _each IN 1..400 LOOP
    IF NOT EXISTS (SELECT FROM pg_locks WHERE classid = 'pg_database'::regclass AND pid = ANY (beginning)) THEN RETURN; END IF;
    PERFORM pg_sleep(0.01);
  END LOOP;
  RAISE 'sessions have not begun within 4 s, so nothing is handed over: end them first';
END $body$;
CREATE TEMP TABLE ended AS SELECT pid, backend_start FROM pg_stat_activity
WHERE backend_type = 'client backend' AND datname = current_database() AND application_name <> 'replatform-handover';
SELECT count(pg_terminate_backend(pid)) AS ended FROM ended \gset
DO $body$
BEGIN
  FOR _each IN 1..400 LOOP
    PERFORM pg_stat_clear_snapshot();
    IF NOT EXISTS (SELECT FROM ended JOIN pg_stat_activity USING (pid, backend_start)) THEN RETURN; END IF;
    PERFORM pg_sleep(0.01);
  END LOOP;
  RAISE 'sessions did not end within 4 s, so nothing is handed over: end them first';
END $body$;
ALTER DATABASE :"database" SET replatform.fenced = on;
SELECT pg_logical_emit_message(true, 'replatform', 'fenced') \gset
\echo :ended
SQL
"""
)

# What was inserted last may end at the start of a page, which no position that is confirmed ever is: something more is written.
NUDGE = (
    BEGIN
    + r"""
alone
change -c "SELECT pg_logical_emit_message(true, 'replatform', 'nudge')" >/dev/null
"""
)

# Further arguments: host and port of the publisher, which is fenced like this one, and bytes of tables to compare, the smallest first.
# The sequences are carried, both sides are compared, and then this one follows the other, too. Prints how many were compared.
TURN = (
    BEGIN
    + rf"""
alone
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
here -v work="$work" -v bytes="$3" <<'SQL'
\cd :work
DO $body$ BEGIN
  IF EXISTS (SELECT FROM pg_prepared_xacts WHERE database = current_database())
  THEN RAISE 'there are prepared transactions: COMMIT PREPARED or ROLLBACK PREPARED them'; END IF;
END $body$;
\o sequences
SELECT format($q$SELECT format('SELECT pg_catalog.setval(%%L, %%s, %%L);', %L, last_value, is_called) FROM %I.%I$q$,
  format('%I.%I', n.nspname, c.relname), n.nspname, c.relname) FROM {_MINE} WHERE relkind = 'S' AND relpersistence = 'p'
ORDER BY n.nspname, c.relname \gexec
\o queries
SELECT format($q$SELECT %L, count(*), coalesce(sum(('x' || substr(md5(t::text), 1, 16))::bit(64)::bigint::numeric), 0) FROM %I.%I t;$q$,
  name, nspname, relname)
FROM (SELECT {_TABLE} AS name, nspname, relname, sum(pg_table_size(c.oid)) OVER (ORDER BY pg_table_size(c.oid), c.oid) AS upto
  FROM {_MINE} WHERE relkind = 'r' AND relpersistence = 'p') tables WHERE upto <= :bytes ORDER BY upto;
SELECT format('SELECT %L, last_value, is_called FROM %I.%I;', 'sequence ' || {_TABLE}, nspname, relname)
FROM {_MINE} WHERE relkind = 'S' AND relpersistence = 'p' ORDER BY 1;
\o here
\i queries
SQL
PGOPTIONS="$PGOPTIONS -c default_transaction_read_only=off" at "$1" "$2" \
  -c '\o /dev/null' -f "$work/sequences" -c '\o' -f "$work/queries" >"$work/there"
if ! cmp -s "$work/here" "$work/there"; then
  echo "error: $(diff "$work/here" "$work/there" | sed -n 's/^[<>] \([^|]*\).*/\1/p' | sort -u | head -n 3 | paste -s -d ,)" \
    "differ between the two, so nothing is handed over: find out who wrote to $1:$2" >&2
  exit 1
fi
change -v to_host="$1" -v to_port="$2" -v copy=false <<'SQL'
{_SUBSCRIBE}
SQL
wc -l <"$work/here"
"""
)

DROP_SLOT = (
    BEGIN
    + rf"""
alone
change <<'SQL'
SELECT count(pg_terminate_backend(active_pid)) FROM pg_replication_slots WHERE slot_name = '{NAME}' AND active \gset
DO $body$
BEGIN
  FOR _each IN 1..400 LOOP
    EXIT WHEN NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '{NAME}' AND active);
    PERFORM pg_sleep(0.01);
  END LOOP;
END $body$;
SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots WHERE slot_name = '{NAME}' \gset
SQL
"""
)

# What no dump and no subscription brings along.
ANALYZE = (
    BEGIN
    + rf"""
alone
limit=0
change >/dev/null <<'SQL'
SELECT format('REFRESH MATERIALIZED VIEW %I.%I', nspname, relname) FROM {_MINE} WHERE relkind = 'm' AND NOT relispopulated
ORDER BY c.oid \gexec
ANALYZE;
SQL
"""
)

# Everything of the database's own, in one transaction; whoever could hold a lock has been ended.
EMPTY = (
    BEGIN
    + rf"""
alone
limit=0
change --single-transaction >/dev/null <<'SQL'
SET client_min_messages = warning;
{_UNSUBSCRIBE}
SELECT format('DROP PUBLICATION %I', pubname) FROM pg_publication \gexec
SELECT format('DROP EVENT TRIGGER %I CASCADE', evtname) FROM pg_event_trigger \gexec
SELECT format('DROP EXTENSION %I CASCADE', extname) FROM pg_extension WHERE extname <> 'plpgsql' \gexec
SELECT format('DROP SERVER %I CASCADE', srvname) FROM pg_foreign_server \gexec
SELECT format('DROP SCHEMA %I CASCADE', n.nspname) FROM pg_namespace n WHERE {_OWN.replace(f", '{NAME}'", "")} \gexec
SELECT count(lo_unlink(oid)) FROM pg_largeobject_metadata \gset
CREATE SCHEMA public;
SQL
"""
)
