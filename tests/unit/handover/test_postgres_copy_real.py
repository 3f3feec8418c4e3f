# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""postgres_handover's scripts on two real PostgreSQL servers, of which the new one has tables and sequences of its own."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils import operation
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import operations, places, postgres_scripts

from . import stores

HAS = """SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class
WHERE relkind IN ('r', 'p', 'S', 'v') AND relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^(pg_|information)')"""
ITEMS = "CREATE TABLE items (id serial, word text, PRIMARY KEY (id))"
PARENT = "CREATE TABLE parent (n int) PARTITION BY LIST (n)"
EQUAL = "items items_id_seq parent part"
# What stands in the way of a dump's clean-up, and what it doesn't name.
AHEAD = f"""{ITEMS}; ALTER TABLE items ADD extra serial, ADD other int GENERATED ALWAYS AS IDENTITY; {PARENT};
CREATE TABLE more PARTITION OF parent FOR VALUES IN (2);
CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY, item int REFERENCES items); CREATE VIEW open_orders AS SELECT * FROM orders;
CREATE SCHEMA ahead; CREATE TABLE ahead."Odd "" name" (n serial); CREATE SEQUENCE ahead.tickets;
CREATE EXTENSION pgcrypto; CREATE TABLE srs (n serial); ALTER EXTENSION pgcrypto ADD TABLE srs;
CREATE SEQUENCE jobs; ALTER EXTENSION pgcrypto ADD SEQUENCE jobs"""


@contextlib.contextmanager
def temporary_table(postgres):
    """A client that has one, which no other client can read."""
    where = ["-h", "127.0.0.1", "-p", str(postgres.port), "-d", stores.DATABASE, "-XAtq"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(["psql", *where], env=stores.environment(), **pipes) as psql:
        psql.stdin.write("CREATE TEMP TABLE mine AS SELECT 1 AS n; SELECT 'made';\n")
        psql.stdin.flush()
        assert psql.stdout.readline() == "made\n"
        yield
        psql.stdin.close()


class Cluster:
    """The pod of the new instance is this host. O(around) is entered for a copy."""

    def __init__(self, around=contextlib.nullcontext):
        self.around = around

    def selects_pods(self, _service):
        return False

    def pod_of(self, _service):
        return "pod"

    def run(self, _pod, script, *arguments):
        with self.around() if script == postgres_scripts.COPY else contextlib.nullcontext():
            return places.Here(60).run(script, *arguments)


class Stage:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="replatform-stores-"))
        self.folder.chmod(0o755)
        self.old, self.new = stores.Postgres(self.folder / "old"), stores.Postgres(self.folder / "new")
        (self.folder / "secret").write_text(stores.PASSWORD)

    def params(self, state, overwrite):
        return {
            "name": "postgres",
            "source": self.old.address,
            "state": state,
            "overwrite": overwrite,
            "user": stores.USER,
            "database": stores.DATABASE,
            "password_file": str(self.folder / "secret"),
            "grace": 10,
            "journal": None,
            "phase": "cutover",
            "deadline": 60,
        }

    def run(self, state="copied", overwrite=False, check_mode=False, around=contextlib.nullcontext):
        params = self.params(state, overwrite)
        made = operations.PostgresHandover(Cluster(around), params)
        return operation.perform(made, "postgres_handover", "postgres", params, check_mode)

    def names(self, **options):
        return [step["name"] for step in self.run(**options)["steps"] if not step["name"].startswith("wait_")]

    def new_has(self):
        return self.new.sql(HAS)

    def takes_writes(self):
        return self.old.sql("SHOW default_transaction_read_only", options="") == "off"

    def end(self):
        for one in (self.old, self.new):
            one.server.end()
        shutil.rmtree(self.folder)


@pytest.fixture(scope="module", name="servers")
def servers_fixture(tmp_path_factory):
    if os.geteuid():
        pytest.skip("needs root, to run the servers as another user")
    assert stores.programs(), "PostgreSQL is missing: run make unit, which has it"
    made = Stage()
    stores.until(lambda: made.old.answers() and made.new.answers(), "both answer")
    yield made
    made.end()


@pytest.fixture(name="stage")
def stage_fixture(servers, monkeypatch, tmp_path):
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    monkeypatch.setenv("PGPORT", str(servers.new.port))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    servers.run("writable")
    for one in (servers.old, servers.new):
        one.sql("DROP SCHEMA IF EXISTS ahead CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    servers.old.sql(
        f"{ITEMS}; INSERT INTO items (word) SELECT 'a' FROM generate_series(1, 3); {PARENT};"
        "CREATE TABLE part PARTITION OF parent FOR VALUES IN (1); INSERT INTO parent VALUES (1)"
    )
    return servers


def test_what_the_old_one_lacks_is_dropped_where_it_was_never_used(stage):
    stage.new.sql(AHEAD)
    with temporary_table(stage.old), temporary_table(stage.new):
        (_stop, copy) = (step for step in stage.run()["steps"] if not step["name"].startswith("wait_"))
        assert (
            copy["dropped"]
            == 'ahead.Odd " name, public.more, public.orders, public.srs, sequence ahead.Odd " name_n_seq and 6 more'
        )
        assert not stage.run()["changed"]
    assert stage.new_has() == EQUAL
    assert stage.new.sql("SELECT count(*) FROM items") == "3"


def test_what_was_used_is_refused_while_writes_go_on_and_overwritten_where_that_is_said(stage):
    stage.new.sql(AHEAD)
    before = stage.new_has()
    for use, named in (
        ("SELECT nextval('ahead.tickets')", "sequence ahead.tickets"),
        ("INSERT INTO parent VALUES (2)", "public.more, sequence ahead.tickets"),
    ):
        stage.new.sql(use)
        for check_mode in (True, False):
            with pytest.raises(RefusedError, match=f"only the new instance has {named}, with rows or a value: drop"):
                stage.run(check_mode=check_mode)
    assert stage.takes_writes() and stage.new_has() == before
    assert stage.names(overwrite=True) == ["stop_writes", "copy"]
    assert stage.new_has() == EQUAL


def test_what_came_since_it_was_looked_at_is_kept(stage):
    stage.new.sql(AHEAD)
    for use, line in (
        ("SELECT nextval('ahead.tickets')", "sequence ahead.tickets of the new instance was used by now"),
        ("INSERT INTO parent VALUES (2)", "public.more of the new instance has rows by now"),
    ):
        stage.new.sql("ALTER SEQUENCE ahead.tickets RESTART")

        @contextlib.contextmanager
        def used(statement=use):
            stage.new.sql(statement)
            yield

        with pytest.raises(ReplatformError, match=f"{line}, and the old one lacks it"):
            stage.run(around=used)
    assert stage.new.sql("SELECT n FROM parent") == "2"


def test_a_copy_that_left_a_difference_is_not_repeated(stage):
    copies = []

    @contextlib.contextmanager
    def written():
        copies.append(1)
        yield
        stage.new.sql("INSERT INTO items (word) VALUES ('b')")

    with pytest.raises(
        RefusedError, match=r"after the copy public\.items, sequence public\.items_id_seq differ: find out"
    ):
        stage.run(overwrite=True, around=written)
    assert len(copies) == 1
