"""postgres_switchover where a disk is full or a standby lags: nothing is lost, and no client is left held."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from . import stores
from .test_switchover_real import judge, names
from .watch import watched

pytestmark = pytest.mark.slow

FULL = "No space left on device"
# Small enough to be filled at once, and large enough for a server, its WAL and a copy beside it.
DISK = "256m"


@pytest.fixture()
def fleet():
    program, libraries = stores.unpacked("pgbouncer")
    if os.geteuid():
        pytest.skip("needs root, to run the servers as another user and to make a disk that is small")
    assert program and stores.programs(), "PostgreSQL or PgBouncer is missing: run make unit, which has them"
    made = stores.Fleet(program, libraries)
    yield made
    made.end()


@contextlib.contextmanager
def small_disk(postgres):
    """The instance's folder on a disk of its own, mounted over the old one; the instance is restarted for that."""
    folder = postgres.folder
    below = os.open(folder, os.O_RDONLY)
    aside = folder.with_name(f"{folder.name}.aside")
    (folder / "wait").touch()
    os.kill(postgres.postmaster(), signal.SIGINT)
    stores.until(lambda: not (folder / "data" / "postmaster.pid").exists(), "it has ended")
    shutil.move(folder / "data", aside)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)], check=True)
    try:
        subprocess.run(["cp", "-a", str(aside), str(folder / "data")], check=True)
        shutil.chown(folder, stores.ACCOUNT, stores.ACCOUNT)
        os.unlink("wait", dir_fd=below)
        stores.until(postgres.answers, "it answers again")
        yield folder
    finally:
        os.close(os.open("stopped", os.O_CREAT, dir_fd=below))
        os.close(below)
        with contextlib.suppress(OSError):
            os.kill(postgres.postmaster(), signal.SIGINT)  # else it would wait for the pooler's connections
        postgres.server.end()
        subprocess.run(["umount", str(folder)], check=True)


def fill(disk, but=0):
    """Takes all the room that there is, O(but) bytes excepted; what it returns gives it back."""
    filler = disk / "filler"
    with open(filler, "wb", buffering=0) as handle, contextlib.suppress(OSError):
        while True:
            handle.write(bytes(1 << 16))
    os.truncate(filler, max(0, filler.stat().st_size - but))
    return filler.unlink


def steps_begun(fleet, since=0):
    return [record["step"] for record in records(fleet)[since:] if record["event"] == "start"]


def faults(fleet, since=0):
    """Whose records say why: the step, how it ended and the reason."""
    wrong = [record for record in records(fleet)[since:] if record["event"] in ("failed", "refused")]
    return [(record["step"], record["event"], record["data"]["reason"]) for record in wrong]


def records(fleet):
    return [json.loads(line) for line in (fleet.folder / "journal.jsonl").read_text().splitlines()]


def test_a_standby_that_lags_is_waited_for_with_no_client_held(fleet):
    fleet.run("standby", fleet.k3s)
    fleet.k3s.sql("ALTER SYSTEM SET recovery_min_apply_delay = '10min'", "postgres")
    fleet.k3s.sql("SELECT pg_reload_conf()", "postgres")
    with fleet.load(intruders=False) as load, watched(fleet):
        begin = time.monotonic()
        result = fleet.run("primary", fleet.k3s, max_lag=0, deadline=8)
        took = time.monotonic() - begin
        assert "s have passed and the step 'wait_for_lag' is still to be done" in result["failed"]
        figures = ("behind_bytes", "retained_bytes", "free_bytes")
        assert all(f"{one}: " in result["failed"] for one in figures)
        lags = [one["data"]["behind_bytes"] for one in records(fleet) if "behind_bytes" in one["data"]]
        assert lags and min(lags) > 0
        assert "\n" not in result["failed"] and not fleet.held()
        assert "pause" not in steps_begun(fleet) and fleet.primary() is fleet.swarm
        fleet.k3s.sql("ALTER SYSTEM RESET recovery_min_apply_delay", "postgres")
        fleet.k3s.sql("SELECT pg_reload_conf()", "postgres")
        assert names(fleet.run("primary", fleet.k3s))[-1] == "drop_slot"
    judge(fleet, load, 1)
    print(f"given up after {took:.1f} s of 8")


def test_the_primarys_disk_is_full(fleet):
    """Nobody can write there then, so nobody writes: what was written is there before and after, and on both."""
    with small_disk(fleet.swarm) as disk:
        fleet.run("standby", fleet.k3s)
        with fleet.load(intruders=False) as load:
            pass
        with watched(fleet):
            give_back, known = fill(disk), len(records(fleet))
            result = fleet.run("primary", fleet.k3s)
            assert FULL in result["failed"] and "\n" not in result["failed"]
            assert faults(fleet, known) == [("observe", "failed", result["failed"])]
            assert not fleet.held() and fleet.primary() is fleet.swarm
            judge(fleet, load, 0)
            give_back()
            assert names(fleet.run("primary", fleet.k3s))[-1] == "drop_slot"
        judge(fleet, load, 0)
        fleet.k3s.sql("INSERT INTO rows VALUES (0, 'direct', 0, clock_timestamp())")


def test_the_primarys_disk_fills_with_what_is_kept_for_a_standby_that_is_gone(fleet):
    slots, scarce = "SELECT count(*) FROM pg_replication_slots", "bytes free where its WAL lies, and "
    with small_disk(fleet.swarm) as disk:
        give_back = fill(disk, but=20 << 20)
        said = fleet.run("standby", fleet.k3s)["failed"]
        assert f"{scarce}would keep WAL there for {fleet.k3s.address}: make room" in said and "\n" not in said
        assert faults(fleet) == [("refuse", "refused", said)]
        assert fleet.swarm.sql(slots) == "0" and not list(fleet.folder.rglob("replatform.pgpass"))
        give_back()
        fleet.run("standby", fleet.k3s)
        with fleet.k3s.down():
            fleet.swarm.sql("SELECT pg_switch_wal()")
            fleet.swarm.sql("INSERT INTO rows SELECT n FROM generate_series(1, 100) n")
            give_back = fill(disk, but=8 << 20)
            known = len(records(fleet))
            said = fleet.run("standby", fleet.k3s)["failed"]
            assert scarce in said and f"there for {fleet.k3s.address}: make room" in said and "\n" not in said
            assert faults(fleet, known) == [("refuse", "refused", said)]
            taken = names(fleet.run("alone", fleet.swarm))
            assert taken == ["drop_slot", "remove_credentials"] and fleet.swarm.sql(slots) == "0"
            give_back()


# What a fence keeps for being taken back, to the end of its last block, and one for its first statements; its mark takes two.
HALF_WAY = (260 << 10) + (4 << 10)


@pytest.mark.parametrize(
    ("left", "fault", "taken"),
    [(0, FULL, ["fence", "resume"]), (HALF_WAY, "could not extend file", ["fence", "release", "resume"])],
)
def test_the_primarys_disk_is_full_while_clients_are_held(fleet, left, fault, taken):
    """Nothing of the fence is left, not even what would count from the next restart on, and the other one is no primary."""
    with small_disk(fleet.swarm) as disk:
        fleet.run("standby", fleet.k3s)
        with fleet.load(intruders=False) as load, watched(fleet):
            fleet.run("primary", fleet.k3s, die=("pause.ok",))
            assert fleet.held()
            give_back, known = fill(disk, but=left), len(records(fleet))
            said = fleet.run("primary", fleet.k3s)["failed"]
            assert (
                said.startswith(f"{fleet.swarm.address} could not be fenced (") and fault in said and "\n" not in said
            )
            reason = said.removesuffix(f"; clients are led to {fleet.swarm.address}: mend that and run this again")
            assert reason != said and faults(fleet, known) == [("fence", "failed", reason)]
            assert not fleet.held() and fleet.primary() is fleet.swarm
            assert steps_begun(fleet, known) == taken
            assert not [one for one in ("replatform.room", "data/standby.signal") if (disk / one).exists()]
            assert "read_only" not in (disk / "data" / "postgresql.auto.conf").read_text()
            give_back()
            assert names(fleet.run("primary", fleet.k3s))[-1] == "drop_slot"
            assert not (disk / "replatform.room").exists()
        rows = stores.Rows(*load)
        stores.until(
            lambda: fleet.k3s.sql("SELECT count(*) FROM rows") == fleet.swarm.sql("SELECT count(*) FROM rows"),
            "it follows",
        )
        for instance in (fleet.swarm, fleet.k3s):
            written = instance.sql("SELECT n FROM rows").split()
            assert rows.pooled <= {int(number) for number in written} and len(set(written)) == len(written)


def test_the_standbys_disk_is_full(fleet):
    with small_disk(fleet.k3s) as disk:
        with fleet.load(intruders=False) as load, watched(fleet):
            give_back = fill(disk, but=8 << 20)  # enough for the instance, not for a copy
            result = fleet.run("standby", fleet.k3s)
            assert "bytes free and needs" in result["failed"] and "\n" not in result["failed"]
            assert faults(fleet) == [("refuse", "refused", result["failed"])]
            assert not fleet.held() and fleet.primary() is fleet.swarm
            assert fleet.k3s.sql("SELECT pg_is_in_recovery()", "postgres") == "f"
            give_back()
            assert names(fleet.run("primary", fleet.k3s))[-1] == "drop_slot"
            fleet.run("primary", fleet.swarm)  # so that the pooler lets go of it
        judge(fleet, load, 2)
