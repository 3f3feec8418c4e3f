# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real stores on loopback: two PostgreSQL servers that are started again whenever they end, a PgBouncer in front of them,
clients that write numbered rows, and what must hold of those rows afterwards."""

from __future__ import annotations

import contextlib
import glob
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import typing as t

from ports import free_port

HERE = pathlib.Path(__file__).parent
USER, DATABASE, PASSWORD = "shop", "shop", r"pass:wo\rd'x"
# Servers refuse to run as root.
ACCOUNT = "postgres"
CONTAINED = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
PATIENCE_S = 120


def programs() -> str | None:
    """The folder of PostgreSQL's programs, where it is installed."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    return found[-1] if found else None


def unpacked(name: str) -> tuple[str | None, str]:
    """A program of Debian's, installed or unpacked (then it is on the PATH), and the folder of what was unpacked with it."""
    program = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
    return program, str(pathlib.Path(program).parents[1] / "lib" / "x86_64-linux-gnu") if program else ""


def until(holds: t.Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"still not so: {what}")
        threading.Event().wait(0.1)


def become(account: str) -> list[str]:
    return ["setpriv", f"--reuid={account}", f"--regid={account}", "--init-groups"]


def environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return {**kept, "PGPASSWORD": PASSWORD, "PGUSER": USER, "PGCONNECT_TIMEOUT": "5", "LC_ALL": "C.UTF-8", **more}


class Server:
    """A program that is started again when it ends, as Docker, Kubernetes and systemd do; not while there is a file C(wait)."""

    def __init__(self, folder: pathlib.Path, command: t.Sequence[str], account: str | None = ACCOUNT) -> None:
        self.folder = folder
        loop = (
            'while :; do "$@" || true; [ -e stopped ] && exit; sleep 0.2; while [ -e wait ]; do sleep 0.2; done; done'
        )
        with open(folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [*(become(account) if account else []), "sh", "-c", loop, "sh", *command],
                cwd=folder,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=environment(),
                start_new_session=True,
            )

    def end(self) -> None:
        (self.folder / "stopped").touch()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait()
        until(self._empty, "all its processes have ended")

    def _empty(self) -> bool:
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return True
        return False


class Postgres:
    """An instance of its own origin, with an empty database; O(contained) is in a PID namespace of its own, where it is process
    1 and takes all others with it, as in a container. O(programs_at) is the folder of its programs where they are not Debian's."""

    def __init__(self, folder: pathlib.Path, contained: bool = False, programs_at: str | None = None) -> None:
        self.folder, self.port = folder, free_port()
        self.programs = programs_at or programs()
        self.address = f"127.0.0.1:{self.port}"
        folder.mkdir()
        shutil.chown(folder, ACCOUNT, ACCOUNT)
        password = folder / "password"
        password.write_text(PASSWORD)
        shutil.chown(password, ACCOUNT)
        self._begin()
        command = [f"{self.programs}/postgres", "-D", str(folder / "data"), "-p", str(self.port)]
        if contained:
            self.server = Server(folder, [*CONTAINED, *become(ACCOUNT), *command], account=None)
        else:
            self.server = Server(folder, command)

    def _begin(self) -> None:
        bin_dir = self.programs
        self.as_account(
            [
                *(f"{bin_dir}/initdb", "-D", "data", "-U", USER, "--pwfile=password", "--encoding=UTF8", "--no-sync"),
                *("--locale=C.UTF-8", "--auth-local=trust", "--auth-host=scram-sha-256"),
            ]
        )
        self.as_account(
            ["sh", "-c", f"echo 'CREATE DATABASE {DATABASE}' | {bin_dir}/postgres --single -D data postgres"]
        )
        with open(self.folder / "data" / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write("shared_buffers = 16MB\nunix_socket_directories = ''\n")

    @contextlib.contextmanager
    def on_an_empty_volume(self) -> t.Iterator[None]:
        """It comes back without its data, and with it afterwards."""
        data, aside = self.folder / "data", self.folder / "aside"
        with self.down():
            data.rename(aside)
            self._begin()
        try:
            yield
        finally:
            with self.down():
                shutil.rmtree(data)
                aside.rename(data)

    @contextlib.contextmanager
    def down(self) -> t.Iterator[None]:
        """It is gone, and comes back afterwards."""
        os.kill(self.server.process.pid, signal.SIGSTOP)
        self.as_account([f"{self.programs}/pg_ctl", "-D", "data", "-m", "immediate", "-w", "stop"])
        yield
        os.kill(self.server.process.pid, signal.SIGCONT)
        until(self.answers, "it is back")

    def as_account(self, command: t.Sequence[str]) -> None:
        subprocess.run(
            [*become(ACCOUNT), *command], cwd=self.folder, check=True, capture_output=True, env=environment()
        )

    def sql(
        self, statement: str, database: str = DATABASE, options: str = "-c default_transaction_read_only=off"
    ) -> str:
        done = subprocess.run(
            [
                "psql",
                "-h",
                "127.0.0.1",
                "-p",
                str(self.port),
                "-d",
                database,
                "-XAtq",
                "-v",
                "ON_ERROR_STOP=1",
                "-c",
                statement,
            ],
            capture_output=True,
            text=True,
            check=False,
            env=environment(PGOPTIONS=options),
        )
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.strip()

    def answers(self) -> bool:
        try:
            return self.sql("SELECT 1") == "1"
        except RuntimeError:
            return False

    def postmaster(self) -> int:
        return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])


class Pooler:
    """Debian's PgBouncer."""

    def __init__(
        self, folder: pathlib.Path, program: str, libraries: str, leads_to: Postgres, settings: str = ""
    ) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.file = folder / "databases.ini"
        folder.mkdir()
        shutil.chown(folder, ACCOUNT, ACCOUNT)
        self.file.write_text(f"[databases]\n{DATABASE} = host=127.0.0.1 port={leads_to.port} dbname={DATABASE}\n")
        (folder / "users.txt").write_text(f'"{USER}" "{PASSWORD}"\n')
        (folder / "pgbouncer.ini").write_text(
            f"%include {self.file}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {folder}/users.txt\nadmin_users = {USER}\npool_mode = transaction\n"
            f"query_wait_timeout = 0\nserver_login_retry = 1\nuser = {ACCOUNT}\n{settings}"
        )
        command = ["env", f"LD_LIBRARY_PATH={libraries}", program, "-q", str(folder / "pgbouncer.ini")]
        self.server = Server(folder, command, account=None)


class Writer(threading.Thread):
    """A client of the pooler: one numbered transaction after the other, each of two rows."""

    def __init__(self, port: int, numbers: t.Iterator[int], per_second: float) -> None:
        super().__init__(daemon=True)
        self.numbers, self.pause_s = numbers, 1 / per_second
        self.acknowledged: list[int] = []
        self.longest_s = 0.0
        self.failed = ""
        self.ran_s = 0.0
        self.leave = threading.Event()
        self.psql = subprocess.Popen(
            ["psql", "-h", "127.0.0.1", "-p", str(port), "-d", DATABASE, "-XAtq", "-v", "ON_ERROR_STOP=1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(),
        )

    def run(self) -> None:
        begin = time.monotonic()
        while not self.leave.is_set():
            number = next(self.numbers)
            start = time.monotonic()
            said = self.transact(number)
            took = time.monotonic() - start
            if said != f"ack {number}":
                self.failed = f"transaction {number}: {said or 'the connection was closed'}"
                return
            self.acknowledged.append(number)
            self.longest_s = max(self.longest_s, took)
            self.ran_s = time.monotonic() - begin
            self.leave.wait(max(0.0, self.pause_s - took))

    def transact(self, number: int) -> str:
        assert self.psql.stdin and self.psql.stdout
        row = f"INSERT INTO rows VALUES ({number}, 'pooled', inet_server_port(), clock_timestamp());"
        with contextlib.suppress(BrokenPipeError):
            self.psql.stdin.write(f"BEGIN; {row} UPDATE total SET n = n + 1; COMMIT;\n\\echo ack {number}\n")
            self.psql.stdin.flush()
        return self.psql.stdout.readline().strip()

    def end(self) -> None:
        self.leave.set()
        self.join(PATIENCE_S)
        self.psql.kill()
        self.psql.wait()


class Intruder(threading.Thread):
    """A client that goes past the pooler to one instance, and past its read-only default: it writes whenever it is let."""

    def __init__(self, postgres: Postgres, numbers: t.Iterator[int]) -> None:
        super().__init__(daemon=True)
        self.postgres, self.numbers = postgres, numbers
        self.acknowledged: list[int] = []
        self.refused = 0
        self.leave = threading.Event()

    def run(self) -> None:
        while not self.leave.wait(0.25):
            number = next(self.numbers)
            row = f"INSERT INTO rows VALUES ({number}, 'direct', inet_server_port(), clock_timestamp())"
            try:
                self.postgres.sql(row)
                self.acknowledged.append(number)
            except RuntimeError:
                self.refused += 1

    def end(self) -> None:
        self.leave.set()
        self.join(PATIENCE_S)


class Rows:
    """What must hold of what was written: nothing lost, nothing doubled, no failure, and never two writers."""

    def __init__(self, writers: t.Sequence[Writer], intruders: t.Sequence[Intruder]) -> None:
        self.failed = [writer.failed for writer in writers if writer.failed]
        self.pooled = {number for writer in writers for number in writer.acknowledged}
        self.direct = {number for intruder in intruders for number in intruder.acknowledged}
        self.longest_s = max(writer.longest_s for writer in writers)
        self.per_second = len(self.pooled) / max(writer.ran_s for writer in writers)

    def check(self, instance: Postgres, moves: int) -> None:
        assert not self.failed
        lines = [line.split("|") for line in instance.sql("SELECT n, kind, port FROM rows ORDER BY at").splitlines()]
        numbers = [int(line[0]) for line in lines]
        assert len(numbers) == len(set(numbers)), "rows are doubled"
        assert self.pooled | self.direct <= set(numbers), "rows are lost"
        pooled = {int(number) for number, kind, _port in lines if kind == "pooled"}
        assert pooled == self.pooled, "there are rows that nobody was told of"
        assert int(instance.sql("SELECT n FROM total")) == len(self.pooled)
        ports = [line[2] for line in lines]
        assert sum(one != following for one, following in zip(ports, ports[1:])) == moves, "two wrote at the same time"


class Fleet:
    """Two instances and their pooler, which leads to the first. O(second) makes the programs of the other one, in the folder that it is
    given, which the servers' account may reach."""

    def __init__(
        self,
        program: str,
        libraries: str,
        contained: bool = False,
        second: t.Callable[[pathlib.Path], str] | None = None,
    ) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="replatform-stores-"))
        self.folder.chmod(0o755)
        self.swarm = Postgres(self.folder / "swarm", contained)
        self.k3s = Postgres(self.folder / "k3s", contained, second(self.folder) if second else None)
        self.pooler = Pooler(self.folder / "pooler", program, libraries, self.swarm)
        self.password_file = self.folder / "password"
        self.password_file.write_text(PASSWORD)
        self.password_file.chmod(0o600)
        self.numbers = itertools.count(1)
        until(lambda: self.swarm.answers() and self.k3s.answers(), "both instances answer")
        self.swarm.sql("CREATE TABLE rows (n bigint, kind text, port int, at timestamptz)")
        self.swarm.sql("CREATE TABLE total AS SELECT 0::bigint AS n")

    def primary(self) -> Postgres:
        return next(one for one in (self.swarm, self.k3s) if one.sql("SELECT pg_is_in_recovery()") == "f")

    @contextlib.contextmanager
    def load(
        self, clients: int = 8, per_second: float = 80, intruders: bool = True
    ) -> t.Iterator[tuple[list[Writer], list[Intruder]]]:
        self.primary().sql("DELETE FROM rows; UPDATE total SET n = 0")
        writers = [Writer(self.pooler.port, self.numbers, per_second / clients) for _each in range(clients)]
        past = [Intruder(instance, self.numbers) for instance in (self.swarm, self.k3s)] if intruders else []
        everybody = [*writers, *past]
        for one in everybody:
            one.start()
        try:
            until(lambda: all(writer.acknowledged or writer.failed for writer in writers), "everybody writes")
            yield writers, past
        except BaseException:
            # They may be held at the pooler for ever.
            for writer in writers:
                writer.psql.kill()
            raise
        finally:
            for one in everybody:
                one.leave.set()
            for one in everybody:
                one.end()

    @contextlib.contextmanager
    def open_transaction(self) -> t.Iterator[None]:
        """A client of the pooler that begins and does not end."""
        with subprocess.Popen(
            ["psql", "-h", "127.0.0.1", "-p", str(self.pooler.port), "-d", DATABASE, "-XAtq"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        ) as psql:
            assert psql.stdin and psql.stdout
            psql.stdin.write("BEGIN;\nSELECT 'begun';\n")
            psql.stdin.flush()
            assert psql.stdout.readline() == "begun\n"
            try:
                yield
            finally:
                psql.kill()

    def held(self) -> bool:
        """Whether clients are held at the pooler."""
        row = next(line for line in self.admin("SHOW DATABASES").splitlines() if line.startswith(f"{DATABASE},"))
        return row.split(",")[-2] == "1"

    def admin(self, command: str, wait: bool = True) -> str:
        """What the pooler says to O(command), where that is waited for."""
        where = ["-h", "127.0.0.1", "-p", str(self.pooler.port), "-d", "pgbouncer"]
        arguments = ["psql", *where, "-XAt", "-F,", "-c", command]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment()) as psql:
            if wait:
                return psql.communicate()[0]
            until(self.held, "clients are held")
            psql.kill()
        return ""

    def params(self, state: str, target: Postgres, **changes: t.Any) -> dict[str, t.Any]:
        other = self.swarm if target is self.k3s else self.k3s
        values = {
            "state": state,
            "target": target.address,
            "other": other.address,
            "target_name": None,
            "other_name": None,
            "pooler": self.pooler.address,
            "pooler_file": str(self.pooler.file),
            "user": USER,
            "database": DATABASE,
            "password_file": str(self.password_file),
            "overwrite": False,
            "max_lag": 1 << 20,
            "grace": 10,
            "journal": str(self.folder / "journal.jsonl"),
            "phase": "cutover",
            "deadline": 100,
            "check": False,
            "kind": "postgres",
            "name": "postgres",
            "dead_man": 0,
            "run_lock": str(self.folder / "run.lock"),
        }
        return {**values, **changes}

    def run(self, state: str, target: Postgres, die: t.Sequence[object] = (), **changes: t.Any) -> dict[str, t.Any]:
        """What a run returned; nothing where it was killed."""
        return controller(self.folder, self.params(state, target, **changes), die)

    def end(self) -> None:
        for server in (self.pooler.server, self.swarm.server, self.k3s.server):
            server.end()
        shutil.rmtree(self.folder)


def controller(
    folder: pathlib.Path, params: t.Mapping[str, t.Any], die: t.Sequence[object] = (), **more: str
) -> dict[str, t.Any]:
    """What a run in a process of its own returned; nothing where it was killed, see controller.py for O(die)."""
    path = folder / "params.json"
    path.write_text(json.dumps(params))
    done = subprocess.run(
        [sys.executable, str(HERE / "controller.py"), str(path), *(str(one) for one in die)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[2] / "collections"), **more},
    )
    if done.returncode == -signal.SIGKILL:
        return {}
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))
