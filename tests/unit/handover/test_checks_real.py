# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""postgres_switchover on real servers that can't stream to each other: refused in one line before clients are held, nothing is changed."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.journal import read_journal

from . import logical_stores, stores

pytestmark = pytest.mark.slow

LACKING = "pgcrypto"
SENDERS = "SELECT count(*) FROM pg_stat_replication"
ORIGIN = "SELECT system_identifier, pg_is_in_recovery() FROM pg_control_system()"


def without_extension(folder):
    """Debian's programs, which find what belongs to them by where they are, with all extensions but one."""
    installed = pathlib.Path(stores.programs())
    usr = installed.parents[3]
    shutil.copytree(installed.parent, folder / installed.parent.relative_to(usr))
    share = usr / "share/postgresql" / installed.parent.name
    shutil.copytree(share, folder / share.relative_to(usr), ignore=shutil.ignore_patterns(f"{LACKING}*"))
    return str(folder / installed.relative_to(usr))


def new_fleet(second):
    if os.geteuid():
        pytest.skip("needs root, to run the servers as another user")
    program, libraries = stores.unpacked("pgbouncer")
    assert program and stores.programs(), "PostgreSQL or PgBouncer is missing: run make unit, which has them"
    return stores.Fleet(program, libraries, second=second)


@pytest.fixture(scope="module")
def fleet():
    made = new_fleet(without_extension)
    yield made
    made.end()


def seen(fleet):
    """What a handover changes first, and what it leads clients by."""
    left = "SELECT count(*) FILTER (WHERE slot_name LIKE 'replatform%') FROM pg_replication_slots"
    return (
        [one.sql(statement, "postgres") for one in (fleet.swarm, fleet.k3s) for statement in (left, ORIGIN)],
        sorted(fleet.folder.rglob("replatform.*")),
        fleet.pooler.file.read_text(),
    )


def refusal(fleet):
    """What a handover is refused with under load."""
    before, journal = seen(fleet), fleet.folder / "journal.jsonl"
    journal.unlink(missing_ok=True)
    with fleet.load(clients=2, intruders=False) as load:
        line = fleet.run("primary", fleet.k3s)["failed"]
        assert not fleet.held()
    assert "\n" not in line and seen(fleet) == before
    (record,) = read_journal(journal)
    assert (record["step"], record["event"], record["data"]) == ("refuse", "refused", {"reason": line})
    stores.Rows(*load).check(fleet.swarm, 0)
    return line


def test_versions_that_differ():
    if logical_stores.newer() is None:
        pytest.skip("no second version of PostgreSQL is installed (requirements/dev.in has one for x86_64)")
    fleet = new_fleet(logical_stores.newer_programs)
    try:
        here, there = (one.sql("SHOW server_version_num")[:2] for one in (fleet.swarm, fleet.k3s))
        assert f"{fleet.swarm.address} is PostgreSQL {here} and {fleet.k3s.address} is {there}, " in refusal(fleet)
    finally:
        fleet.end()


def test_an_extension_that_the_target_lacks(fleet):
    fleet.swarm.sql(f"CREATE EXTENSION {LACKING}")
    version = fleet.swarm.sql(f"SELECT extversion FROM pg_extension WHERE extname = '{LACKING}'")
    try:
        line = refusal(fleet)
    finally:
        fleet.swarm.sql(f"DROP EXTENSION {LACKING}")
    assert line == f"{fleet.k3s.address} lacks the extension {LACKING} {version}: install its package there"


def asked(fleet, database):
    """What a client of the pooler gets from that database."""
    where = f"host=127.0.0.1 port={fleet.pooler.port} dbname={database}"
    command = ["psql", "-XAtqc", "SELECT pg_is_in_recovery()", where]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=stores.environment()).stdout


@contextlib.contextmanager
def written(fleet, text):
    """The pooler has read that in the place of its file, and reads it again as it was afterwards."""
    before = fleet.pooler.file.read_text()
    for contents in (text, before):
        fleet.pooler.file.write_text(contents)
        fleet.admin("RELOAD")
        if contents == text:
            yield


def test_another_database_of_the_pooler(fleet):
    second = f"second = host=127.0.0.1 port={fleet.swarm.port} dbname={stores.DATABASE}\n"
    with written(fleet, fleet.pooler.file.read_text() + second):
        assert "whose clients would be neither held nor led on: end those clients and take second out" in refusal(fleet)
        assert asked(fleet, "second") == "f\n"


def test_what_came_by_any_name_stays_until_it_is_killed(fleet):
    """Whatever was taken out of the configuration."""
    any_name = fleet.pooler.file.read_text() + f"* = host=127.0.0.1 port={fleet.swarm.port}\n"
    with written(fleet, any_name):
        assert asked(fleet, "postgres") == "f\n"
    line = fleet.run("standby", fleet.k3s, check=True)["failed"]
    assert "take postgres out" in line and "(RELOAD, and KILL what SHOW DATABASES still has)" in line
    fleet.admin("KILL postgres")
    stores.until(lambda: "postgres," not in fleet.admin("SHOW DATABASES"), "it is gone")


def test_a_file_of_the_pooler_that_could_not_be_led_on(fleet):
    """It is mounted alone; and it is not what the pooler has read. Check mode says the same."""
    path, before = fleet.pooler.file, fleet.pooler.file.read_text()
    subprocess.run(["mount", "--bind", path, path], check=True)
    try:
        assert fleet.run("standby", fleet.k3s)["failed"] == (
            f"pooler_file {path} is mounted by itself, so it can't be replaced: mount the folder that it is in"
        )
    finally:
        subprocess.run(["umount", path], check=True)
    path.write_text(before.replace(f"port={fleet.swarm.port}", "port=9"))
    try:
        said = fleet.run("primary", fleet.k3s, check=True)["failed"]
    finally:
        path.write_text(before)
    assert f"leads shop to 127.0.0.1:9, and the pooler leads it to {fleet.swarm.address}: name the file" in said


def test_no_free_slot(fleet):
    count = fleet.swarm.sql("SHOW max_replication_slots")
    fleet.swarm.sql(f"SELECT pg_create_physical_replication_slot('other_' || n) FROM generate_series(1, {count}) n")
    try:
        line = refusal(fleet)
    finally:
        fleet.swarm.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
    assert line == f"{fleet.swarm.address} has no free replication slot: raise max_replication_slots by 1"


def test_no_free_wal_sender(fleet):
    count = int(fleet.swarm.sql("SHOW max_wal_senders"))
    where = f"host=127.0.0.1 port={fleet.swarm.port} dbname={stores.DATABASE} replication=true"
    with contextlib.ExitStack() as stack:
        for _each in range(count):
            psql = stack.enter_context(
                subprocess.Popen(["psql", "-XAtq", where], stdin=subprocess.PIPE, env=stores.environment())
            )
            stack.callback(psql.kill)
        stores.until(lambda: fleet.swarm.sql(SENDERS) == str(count), "all are taken")
        line = refusal(fleet)
    assert line == f"{fleet.swarm.address} has 0 free WAL senders: raise max_wal_senders by 3"
