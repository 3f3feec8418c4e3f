# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is run in the pod of the new PostgreSQL instance. Arguments: user, database, password file, host, port.

An empty host means the instance in the pod itself. The password is read in the pod and goes on in the environment.
"""

from __future__ import annotations

PREAMBLE = r"""
set -eu
PGUSER=$1 PGDATABASE=$2
PGPASSWORD=$(cat "$3")
PGAPPNAME=replatform-handover PGCONNECT_TIMEOUT=10
# Text forms must not depend on how either instance is configured.
PGOPTIONS='-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=3 -c bytea_output=hex'
PGOPTIONS="$PGOPTIONS -c lc_monetary=C"
export PGUSER PGDATABASE PGPASSWORD PGAPPNAME PGCONNECT_TIMEOUT PGOPTIONS
sql() {
  if [ -n "$host" ]; then psql -h "$host" -p "$port" -XAtq -v ON_ERROR_STOP=1 "$@"; else psql -XAtq -v ON_ERROR_STOP=1 "$@"; fi
}
host=$4 port=$5
# A copy goes on in the pod when the run that began it is killed; it holds this lock for as long.
lock=${TMPDIR:-/tmp}/replatform-handover.lock
"""

# What the read-only state of the instance does not bind.
WRITER = PREAMBLE + 'PGOPTIONS="$PGOPTIONS -c default_transaction_read_only=off"\n'

# One line of JSON; the setting that this new session got is the one that all new sessions get.
STATUS = (
    PREAMBLE
    + r"""
busy=false
exec 9>"$lock"
flock --nonblock 9 || { [ $? -eq 1 ] && busy=true; }
exec 9>&-
sql -v busy="$busy" <<'SQL'
SELECT json_build_object(
  'busy', :'busy'::bool,
  'version', current_setting('server_version_num')::int / 10000,
  'read_only', current_setting('default_transaction_read_only') = 'on',
  'writers', (SELECT count(*) FROM pg_stat_activity
              WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND datname = current_database()
                AND (backend_xid IS NOT NULL OR xact_start < pg_conf_load_time() + interval '100 ms')),
  'clients', (SELECT count(*) FROM pg_stat_activity
              WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND datname = current_database()),
  'since_reload_s', extract(epoch FROM clock_timestamp() - pg_conf_load_time()));
SQL
"""
)

# A line of JSON for each table and sequence; the sum over rows does not depend on their order.
CONTENT = (
    PREAMBLE
    + r"""
sql <<'SQL'
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT format($q$
  SELECT json_build_array(%L, count(*),
    coalesce(sum(('x' || substr(md5(t::text), 1, 16))::bit(64)::bigint::numeric), 0)::text) FROM %I.%I t$q$,
  schemaname || '.' || tablename, schemaname, tablename)
FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY schemaname, tablename \gexec
SELECT json_build_array('sequence ' || schemaname || '.' || sequencename, coalesce(last_value, 0), '') FROM pg_sequences
ORDER BY schemaname, sequencename;
COMMIT;
SQL
"""
)

STOP_WRITES = (
    WRITER
    + r"""
sql -c 'ALTER SYSTEM SET default_transaction_read_only = on' -c 'SELECT pg_reload_conf()' >/dev/null
"""
)

ALLOW_WRITES = (
    WRITER
    + r"""
sql -c 'ALTER SYSTEM RESET default_transaction_read_only' -c 'SELECT pg_reload_conf()' >/dev/null
"""
)

END_WRITERS = (
    WRITER
    + r"""
sql >/dev/null <<'SQL'
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND datname = current_database()
  AND (backend_xid IS NOT NULL OR xact_start < pg_conf_load_time() + interval '100 ms');
SQL
"""
)

# By way of a file: a dump that breaks off in a pipe would be committed as if it were whole.
COPY = (
    WRITER
    + r"""
exec 9>"$lock"
flock 9
dump=$(mktemp)
trap 'rm -f "$dump"' EXIT
pg_dump -h "$host" -p "$port" --clean --if-exists --no-owner --file "$dump"
host=
sql --single-transaction -f "$dump" >/dev/null
stat -c %s "$dump"
"""
)
