"""postgres_switchover on two real PostgreSQL servers and a real PgBouncer, under numbered transactions."""

from __future__ import annotations

import concurrent.futures
import itertools
import os
import re
import signal

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import switchover_scripts
from ansible_collections.sophia.replatform.plugins.module_utils.handover.places import Here
from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_release import hand_over
from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_run import Switchover
from ansible_collections.sophia.replatform.plugins.module_utils.journal import read_journal

from . import stores
from .watch import watched

pytestmark = pytest.mark.slow

# Of all ways to die: with clients held, and within the fence.
SAMPLE = (9, 11, 13, -17)
SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"


def new_fleet(contained=False):
    program, libraries = stores.unpacked("pgbouncer")
    if os.geteuid():
        pytest.skip("needs root, to run the servers as another user")
    assert program and stores.programs(), "PostgreSQL or PgBouncer is missing: run make unit, which has them"
    return stores.Fleet(program, libraries, contained)


@pytest.fixture(scope="module")
def fleet():
    made = new_fleet()
    yield made
    made.end()


def names(result):
    return [step["name"] for step in result["steps"]]


def judge(fleet, load, moves):
    count = "SELECT count(*) FROM rows"
    stores.until(lambda: fleet.swarm.sql(count) == fleet.k3s.sql(count), "the standby has all rows")
    rows = stores.Rows(*load)
    rows.check(fleet.swarm, moves)
    rows.check(fleet.k3s, moves)
    print(
        f"{len(rows.pooled)} transactions ({rows.per_second:.0f} a second), {len(rows.direct)} past the pooler, longest pause {rows.longest_s:.2f} s"
    )


def test_there_and_back_and_a_second_run_changes_nothing(fleet):
    before, file = sorted(fleet.folder.rglob("*.*l*ck*")), fleet.pooler.file.stat()
    plan = fleet.run("primary", fleet.k3s, check=True)
    assert sorted(fleet.folder.rglob("*.*l*ck*")) == before
    assert (fleet.pooler.file.stat().st_ino, fleet.pooler.file.stat().st_ctime_ns) == (file.st_ino, file.st_ctime_ns)
    assert "try_repoint" in names(plan)
    assert names(plan)[-5:] == ["promote", "repoint", "resume", "release", "drop_slot"]
    assert not (fleet.folder / "journal.jsonl").exists()
    assert fleet.k3s.sql("SELECT count(*) FROM pg_tables WHERE tablename = 'rows'") == "0"
    with fleet.load() as load, watched(fleet):
        prepared = fleet.run("standby", fleet.k3s)
        assert names(prepared)[:4] == ["give_credentials", "give_credentials", "make_slot", "seed"]
        assert names(fleet.run("primary", fleet.k3s))[-1] == "drop_slot"
        again = fleet.run("primary", fleet.k3s)
        assert (again["changed"], again["steps"]) == (False, [])
        assert "fence" in names(fleet.run("primary", fleet.swarm))
    judge(fleet, load, 2)


def test_an_instance_that_is_slow_to_come_back_is_waited_for():
    fleet = new_fleet()
    try:
        (fleet.k3s.folder / "wait").touch()
        journal = fleet.folder / "journal.jsonl"
        with concurrent.futures.ThreadPoolExecutor() as pool:
            run = pool.submit(fleet.run, "standby", fleet.k3s)
            stores.until(lambda: journal.exists() and "wait_for_instance" in journal.read_text(), "it is waited for")
            (fleet.k3s.folder / "wait").unlink()
            assert "seed" in names(run.result())
    finally:
        (fleet.k3s.folder / "wait").unlink(missing_ok=True)
        fleet.end()


def test_the_pooler_has_a_name_of_its_own_and_the_way_back_is_given_up(fleet):
    target = fleet.k3s if fleet.primary() is fleet.swarm else fleet.swarm
    name = f"localhost:{target.port}"
    with fleet.load() as load, watched(fleet):
        assert names(fleet.run("primary", target, target_name=name))[-1] == "drop_slot"
        assert f"host=localhost port={target.port}" in fleet.pooler.file.read_text()
        assert fleet.run("primary", target, target_name=name)["steps"] == []
        assert "which is neither" in fleet.run("primary", target)["failed"]
        assert "still follows" in fleet.run("alone", target, target_name=name)["failed"]
    judge(fleet, load, 1)
    slots = "SELECT count(*) FROM pg_replication_slots"
    assert target.sql(slots) == "1"
    standby = (fleet.swarm if target is fleet.k3s else fleet.k3s).postmaster()
    os.kill(standby, signal.SIGSTOP)
    try:
        receiver = "SELECT count(pg_terminate_backend(active_pid)) FROM pg_replication_slots WHERE active"
        assert target.sql(receiver) == "1"
        assert (target.folder / "replatform.pgpass").exists()
        assert names(fleet.run("alone", target, target_name=name, other=None))[-2:] == [
            "drop_slot",
            "remove_credentials",
        ]
        assert fleet.run("alone", target, target_name=None, other_name=name, other=None)["steps"] == []
        assert target.sql(slots) == "0" and not list(target.folder.rglob("replatform.pgpass*"))
    finally:
        os.kill(standby, signal.SIGCONT)
    # As it was for those that follow.
    assert names(fleet.run("primary", target, target_name=name))[:2] == ["give_credentials", "make_slot"]
    assert names(fleet.run("primary", target, other_name=name)) == ["repoint"]


def test_clients_go_on_where_the_switch_is_given_up(fleet):
    """A transaction that does not end; and a standby that is frozen while clients are held by a run that was killed."""
    target, primary = (fleet.k3s, fleet.swarm) if fleet.primary() is fleet.swarm else (fleet.swarm, fleet.k3s)
    fleet.run("standby", target)
    frozen = target.postmaster()
    with fleet.load() as load, watched(fleet):
        with fleet.open_transaction():
            oldest = primary.sql(
                "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' ORDER BY xact_start LIMIT 1"
            )
            for begun_before in (False, True):
                if begun_before:
                    fleet.admin(f"PAUSE {stores.DATABASE}", wait=False)
                said = fleet.run("primary", target, grace=1)["failed"]
                assert f"so clients go on as before: end pid {oldest} (shop, psql: idle in transaction, begun " in said
                assert said.count("pid") == 1 and "\n" not in said and not fleet.held()
        fleet.run("primary", target, die=("pause.ok",))
        os.kill(frozen, signal.SIGSTOP)
        try:
            assert "failed" in fleet.run("primary", target, deadline=30)
            assert names(fleet.run("released", target)) == []
        finally:
            os.kill(frozen, signal.SIGCONT)
        assert names(fleet.run("primary", target))[-1] == "drop_slot"
    judge(fleet, load, 1)


class OtherImage(Here):
    """As if the instance at O(port) had another ICU."""

    def __init__(self, port):
        super().__init__(60)
        self.port = str(port)

    def run(self, script, *arguments):
        said = super().run(script, *arguments)
        if script == switchover_scripts.FACTS and self.port in arguments:
            said = re.sub(r'("ICU [^"]*" : ")[^"]*', r"\g<1>1.2", said)
        return said


def test_one_that_streams_already_but_sorts_otherwise_is_refused_with_nothing_changed(fleet):
    """By the locale of a database, and by that of a column in another."""
    target, primary = (fleet.k3s, fleet.swarm) if fleet.primary() is fleet.swarm else (fleet.swarm, fleet.k3s)
    primary.sql('CREATE TABLE sorted (name text COLLATE "de-x-icu")')
    primary.sql("CREATE DATABASE sorted TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'sv-u-co-trad'")
    result = fleet.run("standby", target)
    assert "failed" not in result
    (said,) = result["warnings"]
    assert primary.address in said and target.address in said and "max_slot_wal_keep_size is -1" in said
    (fleet.folder / "journal.jsonl").unlink()
    params = {**fleet.params("primary", target), "name": "postgres"}
    for state in ("standby", "primary"):
        with pytest.raises(ReplatformError) as refused:
            hand_over(Switchover, OtherImage(target.port), {**params, "state": state}, False, None)
        for name in ("de", "sv-u-co-trad"):
            assert f"the collation ICU {name} is version 153." in str(refused.value)
        assert f"and 1.2 on {target.address}, so indexes would be read in another order" in str(refused.value)
    assert [one["step"] for one in read_journal(fleet.folder / "journal.jsonl")] == ["refuse", "refuse"]
    primary.sql("DROP DATABASE sorted")
    primary.sql("DROP TABLE sorted")


def test_no_client_is_held_where_the_pooler_would_not_be_led_on(fleet):
    """It reads another file, which says the same; another line of it counts; or what it reads has an error, which only its log tells."""
    target = fleet.k3s if fleet.primary() is fleet.swarm else fleet.swarm
    fleet.run("standby", target)
    (fleet.folder / "journal.jsonl").unlink()
    file, main = fleet.pooler.file, fleet.pooler.file.with_name("pgbouncer.ini")
    before, settings = file.read_text(), main.read_text()
    another = file.with_name("another.ini")
    another.write_text(before)
    not_read = "the pooler does not follow pooler_file {}: name the file that its configuration includes"
    cases = [
        (another, "", not_read),
        (file, before, not_read),
        (file, "nonsense\n", "the pooler keeps replatform_trial: mend what its log names"),
    ]
    with fleet.load(clients=2, intruders=False) as load:
        for named, added, expected in cases:
            main.write_text(settings + added)
            said = fleet.run("primary", target, pooler_file=str(named))["failed"]
            main.write_text(settings)
            fleet.admin("RELOAD")
            assert said.startswith(f"error: {expected.format(named)}") and "\n" not in said
            assert file.read_text() == another.read_text() == before and "trial" not in fleet.admin("SHOW DATABASES")
    recorded = [(one["step"], one["event"]) for one in read_journal(fleet.folder / "journal.jsonl")]
    assert recorded == [("try_repoint", "start"), ("try_repoint", "failed")] * len(cases)
    judge(fleet, load, 0)


def test_what_the_primary_has_got_since_it_is_followed_is_found_before_clients_are_held(fleet):
    target, primary = (fleet.k3s, fleet.swarm) if fleet.primary() is fleet.swarm else (fleet.swarm, fleet.k3s)
    fleet.run("standby", target)
    for kind, name, state in (("TABLE", "queue ()", "standby"), ("SEQUENCE", "tickets", "primary")):
        primary.sql(f"CREATE UNLOGGED {kind} {name}")
        said = fleet.run(state, target)["failed"]
        mend = f"ALTER TABLE (or SEQUENCE) ... SET LOGGED for shop.{name.split()[0]}"
        assert said.endswith(f"has tables or sequences whose contents a standby does not get: {mend}")
        primary.sql(f"DROP {kind} {name.split()[0]}")
    assert fleet.primary() is primary and fleet.run("standby", target)["steps"] == []


def test_a_slot_with_a_limit_may_cost_the_standby_which_is_seeded_anew(fleet):
    target, primary = (fleet.k3s, fleet.swarm) if fleet.primary() is fleet.swarm else (fleet.swarm, fleet.k3s)
    primary.sql("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
    primary.sql("SELECT pg_reload_conf()")
    fleet.run("standby", target)
    with target.down():
        for _segment in range(2):
            primary.sql("SELECT pg_switch_wal()")
            primary.sql("CHECKPOINT")
        assert primary.sql("SELECT wal_status FROM pg_replication_slots") == "lost"
    result = fleet.run("standby", target)
    taken = names(result)
    assert "make_slot" in taken[: taken.index("seed")] and primary.address not in str(result["warnings"])
    for one in (target, primary):
        one.sql("ALTER SYSTEM RESET max_slot_wal_keep_size")
        one.sql("SELECT pg_reload_conf()")


def test_what_was_fenced_is_waited_for_on_the_way_back(fleet):
    """The run was killed after the fence, and the one that was the primary is slow to come back; then it does not come at all."""
    target, serving = (fleet.k3s, fleet.swarm) if fleet.primary() is fleet.swarm else (fleet.swarm, fleet.k3s)
    fleet.run("standby", target)
    journal, wait = fleet.folder / "journal.jsonl", serving.folder / "wait"
    with fleet.load() as load, watched(fleet):
        wait.touch()
        try:
            fleet.run("primary", target, die=(6,))
            said = fleet.run("primary", serving, grace=1)["failed"]
            mend = f"bring it back, or make {target.address} the primary"
            assert said.startswith(f"{serving.address} does not answer: {mend}; clients stay held (no primary is seen ")
            assert said.endswith("): mend that and run this again") and "\n" not in said
            known = len(journal.read_text())
            with concurrent.futures.ThreadPoolExecutor() as pool:
                run = pool.submit(fleet.run, "primary", serving, grace=60)
                stores.until(lambda: "wait_for_instance" in journal.read_text()[known:], "it is waited for")
                wait.unlink()
                assert "promote" in names(run.result())
        finally:
            wait.unlink(missing_ok=True)
    judge(fleet, load, 0)


def test_one_that_comes_back_on_an_empty_volume_is_refused(fleet):
    """Clients are held by a run that was killed. Whatever is wanted, they are not let go to it, and nothing is copied from it."""
    target, serving = (fleet.k3s, fleet.swarm) if fleet.primary() is fleet.swarm else (fleet.swarm, fleet.k3s)
    fleet.run("standby", target)
    with fleet.load(intruders=False) as load, watched(fleet):
        fleet.run("primary", target, die=("pause.ok",))
        with serving.on_an_empty_volume():
            for state, wanted in itertools.product(("primary", "released", "standby"), (target, serving)):
                said = fleet.run(state, wanted)["failed"]
                assert f"{serving.address} came back with other data" in said and "\n" not in said
        assert names(fleet.run("primary", target))[-1] == "drop_slot"
    judge(fleet, load, 1)


def records_of_a_run(fleet, target):
    journal = fleet.folder / "journal.jsonl"
    journal.unlink(missing_ok=True)
    assert "failed" not in fleet.run("primary", target)
    return len(journal.read_text().splitlines())


def deaths(records):
    """At every record; and in the midst of the steps at some of them."""
    yield from ((at,) for at in range(records))
    yield from itertools.product(range(0, records, 2), (20, 60, 150))


def test_one_that_was_away_for_long_is_seeded_anew_on_the_way_back(fleet):
    """As after a retirement: nothing kept WAL for it, and what it would go on with is gone."""
    primary, away = (fleet.swarm, fleet.k3s) if fleet.primary() is fleet.swarm else (fleet.k3s, fleet.swarm)
    fleet.run("standby", away)
    with fleet.load() as load, watched(fleet):
        with away.down():
            assert names(fleet.run("alone", primary, other=None))[-1] == "remove_credentials"
            for _segment in range(4):
                primary.sql("SELECT pg_switch_wal()")
                primary.sql("CHECKPOINT")
        assert "seed" in names(fleet.run("primary", away))
    judge(fleet, load, 1)


def test_killed_at_every_record_and_run_again(fleet):
    """One handover for each way to die, there and back in turn; who runs it again may want the other side."""
    sides = (fleet.k3s, fleet.swarm) if fleet.primary() is fleet.swarm else (fleet.swarm, fleet.k3s)
    fleet.run("standby", sides[0])
    records = max(records_of_a_run(fleet, target) for target in sides)
    chosen = list(deaths(records))
    if not SOAK:
        chosen = [chosen[at] for at in SAMPLE]
    moves = 0
    with fleet.load() as load, watched(fleet):
        for number, (target, death) in enumerate(zip(itertools.cycle(sides), chosen)):
            # There is a dead-man, or it has died as well.
            fleet.run("primary", target, die=death, dead_man=60 * (number % 2))
            result = fleet.run("primary", target)
            assert "failed" not in result, (death, result)
            moves += 1
    judge(fleet, load, moves)


def killed_from_the_beginning(*dies):
    """Two that know nothing of each other; whether the last of these runs was killed. Another one then ends it."""
    fleet = new_fleet(contained=True)
    try:
        with fleet.load() as load, watched(fleet):
            killed = [fleet.run("primary", fleet.k3s, die=death) == {} for death in dies]
            result = fleet.run("primary", fleet.k3s)
            assert "failed" not in result, (dies, result)
        judge(fleet, load, 1)
    finally:
        fleet.end()
    return killed[-1]


@pytest.mark.parametrize("after_ms", [100, 300, 600, 1000, 1500] if SOAK else [300])
def test_killed_while_the_copy_is_made_and_run_again(after_ms):
    # In the soak once more, as the copy is waited for.
    assert killed_from_the_beginning((6, after_ms), *([(1,)] if SOAK else []))


@pytest.mark.skipif(not SOAK, reason="two new instances for each way to die")
def test_killed_at_every_record_from_the_beginning_and_run_again():
    """Also where credentials, a slot and the copy are made, and where the standby is waited for."""
    for at in itertools.count():
        if not killed_from_the_beginning((at,)):
            break
        for after_ms in (20, 60, 150) if at % 2 == 0 else ():
            killed_from_the_beginning((at, after_ms))
