# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is run for the schema of a database that is handed over by logical replication, and for what a copy of it lacks."""

from __future__ import annotations

from ansible_collections.sophia.replatform.plugins.module_utils.handover.logical_scripts import (
    BEGIN,
    MINE,
    NAME,
    OWN,
    UNSUBSCRIBE_SQL,
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

# What no dump and no subscription brings along.
ANALYZE = (
    BEGIN
    + rf"""
alone
limit=0
change >/dev/null <<'SQL'
SELECT format('REFRESH MATERIALIZED VIEW %I.%I', nspname, relname) FROM {MINE} WHERE relkind = 'm' AND NOT relispopulated
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
{UNSUBSCRIBE_SQL}
SELECT format('DROP PUBLICATION %I', pubname) FROM pg_publication \gexec
SELECT format('DROP EVENT TRIGGER %I CASCADE', evtname) FROM pg_event_trigger \gexec
SELECT format('DROP EXTENSION %I CASCADE', extname) FROM pg_extension WHERE extname <> 'plpgsql' \gexec
SELECT format('DROP SERVER %I CASCADE', srvname) FROM pg_foreign_server \gexec
SELECT format('DROP SCHEMA %I CASCADE', n.nspname) FROM pg_namespace n WHERE {OWN.replace(f", '{NAME}'", "")} \gexec
SELECT count(lo_unlink(oid)) FROM pg_largeobject_metadata \gset
CREATE SCHEMA public;
SQL
"""
)
