# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two real Redis servers on loopback that are started again whenever they end, and clients that find the master by its role, as
those of Sentinel and of HAProxy's checks do."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import tempfile
import threading
import time
import typing as t

from ports import free_port

from .looks import Watch, takes
from .stores import PATIENCE_S, Server, controller, until
from .watch import watching

# What decides what is kept and what survives; none of these is Redis' own default.
GIVEN = {
    "appendonly": "yes",
    "appendfsync": "always",
    "maxmemory": "67108864",
    "maxmemory-policy": "allkeys-lru",
    "save": "900 1",
}

PASSWORD = r'pass"wo\rd'


class RedisError(Exception):
    """An answer that begins with -."""


class Client:
    """One connection; speaks no more of the protocol than it needs."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.file = self.socket.makefile("rb")
        self.ask("AUTH", PASSWORD)

    def ask(self, *words: str) -> str:
        """Raises C(OSError) when the connection ends."""
        text = "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
        self.socket.sendall(f"*{len(words)}\r\n{text}".encode())
        return self._answer()

    def _answer(self) -> str:
        line = self.file.readline().decode()
        if not line.endswith("\r\n"):
            raise ConnectionResetError
        kind, rest = line[0], line[1:].strip()
        if kind == "-":
            raise RedisError(rest)
        if kind == "$":
            return self.file.read(int(rest) + 2).decode()[:-2]
        if kind == "*":
            return "\n".join(self._answer() for _each in range(int(rest)))
        return rest

    def close(self) -> None:
        self.file.close()
        self.socket.close()


class Redis:
    """A server of its own, with a configuration file unless it has none."""

    def __init__(
        self, folder: pathlib.Path, program: str, libraries: str, settings: str = "", has_file: bool = True
    ) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        folder.mkdir()
        self.file = folder / "redis.conf"
        self.file.touch(mode=0o600)
        self.file.write_text(
            f"bind 127.0.0.1\nport {self.port}\ndir {folder}\nrepl-diskless-sync-delay 0\n"
            f"requirepass {_quoted(PASSWORD)}\n{settings}"
        )
        # What it reads from its input it can't write.
        start = '"$1" "$2"' if has_file else '"$1" - <"$2"'
        command = ["env", f"LD_LIBRARY_PATH={libraries}", "sh", "-c", f"exec {start}", "sh", program, str(self.file)]
        self.server = Server(folder, command, account=None)

    def ask(self, *words: str, database: int = 0) -> str:
        with contextlib.closing(Client(self.port)) as client:
            if database:
                client.ask("SELECT", str(database))
            return client.ask(*words)

    def settings(self) -> dict[str, str]:
        """Those of RV(GIVEN), as they are in force."""
        return {name: self.ask("CONFIG", "GET", name).partition("\n")[2] for name in GIVEN}

    def restart(self, lost: bool = False) -> None:
        """O(lost) is whether it comes back on an empty volume."""
        until(self._at_rest, "it writes no file, which it would refuse to end in")
        os.kill(self.server.process.pid, signal.SIGSTOP)
        with contextlib.suppress(OSError):
            self.ask("SHUTDOWN", "NOSAVE" if lost else "SAVE")
        until(lambda: not self.role(), "it has ended")
        for data in (self.file.parent / name for name in ("appendonlydir", "dump.rdb")) if lost else ():
            shutil.rmtree(data) if data.is_dir() else data.unlink(missing_ok=True)
        os.kill(self.server.process.pid, signal.SIGCONT)
        until(lambda: bool(self.role()), "it is back")

    def _at_rest(self) -> bool:
        said = self.ask("INFO", "persistence")
        return "aof_rewrite_in_progress:0" in said and "aof_rewrite_scheduled:0" in said

    def role(self) -> str:
        try:
            return self.ask("ROLE").split("\n")[0]
        except (OSError, RedisError):
            return ""


class Pair:
    """Two servers; the first has settings that the second has not."""

    def __init__(self, program: str, libraries: str) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="replatform-redis-"))
        self.libraries, self.loads = libraries, 0
        given = "".join(f"{name} {value}\n" for name, value in GIVEN.items())
        self.swarm = Redis(self.folder / "swarm", program, libraries, given)
        self.k3s = Redis(self.folder / "k3s", program, libraries)
        self.password_file = self.folder / "password"
        self.password_file.write_text(PASSWORD)
        until(lambda: self.swarm.role() == self.k3s.role() == "master", "both answer")

    def run(self, state: str, target: Redis, die: t.Sequence[object] = (), **changes: t.Any) -> dict[str, t.Any]:
        """What a run returned; nothing where it was killed."""
        params = {
            "kind": "redis",
            "name": "cache",
            "clients": None,
            "lead_timeout": 30,
            "dead_man": None,
            "state": state,
            "target": target.address,
            "other": (self.swarm if target is self.k3s else self.k3s).address,
            "password_file": str(self.password_file),
            "lock": str(self.folder / "lock"),
            "run_lock": str(self.folder / "run.lock"),
            "overwrite": False,
            "journal": str(self.folder / "journal.jsonl"),
            "phase": "cutover",
            "deadline": 100,
            "check": False,
        }
        return controller(self.folder, {**params, **changes}, die, LD_LIBRARY_PATH=self.libraries)

    @contextlib.contextmanager
    def load(self, clients: int = 5) -> t.Iterator[list[Writer]]:
        self.loads += 1
        writers = [Writer(self, f"{self.loads}:{number}", 10) for number in range(clients)]
        for writer in writers:
            writer.start()
        try:
            until(lambda: all(writer.acknowledged for writer in writers), "everybody writes")
            yield writers
        finally:
            for writer in writers:
                writer.leave.set()
            for writer in writers:
                writer.join(PATIENCE_S)

    def end(self) -> None:
        for redis in (self.swarm, self.k3s):
            redis.server.end()
        shutil.rmtree(self.folder)


class Writer(threading.Thread):
    """Appends numbers to one list; where the connection is lost or the server is a replica, it looks for the master and tries
    again. What it is refused it has not written."""

    def __init__(self, pair: Pair, name: str, per_second: float) -> None:
        super().__init__(daemon=True)
        self.pair, self.name_, self.pause_s = pair, f"rows:{name}", 1 / per_second
        self.acknowledged: list[int] = []
        self.tries = 0
        self.longest_s = 0.0
        self.leave = threading.Event()
        self.client: Client | None = None

    def run(self) -> None:
        number = 0
        while not self.leave.is_set():
            number += 1
            start = time.monotonic()
            while not self._write(number):
                self.tries += 1
                self.leave.wait(0.02)
            took = time.monotonic() - start
            self.acknowledged.append(number)
            self.longest_s = max(self.longest_s, took)
            self.leave.wait(max(0.0, self.pause_s - took))

    def _write(self, number: int) -> bool:
        try:
            self.client = self.client or self._master()
            if self.client is None:
                return False
            self.client.ask("RPUSH", self.name_, str(number))
        except (OSError, RedisError):
            if self.client:
                self.client.close()
            self.client = None
            return False
        return True

    def _master(self) -> Client | None:
        for redis in (self.pair.swarm, self.pair.k3s):
            if redis.role() == "master":
                return Client(redis.port)
        return None


def watched(pair: Pair) -> t.ContextManager[None]:
    """Fails where two were seen that take writes."""
    return watching(Watch([takes(one.role, "master") for one in (pair.swarm, pair.k3s)]))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
