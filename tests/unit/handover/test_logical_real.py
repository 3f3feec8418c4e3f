# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""postgres_logical_switchover on two real PostgreSQL servers and a real PgBouncer, under numbered transactions."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os

import pytest

from . import logical_stores, stores
from .watch import watched

pytestmark = pytest.mark.slow

# Of all ways to die: with clients held, and within the fence and the turn.
SAMPLE = (7, 9, 11, -12)
SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"


def new_fleet(same=False):
    if os.geteuid():
        pytest.skip("needs root, to run the servers as another user")
    if not same and logical_stores.newer() is None:
        pytest.skip("no second version of PostgreSQL is installed (requirements/dev.in has one for x86_64)")
    program, libraries = stores.unpacked("pgbouncer")
    assert program and stores.programs(), "PostgreSQL or PgBouncer is missing: run make unit, which has them"
    return logical_stores.Fleet(program, libraries, same)


@pytest.fixture(scope="module", params=["newer", "same"] if SOAK or logical_stores.newer() is None else ["newer"])
def fleet(request):
    made = new_fleet(request.param == "same")
    yield made
    made.end()


class Abiding:
    """For a client that goes past the pooler and takes the defaults that the instance has."""

    def __init__(self, postgres):
        self.sql = functools.partial(postgres.sql, options="")


@contextlib.contextmanager
def under_load(fleet):
    past = [stores.Intruder(Abiding(one), fleet.numbers) for one in (fleet.swarm, fleet.k3s)]
    with fleet.load(intruders=False) as (writers, _none), watched(fleet):
        for one in past:
            one.start()
        try:
            yield writers, past
        finally:
            for one in past:
                one.end()


def names(result):
    assert "failed" not in result, result
    return [step["name"] for step in result["steps"]]


def refusal(result):
    assert "failed" in result, result
    return result["failed"]


def judge(fleet, load, moves):
    content = "SELECT count(*), sum(n), max(number) FROM rows"
    stores.until(lambda: fleet.swarm.sql(content) == fleet.k3s.sql(content), "the subscriber has all rows")
    rows = stores.Rows(*load)
    print(
        f"{len(rows.pooled)} transactions ({rows.per_second:.0f} a second), {len(rows.direct)} past the pooler,"
        f" longest pause {rows.longest_s:.2f} s"
    )
    for one in (fleet.swarm, fleet.k3s):
        rows.check(one, moves)
        assert one.sql("SELECT count(*) - count(DISTINCT number) FROM rows") == "0", "a sequence gave a number twice"


def sides(fleet):
    """The one that is not the primary, and the one that is."""
    return (fleet.k3s, fleet.swarm) if fleet.primary() is fleet.swarm else (fleet.swarm, fleet.k3s)


def ddl(instance, statement):
    with pytest.raises(RuntimeError) as refused:
        instance.sql(statement)
    return str(refused.value)


def test_there_and_back_and_a_second_run_changes_nothing(fleet):
    before = sorted(fleet.folder.rglob("*.*l*ck*"))
    plan = fleet.run("primary", fleet.k3s, check=True)
    assert names(plan)[-6:] == ["fence", "turn", "open", "repoint", "resume", "drop_slot"]
    assert sorted(fleet.folder.rglob("*.*l*ck*")) == before and not (fleet.folder / "journal.jsonl").exists()
    assert fleet.swarm.sql("SELECT count(*) FROM pg_publication") == "0"
    assert not list(fleet.folder.rglob("replatform.pgpass"))
    for one in (fleet.swarm, fleet.k3s):
        one.sql("ALTER SYSTEM SET log_statement = 'all'")
        one.sql("SELECT pg_reload_conf()")
    with under_load(fleet) as load:
        assert "subscribe" in names(fleet.run("standby", fleet.k3s))
        assert fleet.run("standby", fleet.k3s)["steps"] == []
        for one in (fleet.swarm, fleet.k3s):
            assert "is frozen while the database is handed over" in ddl(one, "ALTER TABLE rows ADD another int")
            assert "DROP VIEW is refused" in ddl(one, "DROP VIEW names")
            one.sql("CREATE TEMP TABLE mine (n int); CREATE INDEX ON mine (n); DROP TABLE mine")
        assert set(names(plan)) - set(names(fleet.run("primary", fleet.k3s))) >= {"subscribe", "copy_schema"}
        again = fleet.run("primary", fleet.k3s)
        assert (again["changed"], again["steps"]) == (False, [])
        assert fleet.k3s.sql("SELECT kind_of(1000), nextval('never_asked')") == "kind 1000|500"
        assert fleet.k3s.sql("SELECT * FROM counted") == "1000"
        assert fleet.k3s.sql("INSERT INTO kinds (name) VALUES ('new') RETURNING kind") == "1001"
        fleet.k3s.sql("REFRESH MATERIALIZED VIEW counted")
        assert "turn" in names(fleet.run("primary", fleet.swarm))
        assert fleet.swarm.sql("INSERT INTO kinds (name) VALUES ('newer') RETURNING kind") == "1002"
        assert fleet.swarm.sql("SELECT nextval('never_asked')") == "501"
    judge(fleet, load, 2)
    written = [fleet.folder / "journal.jsonl", *fleet.folder.glob("*/log")]
    assert not any(stores.PASSWORD in path.read_text() for path in written)


def test_clients_go_on_where_the_switch_is_given_up(fleet):
    """A transaction that does not end; a schema that was changed past the freeze; and a run that was killed with clients held."""
    target, primary = sides(fleet)
    fleet.run("standby", target)
    past = "SET session_replication_role = replica;"
    with under_load(fleet) as load:
        with fleet.open_transaction():
            assert "transactions were still open" in refusal(fleet.run("primary", target, grace=1))
        primary.sql(f"{past} ALTER TABLE kinds ADD another int")
        assert f"the schema of {primary.address} has changed" in refusal(fleet.run("primary", target))
        primary.sql(f"{past} ALTER TABLE kinds DROP another")
        fleet.run("primary", target, die=("fence.ok",))
        assert fleet.run("released", target)["reason"] == f"clients are led to {primary.address}"
        assert fleet.run("released", target)["steps"] == []
    judge(fleet, load, 0)


def test_one_that_differs_is_not_handed_over(fleet):
    target, primary = sides(fleet)
    fleet.run("standby", target)
    target.sql("SET session_replication_role = replica; DELETE FROM kinds WHERE kind = 7")
    said = refusal(fleet.run("primary", target))
    assert "public.kinds differ between the two" in said
    assert said.endswith(f"; clients are led to {primary.address}: mend that and run this again")
    assert fleet.run("released", target)["steps"] == []
    target.sql("SET session_replication_role = replica; INSERT INTO kinds OVERRIDING SYSTEM VALUE VALUES (7, 'kind 7')")
    assert primary.sql("SHOW default_transaction_read_only") == "off"


def records_of_a_run(fleet, target):
    journal = fleet.folder / "journal.jsonl"
    journal.unlink(missing_ok=True)
    assert "turn" in names(fleet.run("primary", target))
    return len(journal.read_text().splitlines())


def deaths(records):
    """At every record; and in the midst of the steps at some of them."""
    yield from ((at,) for at in range(records))
    yield from itertools.product(range(0, records, 2), (20, 60, 150))


def test_killed_at_every_record_and_run_again(fleet):
    """One handover for each way to die, there and back in turn."""
    way = sides(fleet)
    fleet.run("standby", way[0])
    records = max(records_of_a_run(fleet, target) for target in way)
    chosen = list(deaths(records))
    if not SOAK:
        chosen = [chosen[at] for at in SAMPLE]
    with under_load(fleet) as load:
        for target, death in zip(itertools.cycle(way), chosen):
            fleet.run("primary", target, die=death)
            result = fleet.run("primary", target)
            assert "failed" not in result, (death, result)
    judge(fleet, load, len(chosen))


def from_the_older(fleet):
    """Target and primary as they are when a handover is begun anew, which the older one can't be the target of."""
    if fleet.primary() is not fleet.swarm:
        fleet.run("primary", fleet.swarm)
    return fleet.k3s, fleet.swarm


def test_given_up_and_begun_again(fleet):
    """The freeze ends with it; and what the target holds by then is lost only when that was said."""
    target, primary = from_the_older(fleet)
    fleet.run("standby", target)
    assert "unsubscribe" in names(fleet.run("alone", primary))
    assert fleet.run("alone", primary)["steps"] == []
    left = "SELECT count(*) FROM pg_replication_slots"
    assert primary.sql(left) == "0"
    primary.sql("CREATE TABLE later (n int PRIMARY KEY)")
    assert "tables of its own" in refusal(fleet.run("standby", target))
    with under_load(fleet) as load:
        assert "empty" in names(fleet.run("primary", target, overwrite=True))
        judged = target.sql("SELECT count(*) FROM later")
    assert judged == "0"
    judge(fleet, load, 1)


@pytest.mark.skipif(not SOAK, reason="one copy for each way to die")
def test_killed_at_every_record_from_the_beginning_and_run_again(fleet):
    """Also where the old one is given up, and where a freeze, the publications and the copy are made."""
    for at in itertools.count():
        deaths_in_step = itertools.product([at], (20, 60, 150)) if at % 2 == 0 else ()
        killed = [killed_from_the_beginning(fleet, death) for death in [(at,), *deaths_in_step]]
        if not killed[0]:
            break


def killed_from_the_beginning(fleet, death):
    """Whether the new handover was killed; what gave up the one before was as well, where it had as many records."""
    target, primary = from_the_older(fleet)
    fleet.run("standby", target)
    fleet.run("alone", primary, die=death)
    names(fleet.run("alone", primary))
    with under_load(fleet) as load:
        killed = fleet.run("primary", target, overwrite=True, die=death) == {}
        assert fleet.run("primary", target, overwrite=True).get("failed") is None, death
    judge(fleet, load, 1)
    return killed


def test_what_is_refused(fleet):
    """Each is found on a real server; nothing is changed."""
    target, primary = from_the_older(fleet)
    fleet.run("standby", target)
    assert names(fleet.run("alone", primary, other=None)) == ["unfreeze", "drop_slot", "remove_credentials"]
    assert not list(primary.folder.rglob("replatform.pgpass*"))
    assert "has lost the slot" in refusal(fleet.run("standby", target))
    assert names(fleet.run("alone", primary)) == ["unsubscribe", "remove_credentials"]
    primary.sql("CREATE TABLE keyless (n int); CREATE UNLOGGED TABLE unlogged (n int PRIMARY KEY)")
    primary.sql("SELECT lo_create(7); CREATE ROLE someone; GRANT SELECT ON kinds TO someone")
    primary.sql(f"ALTER DATABASE {stores.DATABASE} SET work_mem = '5MB'")
    primary.sql("ALTER TABLE kinds ADD CHECK (kind > 0)")
    said = refusal(fleet.run("standby", target, overwrite=True))
    for words in (
        "FULL, for public.keyless",
        "LOGGED for public.unlogged",
        "1 large objects",
        "lacks roles",
        "work_mem=5MB",
    ):
        assert words in said
    assert primary.sql("SELECT count(*) FROM pg_publication") == "0"
