# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is run in the pod of the new PostgreSQL instance. Arguments: user, database, password file, whether
rows of the new instance may be lost, host, port.

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
may_be_lost=$4 host=$5 port=$6
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

# What a dump has; the names of a server's own schemas, such as those of temporary tables, begin with pg_.
_TABLES = """(SELECT schemaname || '.' || tablename AS name, format('%I.%I', schemaname, tablename) AS at
FROM pg_tables WHERE schemaname !~ '^pg_' AND schemaname <> 'information_schema') own"""
_SEQUENCES = """(SELECT 'sequence ' || schemaname || '.' || sequencename AS name, format('%I.%I', schemaname, sequencename) AS at, last_value
FROM pg_sequences WHERE schemaname !~ '^pg_') own"""
_BOTH = f"(SELECT name, at FROM {_TABLES} UNION ALL SELECT name, at FROM {_SEQUENCES}) own"

# A line of JSON with the name of each table and sequence; it waits for no lock.
NAMES = PREAMBLE + f'sql -c "SELECT to_json(name) FROM {_BOTH}"\n'

# A line of JSON for each table and sequence: whether it has rows or was used.
OUTLINE = (
    PREAMBLE
    + rf"""
sql <<'SQL'
SELECT format('SELECT json_build_array(%L, EXISTS (SELECT FROM %s))', name, at) FROM {_TABLES} \gexec
SELECT json_build_array(name, last_value IS NOT NULL) FROM {_SEQUENCES};
SQL
"""
)

# A line of JSON for each table and sequence; the sum over rows does not depend on their order.
CONTENT = (
    PREAMBLE
    + rf"""
sql <<'SQL'
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT format($q$
  SELECT json_build_array(%L, count(*),
    coalesce(sum(('x' || substr(md5(t::text), 1, 16))::bit(64)::bigint::numeric), 0)::text) FROM %s t$q$, name, at)
FROM {_TABLES} ORDER BY name \gexec
SELECT json_build_array(name, coalesce(last_value, 0), '') FROM {_SEQUENCES} ORDER BY name;
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

# What only the new instance has outlives the dump's own clean-up, and may stand in its way. A sequence that belongs to a column goes with
# its table, which is dropped here or by the dump; what is of an extension goes with that, which the dump makes anew where the old one has
# it. Rows that came since they were looked for end it.
_DROP = rf"""
SELECT set_config('replatform.may_be_lost', :'may_be_lost', true);
DO $do$
DECLARE
  may_be_lost bool := current_setting('replatform.may_be_lost');
  used bool;
  one record;
BEGIN
  FOR one IN SELECT * FROM {_TABLES} WHERE name NOT IN (SELECT name FROM pg_temp.replatform_old) LOOP
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', one.at);
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', one.at) INTO used;
    IF used AND NOT may_be_lost THEN RAISE '% of the new instance has rows by now, and the old one lacks it', one.name; END IF;
  END LOOP;
  FOR one IN SELECT * FROM {_SEQUENCES} WHERE name NOT IN (SELECT name FROM pg_temp.replatform_old) LOOP
    used := one.last_value IS NOT NULL;
    IF used AND NOT may_be_lost THEN RAISE '% of the new instance was used by now, and the old one lacks it', one.name; END IF;
  END LOOP;
  FOR one IN SELECT DISTINCT extname FROM pg_extension e JOIN pg_depend ON refclassid = 'pg_extension'::regclass AND refobjid = e.oid
    WHERE deptype = 'e' AND classid = 'pg_class'::regclass AND objid IN (
      SELECT at::regclass FROM {_BOTH} WHERE name NOT IN (SELECT name FROM pg_temp.replatform_old)
    )
  LOOP
    EXECUTE format('DROP EXTENSION IF EXISTS %I CASCADE', one.extname);
  END LOOP;
  FOR one IN SELECT * FROM {_TABLES} WHERE name NOT IN (SELECT name FROM pg_temp.replatform_old) LOOP
    EXECUTE format('DROP TABLE IF EXISTS %s CASCADE', one.at);
  END LOOP;
  FOR one IN SELECT * FROM {_SEQUENCES} WHERE name NOT IN (SELECT name FROM pg_temp.replatform_old) AND NOT EXISTS (
    SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = at::regclass AND refobjsubid > 0 AND deptype IN ('a', 'i')
  ) LOOP
    EXECUTE format('DROP SEQUENCE IF EXISTS %s CASCADE', one.at);
  END LOOP;
END
$do$;
DROP TABLE pg_temp.replatform_old;"""

# By way of a file: a dump that breaks off in a pipe would be committed as if it were whole.
COPY = (
    WRITER
    + rf"""
exec 9>"$lock"
flock 9
dump=$(mktemp) drop=$(mktemp)
trap 'rm -f "$dump" "$drop"' EXIT
pg_dump -h "$host" -p "$port" --clean --if-exists --no-owner --file "$dump"
{{
cat <<'SQL'
SET client_min_messages = warning;
CREATE TEMP TABLE replatform_old (name text);
COPY pg_temp.replatform_old FROM STDIN;
SQL
sql -c "COPY (SELECT name FROM {_BOTH}) TO STDOUT"
cat <<'SQL'
\.
{_DROP}
SQL
}} >"$drop"
host=
sql --single-transaction -v may_be_lost="$may_be_lost" -f "$drop" -f "$dump" >/dev/null
stat -c %s "$dump"
"""
)
