# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is run for the rows of a database that is handed over by logical replication: who follows whom, and who takes writes."""

from __future__ import annotations

from ansible_collections.sophia.replatform.plugins.module_utils.handover.logical_scripts import (
    BEGIN,
    MINE,
    NAME,
    TABLE,
    UNSUBSCRIBE_SQL,
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

UNSUBSCRIBE = (
    BEGIN
    + rf"""
alone
change --single-transaction <<'SQL'
{UNSUBSCRIBE_SQL}
SQL
"""
)

# One transaction: it takes writes exactly when it follows nobody any more.
OPEN = (
    BEGIN
    + rf"""
alone
change --single-transaction -v database="$database" <<'SQL'
{UNSUBSCRIBE_SQL}
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
  format('%I.%I', n.nspname, c.relname), n.nspname, c.relname) FROM {MINE} WHERE relkind = 'S' AND relpersistence = 'p'
ORDER BY n.nspname, c.relname \gexec
\o queries
SELECT format($q$SELECT %L, count(*), coalesce(sum(('x' || substr(md5(t::text), 1, 16))::bit(64)::bigint::numeric), 0) FROM %I.%I t;$q$,
  name, nspname, relname)
FROM (SELECT {TABLE} AS name, nspname, relname, sum(pg_table_size(c.oid)) OVER (ORDER BY pg_table_size(c.oid), c.oid) AS upto
  FROM {MINE} WHERE relkind = 'r' AND relpersistence = 'p') tables WHERE upto <= :bytes ORDER BY upto;
SELECT format('SELECT %L, last_value, is_called FROM %I.%I;', 'sequence ' || {TABLE}, nspname, relname)
FROM {MINE} WHERE relkind = 'S' AND relpersistence = 'p' ORDER BY 1;
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
