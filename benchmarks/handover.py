# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long clients are held while PostgreSQL is handed over: postgres_switchover beside the bare commands, one after the other and
nothing looked at, on the same servers under the same transactions, in turns.

Needs what `make unit` installs. usage: PYTHONPATH=collections python benchmarks/handover.py [TURNS]
"""

from __future__ import annotations

import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests" / "unit" / "handover"))
import stores

# Checking and proving cost looks at three servers in each step.
LIMIT = 6.0

# Arguments: port of the pooler, its file, data folder and port of the primary, port of the standby.
BY_HAND = r"""
set -eu
sql() { psql -h 127.0.0.1 -p "$1" -d "$2" -XAtqc "$3" >/dev/null; }
sql "$4" postgres CHECKPOINT
sql "$1" pgbouncer 'PAUSE shop'
sql "$4" postgres "ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=$5 user=shop passfile=$3/../replatform.pgpass'"
touch "$3/standby.signal"
chown --reference="$3/PG_VERSION" "$3/standby.signal"
kill -INT "$(head -n 1 "$3/postmaster.pid")"
while [ -e "$3/postmaster.pid" ]; do sleep 0.01; done
sql "$5" postgres 'SELECT pg_promote()'
sed -i "s/port=[0-9]*/port=$5/" "$2"
sql "$1" pgbouncer RELOAD
sql "$1" pgbouncer 'RESUME shop'
"""


def by_hand(fleet: stores.Fleet, primary: stores.Postgres, standby: stores.Postgres) -> None:
    arguments = [fleet.pooler.port, fleet.pooler.file, primary.folder / "data", primary.port, standby.port]
    command = ["sh", "-c", BY_HAND, "sh", *(str(one) for one in arguments)]
    subprocess.run(command, check=True, env=stores.environment())


def by_us(fleet: stores.Fleet, _primary: stores.Postgres, standby: stores.Postgres) -> None:
    assert "failed" not in fleet.run("primary", standby)


def held(fleet: stores.Fleet, way) -> float:
    """Seconds that the longest transaction took while the two changed places."""
    primary = fleet.primary()
    standby = fleet.k3s if primary is fleet.swarm else fleet.swarm
    assert "failed" not in fleet.run("standby", standby)
    with fleet.load(intruders=False) as load:
        way(fleet, primary, standby)
    rows = stores.Rows(*load)
    rows.check(standby, 1)
    # What is left of either way, so that the next one begins alike.
    assert "failed" not in fleet.run("primary", standby)
    return rows.longest_s


def main() -> int:
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    program, libraries = stores.unpacked("pgbouncer")
    assert program, "PgBouncer is missing: see make unit"
    fleet = stores.Fleet(program, libraries)
    seconds: dict[str, list[float]] = {"by hand": [], "postgres_switchover": []}
    try:
        for _turn in range(turns):
            seconds["by hand"].append(held(fleet, by_hand))
            seconds["postgres_switchover"].append(held(fleet, by_us))
    finally:
        fleet.end()
    for name, one in seconds.items():
        print(f"{name:20} {min(one):.2f} to {max(one):.2f} s, median {statistics.median(one):.2f} s of {len(one)}")
    ratio = statistics.median(seconds["postgres_switchover"]) / statistics.median(seconds["by hand"])
    print(f"{'ratio of the medians':20} {ratio:.1f} (limit {LIMIT:g})")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
