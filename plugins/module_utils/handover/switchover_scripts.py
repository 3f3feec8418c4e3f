# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is run where C(psql) reaches both PostgreSQL instances and the PgBouncer in front of them.

Arguments of every script: user, database, password file, lock file, host and port of the pooler, host and port of one instance;
more where a script says so. The password is read there and goes on in the environment. What has to be done in an instance's own
folder is done by the instance, C(COPY ... TO PROGRAM), as the user that it runs as; so nothing but the port is needed of it.
"""

from __future__ import annotations

from ansible_collections.sophia.replatform.plugins.module_utils.handover import pooler_file
from ansible_collections.sophia.replatform.plugins.module_utils.handover.script_lock import ALONE

SLOT = "replatform_handover"
MARK = "replatform-fenced "
# As the instance sees it from its data folder: a file that keeps room for taking a fence back.
ROOM = "../replatform.room"

PREAMBLE = (
    r"""
set -eu
PGUSER=$1 database=$2
PGPASSWORD=$(cat "$3")
lock=$4 pooler_host=$5 pooler_port=$6 host=$7 port=$8
shift 8
PGAPPNAME=replatform-handover PGCONNECT_TIMEOUT=5
PGOPTIONS='-c datestyle=ISO -c timezone=UTC -c statement_timeout=0'
export PGUSER PGPASSWORD PGAPPNAME PGCONNECT_TIMEOUT PGOPTIONS
"""
    + ALONE
    + r"""
# The pooler knows no options.
pooler() { PGOPTIONS='' psql -h "$pooler_host" -p "$pooler_port" -d pgbouncer -XAq -v ON_ERROR_STOP=1 "$@"; }
# Clients may be waiting: what a frozen instance does not answer in time is given up.
limit=20
sql() { timeout "$limit" psql -h "$host" -p "$port" -d postgres -XAtq -v ON_ERROR_STOP=1 "$@"; }
# Whatever the instance's default is.
write() { PGOPTIONS="$PGOPTIONS -c default_transaction_read_only=off" sql "$@"; }
"""
)

# A statement of a script that was killed may still be on its way in the server: there, too, one comes after the other.
_ALONE = "SELECT pg_advisory_lock(hashtext('replatform-handover')) \\gset"

# That of a primary's WAL; its control file has it only after the next checkpoint.
_TIMELINE = "('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int"

# In the file, too: a server takes a moment to load it, and was not told to where a script was killed.
_WILL_BE_READ_ONLY = (
    "EXISTS (SELECT FROM pg_file_settings WHERE name = 'default_transaction_read_only' AND setting = 'on' AND applied)"
)

_STATUS_SQL = rf"""
SELECT json_build_object(
  'system', (SELECT system_identifier::text FROM pg_control_system()),
  'standby', pg_is_in_recovery(),
  'lsn', CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
  'checkpoint', c.checkpoint_lsn, 'redo', c.redo_lsn, 'timeline', timeline,
  'received', (SELECT max(('x' || left(name, 8))::bit(32)::int) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{{24}}$'),
  'segment', pg_size_bytes(current_setting('wal_segment_size')),
  'history', CASE WHEN timeline > 1 THEN
    pg_read_file('pg_wal/' || upper(lpad(to_hex(timeline), 8, '0')) || '.history', 0, 1000000, true) END,
  'conninfo', current_setting('primary_conninfo'),
  'upstream', (SELECT sender_host || ':' || sender_port FROM pg_stat_wal_receiver WHERE status = 'streaming'),
  'read_only', current_setting('default_transaction_read_only') = 'on' OR {_WILL_BE_READ_ONLY},
  'condemned', (pg_stat_file('standby.signal', true)).size IS NOT NULL,
  'marked', (SELECT substr(roname, {len(MARK) + 1}) FROM pg_replication_origin WHERE starts_with(roname, '{MARK}')
             ORDER BY roname DESC LIMIT 1),
  'slot', EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '{SLOT}'),
  'lost', EXISTS (SELECT FROM pg_replication_slots s WHERE slot_name = '{SLOT}' AND NOT active AND to_jsonb(s) ->> 'wal_status' = 'lost'),
  'retained', CASE WHEN NOT pg_is_in_recovery() THEN
    (SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) FROM pg_replication_slots WHERE slot_name = '{SLOT}') END,
  'oldest', (SELECT min(substr(name, 9)) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{{24}}$'),
  'asked', pg_last_wal_receive_lsn(),
  'followed', EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '{SLOT}' AND active),
  'credentials', (pg_stat_file(current_setting('data_directory') || '/../replatform.pgpass', true)).size IS NOT NULL,
  'seeding', EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'replatform-seed'),
  'clients', (SELECT count(*) FROM pg_stat_activity
              WHERE backend_type = 'client backend' AND application_name <> 'replatform-handover'))
FROM pg_control_checkpoint() c,
  LATERAL (SELECT CASE WHEN pg_is_in_recovery() THEN timeline_id ELSE {_TIMELINE} END AS timeline) t;
"""

# Of both instances, as status prints it, and of the pooler. A disk that is full keeps nobody from being let go.
STATUS_OF_BOTH = r"""
work=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
trap 'rm -rf "$work"' EXIT
# 2 is a connection that was not made or was lost: it does not answer, unless it answers with a refusal.
ask() {
  if [ -z "$1" ]; then : >"$work/$3"; return; fi
  status "$1" "$2" >"$work/$3" 2>"$work/$3.error" && return
  [ $? = 2 ] && ! grep -Eq 'authentication failed|does not exist|no pg_hba.conf entry' "$work/$3.error" || cp "$work/$3.error" "$work/fault"
  : >"$work/$3"
}
held() {
  awk -F , -v name="$database" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "paused") column = i }
    $1 == name && $column == 1 { found = 1 } END { exit !found }' "$work/databases"
}
# Should the pooler not answer, they are left behind, and nobody is to hear of it, or to wait for the lock.
ask "$host" "$port" 1 2>/dev/null 9>&- &
first=$!
{ ask "$1" "$2" 2.asked && mv "$work/2.asked" "$work/2"; } 2>/dev/null 9>&- &
second=$!
pooler --csv -c 'SHOW DATABASES' -c '\echo == config' -c 'SHOW CONFIG' >"$work/databases"
wait "$first"
# One that is on its way back may be refused by the network a second late: clients whose primary is there don't wait for it.
if held && grep -q '"standby" : false' "$work/1"; then
  for _look in 1 2 3 4 5 6; do [ -e "$work/2" ] || sleep 0.05; done
else
  wait "$second"
fi
[ -e "$work/2" ] || : >"$work/2"
[ ! -e "$work/fault" ] || { cat "$work/fault" >&2; exit 1; }
for part in databases 1 2; do echo "== $part"; cat "$work/$part"; done
"""

# Further arguments: host and port of the other instance, empty where it is gone for good. Four parts, each after a line that names it.
STATUS = (
    PREAMBLE
    + rf"""
alone
status() {{ timeout "$limit" psql -h "$1" -p "$2" -d postgres -XAtq -v ON_ERROR_STOP=1 <<'SQL'
{_STATUS_SQL}
SQL
}}
"""
    + STATUS_OF_BOTH
)

# Since 17, since 15, and before that a locale of ICU is in a column of another name.
_LOCALE = "coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale', collcollate)"
_COLLATION = f"CASE collprovider WHEN 'i' THEN 'ICU ' || {_LOCALE} ELSE collcollate END"
_LOCALE_OF_DATABASE = "coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale')"

# Prints lines of JSON: one of the instance, and one of each database.
FACTS = (
    PREAMBLE
    + rf"""
sql <<'SQL'
SELECT json_build_object(
  'version', current_setting('server_version_num')::int / 10000,
  'block_size', current_setting('block_size')::int,
  'segment', pg_size_bytes(current_setting('wal_segment_size')),
  'wal_level', current_setting('wal_level'),
  'free_senders', current_setting('max_wal_senders')::int - (SELECT count(*) FROM pg_stat_replication),
  'free_slots', current_setting('max_replication_slots')::int
    - (SELECT count(*) FROM pg_replication_slots WHERE slot_name <> 'replatform_handover'),
  'wal_limit', pg_size_bytes(coalesce(current_setting('max_slot_wal_keep_size', true), '-1')),
  'logical_slots', (SELECT coalesce(json_agg(slot_name), '[]') FROM pg_replication_slots WHERE slot_type = 'logical'),
  'synchronous', current_setting('synchronous_standby_names'),
  'size', (SELECT sum(pg_database_size(oid)) FROM pg_database),
  'available_extensions', (SELECT json_object_agg(name, versions)
    FROM (SELECT name, json_agg(version) AS versions FROM pg_available_extension_versions GROUP BY name) v),
  'available_collations', (SELECT json_object_agg({_COLLATION}, coalesce(pg_collation_actual_version(oid), ''))
    FROM pg_collation c WHERE collprovider IN ('c', 'i')),
  'libraries', array_remove(regexp_split_to_array(current_setting('shared_preload_libraries'), '\s*,\s*'), ''),
  'available_libraries', (SELECT json_agg(regexp_replace(f, '\.so$', ''))
    FROM pg_ls_dir((SELECT setting FROM pg_config WHERE name = 'PKGLIBDIR')) f WHERE f LIKE '%.so'),
  'tablespaces', (SELECT coalesce(json_agg(spcname), '[]') FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')),
  'mountpoint', (SELECT count(*) > 0 FROM regexp_split_to_table(pg_read_file('/proc/self/mountinfo'), '\n') line
    WHERE split_part(line, ' ', 5) = current_setting('data_directory')),
  'replication_allowed', EXISTS (SELECT FROM pg_hba_file_rules WHERE 'replication' = ANY (database) AND type LIKE 'host%'));
SQL
sql -c 'SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate' | while IFS= read -r name; do
  PGDATABASE=$name timeout "$limit" psql -h "$host" -p "$port" -XAtq -v ON_ERROR_STOP=1 <<'SQL'
SELECT CASE WHEN current_setting('server_version_num')::int < 150000 THEN 'NULL'
  ELSE 'pg_database_collation_actual_version(d.oid)' END AS version_of_database \gset
SELECT json_build_object(
  'tables', (SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')),
  'unlogged', (SELECT coalesce(json_agg(current_database() || '.' || relname), '[]')
    FROM pg_class WHERE relpersistence = 'u' AND relkind IN ('r', 'S')),
  'extensions', (SELECT coalesce(json_object_agg(extname, extversion), '{{}}') FROM pg_extension),
  'collations', (SELECT coalesce(json_object_agg(name, coalesce(version, '')), '{{}}') FROM (
    SELECT {_COLLATION} AS name, pg_collation_actual_version(c.oid) AS version
    FROM pg_collation c WHERE collprovider IN ('c', 'i') AND coalesce(collcollate, '') NOT IN ('C', 'POSIX')
      AND (collprovider = 'c' AND collcollate IN (SELECT datcollate FROM pg_database)
        OR c.oid IN (SELECT attcollation FROM pg_attribute WHERE attrelid >= 16384))
    UNION SELECT 'ICU ' || {_LOCALE_OF_DATABASE}, :version_of_database
    FROM pg_database d WHERE to_jsonb(d) ->> 'datlocprovider' = 'i') used));
SQL
done
"""
)

# Bytes that are free beside the data folder. An instance that takes no writes can't say.
FREE = (
    PREAMBLE
    + r"""
write <<'SQL'
CREATE TEMP TABLE free (bytes text);
COPY free FROM PROGRAM 'df --output=avail -B 1 .. | tail -n 1';
SELECT trim(bytes) FROM free;
SQL
"""
)

# Bytes that are free where the WAL lies, and the size of that disk.
WAL_ROOM = (
    PREAMBLE
    + r"""
write <<'SQL'
CREATE TEMP TABLE room (bytes text);
COPY room FROM PROGRAM 'df --output=avail,size -B 1 pg_wal/ | tail -n 1';
SELECT bytes FROM room;
SQL
"""
)

# The line of the password file goes as data, so that it shows in no statement, no log and no process list.
GIVE_CREDENTIALS = (
    PREAMBLE
    + r"""
alone
{
  cat <<'SQL'
CREATE TEMP TABLE credentials (line text);
SELECT format('umask 077 && base64 -d >%1$s.new && mv %1$s.new %1$s',
  quote_literal(current_setting('data_directory') || '/../replatform.pgpass')) AS program \gset
COPY credentials FROM STDIN;
SQL
  { printf '*:*:*:%s:' "$PGUSER"; printf '%s' "$PGPASSWORD" | sed 's/[\\:]/\\&/g'; } | base64 -w 0
  printf '\n\\.\n'
  echo "COPY credentials TO PROGRAM :'program';"
} | write
"""
)

REMOVE_CREDENTIALS = (
    PREAMBLE
    + """
alone
sql -c "COPY (SELECT WHERE false) TO PROGRAM 'rm -f ../replatform.pgpass ../replatform.pgpass.new'"
"""
)

# Further arguments: host and port of the one to follow.
_FOLLOW = rf"""
SELECT format('host=%s port=%s user=%s passfile=%s application_name=replatform-standby connect_timeout=5', :'to_host', :'to_port',
  current_user, current_setting('data_directory') || '/../replatform.pgpass') AS conninfo \gset
ALTER SYSTEM SET primary_conninfo = :'conninfo';
ALTER SYSTEM SET primary_slot_name = '{SLOT}';
SELECT pg_reload_conf() \gset
"""
FOLLOW = (
    PREAMBLE
    + f"""
alone
write -v to_host="$1" -v to_port="$2" <<'SQL'
{_FOLLOW}
SQL
"""
)

# One that has lost its WAL does not get it back.
MAKE_SLOT = (
    PREAMBLE
    + rf"""
alone
write <<'SQL'
SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots s
WHERE slot_name = '{SLOT}' AND to_jsonb(s) ->> 'wal_status' = 'lost' \gset
SELECT pg_create_physical_replication_slot('{SLOT}') \gset
SQL
"""
)
DROP_SLOT = (
    PREAMBLE
    + rf"""
alone
write <<'SQL'
SELECT pg_drop_replication_slot('{SLOT}') \gset
SQL
"""
)
CHECKPOINT = (
    PREAMBLE
    + """
alone
limit=0
write -c CHECKPOINT
"""
)

# Run by the instance in its data folder, with to_host, to_port, user, bytes and bindir set before it. It ends with the instance.
# A server finds pg_control by the name of its data folder, so it must not write from when that names the copy: its processes are
# stopped, all but the one that waits for this program, and die stopped. The main process, which may be 1, writes nothing.
SEED_PROGRAM = rf"""
set -eu
unset PGPASSWORD
umask 077
data=$(pwd)
pgpass=$data/../replatform.pgpass
exec >"$data/../replatform.log" 2>&1
exec 9>"$data/../replatform.lock"
flock -n 9 || {{ echo "error: a copy is under way already"; exit 1; }}
free=$(df --output=avail -B 1 .. | tail -n 1)
[ "$free" -gt "$bytes" ] || {{ echo "error: $free bytes are free and $bytes are needed"; exit 1; }}
rm -rf "$data.new" "$data.before"
conninfo="host=$to_host port=$to_port user=$user passfile=$pgpass application_name=replatform-standby connect_timeout=5"
"$bindir/pg_basebackup" -D "$data.new" -X stream -S {SLOT} -c fast -d "$conninfo"
printf "primary_conninfo = '%s'\nprimary_slot_name = '{SLOT}'\n" "$conninfo" >>"$data.new/postgresql.auto.conf"
touch "$data.new/standby.signal"
sync
main=$(head -n 1 postmaster.pid)
children() {{
  for stat in /proc/[0-9]*/stat; do
    read -r pid _name _state parent _rest <"$stat" || continue
    if [ "$parent" = "$main" ] && [ "$pid" != "$PPID" ]; then echo "$pid"; fi
  done 2>/dev/null
}}
for pid in $(children); do kill -STOP "$pid" || true; done
mv "$data" "$data.before"
mv "$data.new" "$data"
echo exchanged
kill -QUIT "$main"
for pid in $(children); do kill -KILL "$pid" || true; done
"""

# Further arguments: the program, and the system and role that the instance must still have. The instance ends the program, and the
# session with it, when it has been exchanged. Whoever restarts the instance takes the time he needs: one that does not answer yet is
# waited for as at any other time.
SEED = (
    PREAMBLE
    + r"""
limit=0
if PGAPPNAME=replatform-seed write -v program="$1" -v over="$2" >/dev/null 2>&1 <<'SQL'
SELECT :'over' = system_identifier || CASE WHEN pg_is_in_recovery() THEN ' standby' ELSE ' primary' END AS same
FROM pg_control_system() \gset
\if :same
SELECT setting AS bindir FROM pg_config WHERE name = 'BINDIR' \gset
SELECT format('bindir=%s; %s', quote_literal(:'bindir'), :'program') AS program \gset
COPY (SELECT WHERE false) TO PROGRAM :'program';
\endif
SQL
then exit 0; fi
for _try in 1 2 3 4 5; do
  said=$(sql -c "SELECT pg_read_file(current_setting('data_directory') || '/../replatform.log')" 2>/dev/null | grep . | tail -n 1) || true
  case $said in
    exchanged) exit 0 ;;
    '') sleep 1 ;;
    *) echo "error: the copy failed: $said" >&2; exit 1 ;;
  esac
done
"""
)

# Further arguments: host and port of the one to follow from now on, and this one's address for the mark. The order matters. Where the
# disk is full nothing is begun, or there is room to take it back.
FENCE = (
    PREAMBLE
    + rf"""
alone
in_its_folder() {{ sql -c "COPY (SELECT WHERE false) TO PROGRAM '$1'"; }}
write -v to_host="$1" -v to_port="$2" -v address="$3" <<'SQL' || {{ in_its_folder 'rm -f {ROOM}'; exit 1; }}
{_ALONE}
SELECT current_setting('data_directory') || '/{ROOM}' AS room \gset
COPY (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 8192)) TO :'room';
ALTER SYSTEM SET default_transaction_read_only = on;
{_FOLLOW}
SELECT count(pg_terminate_backend(pid)) AS ended FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() \gset
COPY (SELECT WHERE false) TO PROGRAM 'touch standby.signal && sync standby.signal .';
SELECT format('{MARK}%s %s', left(pg_walfile_name(pg_current_wal_lsn()), 8), :'address') AS mark \gset
SELECT count(pg_replication_origin_create(:'mark')) WHERE NOT EXISTS (SELECT FROM pg_replication_origin WHERE roname = :'mark') \gset
\echo :ended
SQL
# The session may end before the answer; what counts is what is seen next.
in_its_folder 'rm -f {ROOM}; kill -INT "$(head -n 1 postmaster.pid)"' >/dev/null 2>&1 || true
"""
)

# The order of the fence, backwards.
RELEASE = (
    PREAMBLE
    + rf"""
alone
sql -c "COPY (SELECT WHERE false) TO PROGRAM 'rm -f {ROOM}'"
if [ "$(sql -c 'SELECT pg_is_in_recovery()')" = f ]; then
write <<'SQL'
{_ALONE}
SELECT count(pg_replication_origin_drop(roname)) FROM pg_replication_origin WHERE starts_with(roname, '{MARK}') \gset
COPY (SELECT WHERE false) TO PROGRAM 'rm -f standby.signal && sync .';
SQL
fi
write <<'SQL'
{_ALONE}
ALTER SYSTEM RESET default_transaction_read_only;
SELECT pg_reload_conf() \gset
SQL
"""
)

# For the one of two standbys that is not to be promoted.
VOID = (
    PREAMBLE
    + rf"""
alone
write <<'SQL'
{_ALONE}
ALTER SYSTEM SET default_transaction_read_only = on;
SELECT pg_reload_conf() \gset
SQL
"""
)

# A standby takes a shutdown's checkpoint over when it is told to; then it can be seen.
PROVE = (
    PREAMBLE
    + """
alone
sql -c CHECKPOINT
"""
)

# Further argument: what it had replayed when that was decided. Whatever comes after is the work of another primary, which this run has not
# seen. The mark stays until the pooler leads to the new primary: it says whose place that one has taken.
PROMOTE = (
    PREAMBLE
    + rf"""
alone
said=$(sql -v lsn="$1" <<'SQL'
{_ALONE}
SELECT CASE
  WHEN {_WILL_BE_READ_ONLY} THEN 'void'
  WHEN pg_last_wal_replay_lsn() <> :'lsn' THEN 'moved'
  WHEN pg_promote(true, 15) THEN 'promoted' END;
SQL
)
case $said in
  promoted) ;;
  void) echo "error: $host:$port was made void by another run: it must not be promoted" >&2; exit 1 ;;
  moved) echo "error: $host:$port has gone on since it was to be promoted: it must not be" >&2; exit 1 ;;
  *) echo "error: it was not promoted within 15 s" >&2; exit 1 ;;
esac
"""
)

# Clients go first; then it is asked, in vain or not, who is in the way: one that has a connection of the pooler and began before.
_GO_ON = r"""
go_on() {
  pooler -c "RESUME $database"
  limit=5
  pids=$(pooler --csv -c 'SHOW SERVERS' | awk -F , -v name="$database" '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    $at["database"] == name { printf "%s%s", separator, $at["remote_pid"]; separator = "," }') || pids=
  who=$(sql -v pids="$pids" -v seconds="$1" <<'SQL'
SELECT string_agg(one, ' and ') FROM (
  SELECT format('pid %s (%s: %s, begun %s s ago)', pid, concat_ws(', ', usename, nullif(application_name, '')), state,
    extract(epoch FROM clock_timestamp() - xact_start)::int) AS one
  FROM pg_stat_activity
  WHERE pid = ANY (string_to_array(:'pids', ',')::int[]) AND xact_start < clock_timestamp() - make_interval(secs => :'seconds')
  ORDER BY xact_start LIMIT 3) oldest
SQL
  ) || who=
  echo "error: transactions were still open after $1 s, so clients go on as before: end ${who:-them}, or raise the grace" >&2
  exit 1
}
"""

# Further argument: seconds that were waited.
GO_ON = PREAMBLE + _GO_ON + 'alone\ngo_on "$1"\n'

# Further argument: seconds that open transactions have. Run against the primary.
PAUSE = (
    PREAMBLE
    + _GO_ON
    + r"""
alone
if timeout "$1" sh -c 'PGOPTIONS="" exec psql -h "$1" -p "$2" -d pgbouncer -XAq -v ON_ERROR_STOP=1 -c "PAUSE $3"' \
  sh "$pooler_host" "$pooler_port" "$database"; then exit 0; fi
go_on "$1"
"""
)
RESUME = (
    PREAMBLE
    + """
alone
pooler -c "RESUME $database"
"""
)

# Further argument: the file that holds the line of the database.
POOLER_FILE = PREAMBLE + "file=$1\n" + pooler_file.LINES + pooler_file.LOOK

# Further argument: the same.
TRY_REPOINT = PREAMBLE + "alone\nfile=$1\n" + pooler_file.TRY

# Further arguments: the same, host and port to write there.
REPOINT = PREAMBLE + "alone\nfile=$1\n" + pooler_file.REPOINT
