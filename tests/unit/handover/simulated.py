# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two PostgreSQL instances and a pooler that exist in memory: what each step really does, part by part, and what may go wrong in
between. The WAL is a list of records; a position is a number of them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.sophia.replatform.plugins.module_utils.handover import switchover_world
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Step

A, B = "a:5432", "b:5432"
SHUTDOWN = ("shutdown",)


class DownError(Exception):
    """A part of a step met an instance that is not there, or is not what the step needs."""


@dataclass
class Server:
    address: str
    system: str
    up: bool = True
    reachable: bool = True
    standby: bool = False
    signal: bool = False
    read_only: bool = False
    follows: str = ""
    slot: bool = False
    credentials: bool = False
    flushed: int = 0
    wal: list[tuple[t.Any, ...]] = field(default_factory=list)

    @property
    def mark(self) -> tuple[str, int]:
        """The last word on a mark in the WAL."""
        words = [one for one in self.wal if one[0] in ("mark", "unmark")]
        return (words[-1][1], words[-1][2]) if words and words[-1][0] == "mark" else ("", 0)

    @property
    def timeline(self) -> int:
        return 1 + sum(one[0] == "timeline" for one in self.wal)

    @property
    def rows(self) -> set[int]:
        return {one[1] for one in self.wal if one[0] == "row"}

    @property
    def may_write(self) -> bool:
        """Whether it takes writes now, or would after its next start."""
        return not self.standby if self.up else not self.signal

    def start(self) -> None:
        if not self.up:
            self.up, self.standby = True, self.signal


class Fleet:
    """The world. Every method that is called from outside leaves it as a real one might be."""

    def __init__(self) -> None:
        self.servers = {A: Server(A, "old"), B: Server(B, "new")}
        self.leads_to, self.paused, self.servers_open, self.tried = A, False, 0, False
        self.connected = True
        self.acknowledged: set[int] = set()

    # What others do

    def write(self, address: str) -> None:
        """A client that goes past the pooler and past the read-only default."""
        server = self.servers[address]
        if server.up and not server.standby and server.system == "old":
            number = len(self.acknowledged)
            server.wal.append(("row", number))
            self.acknowledged.add(number)

    def crash(self, address: str) -> None:
        self.servers[address].up = False

    def shut_down(self, address: str) -> None:
        """In order: a standby that streams gets all before it ends."""
        server = self.servers[address]
        if server.up:
            if not server.standby:
                server.wal.append(SHUTDOWN)
                self.stream()
            server.up = False

    def stream(self) -> None:
        for server in self.servers.values():
            if self.streams(server):
                server.wal = list(self.servers[server.follows].wal)

    def streams(self, server: Server) -> bool:
        source = self.servers.get(server.follows)
        return bool(
            source
            and self.connected
            and server.up
            and source.up
            and server.standby
            and server.system == source.system
            and source.wal[: len(server.wal)] == server.wal
        )

    # What the loop sees and does

    def observe(self, wanted: switchover_world.Wanted) -> switchover_world.World:
        pooler = switchover_world.Pooler(self.leads_to, self.paused, self.servers_open, tried=self.tried)
        return switchover_world.World(pooler, self._seen(wanted.target), self._seen(wanted.other))

    def _seen(self, address: str) -> switchover_world.Instance | None:
        server = self.servers[address]
        if not (server.up and server.reachable):
            return None
        forks = [place for place, one in enumerate(server.wal) if one[0] == "timeline"]
        at_shutdown = server.flushed == len(server.wal) and server.wal[-1:] == [SHUTDOWN]
        return switchover_world.Instance(
            address=address,
            system=server.system,
            standby=server.standby,
            lsn=len(server.wal),
            flushed=len(server.wal),
            shut_down=len(server.wal) if at_shutdown else 0,
            follows=server.follows,
            streaming=self.streams(server),
            read_only=server.read_only,
            condemned=server.signal,
            marked=server.mark[0],
            marked_timeline=server.mark[1],
            slot=server.slot,
            credentials=server.credentials,
            timeline=server.timeline,
            forks={number + 1: place for number, place in enumerate(forks)},
        )

    def parts(self, step: Step, wanted: switchover_world.Wanted) -> list[t.Callable[[], None]]:
        """What O(step) does, in order; a run may be killed between any two. Raises C(DownError) from within."""
        at = step.data.get("at") or step.data.get("to") or wanted.target
        server = self.servers.get(at)
        other = self.servers[B if at == A else A]
        if step.name.startswith("wait_for_"):
            return [self.stream, self._close]
        table: dict[str, list[t.Callable[[], None]]] = {
            "prove": [self.stream, lambda: self._set(server, flushed=len(server.wal))],
            "pause": [lambda: self._pause(True), self._close],
            "resume": [lambda: self._pause(False)],
            "try_repoint": [lambda: setattr(self, "tried", True)],
            "repoint": [lambda: setattr(self, "leads_to", at)],
            "give_credentials": [lambda: self._set(server, credentials=True)],
            "make_slot": [lambda: self._set(server, slot=True)],
            "drop_slot": [lambda: self._set(server, slot=False)],
            "checkpoint": [lambda: self._set(server, flushed=len(server.wal))],
            "follow": [lambda: self._set(server, follows=step.data.get("primary"))],
            "seed": [lambda: self._seed(server, other, step.data["over"])],
            "fence": [
                lambda: self._set(server, read_only=True),
                lambda: self._set(server, follows=other.address),
                lambda: self._set(server, signal=True),
                lambda: self._append(server, ("mark", at, server.timeline)),
                lambda: self._stop(at),
            ],
            "release": [
                lambda: server.standby or self._append(server, ("unmark",)),
                lambda: server.standby or self._set(server, signal=False),
                lambda: self._set(server, read_only=False),
            ],
            "void": [lambda: self._set(server, read_only=True)],
            "promote": [lambda: self._promote(server, step.data["lsn"])],
        }
        return table[step.name]

    def _up(self, server: Server) -> None:
        if not (server.up and server.reachable):
            raise DownError

    def _set(self, server: Server, **values: t.Any) -> None:
        self._up(server)
        for name, value in values.items():
            setattr(server, name, value)

    def _append(self, server: Server, record: tuple[t.Any, ...]) -> None:
        self._up(server)
        if server.standby:
            raise DownError
        server.wal.append(record)

    def _stop(self, at: str) -> None:
        self._up(self.servers[at])
        self.shut_down(at)

    def _seed(self, server: Server, source: Server, over: str) -> None:
        self._up(server)
        self._up(source)
        if over != f"{server.system} {'standby' if server.standby else 'primary'}":
            raise DownError
        server.system, server.wal, server.signal, server.follows = source.system, list(source.wal), True, source.address
        server.read_only, server.slot, server.up = source.read_only, False, False

    def _promote(self, server: Server, lsn: str) -> None:
        self._up(server)
        if not server.standby or server.read_only or lsn != switchover_world.text_lsn(len(server.wal)):
            raise DownError
        server.standby = server.signal = False
        server.wal.append(("timeline",))

    def _pause(self, value: bool) -> None:
        self.paused = value
        self.servers_open = 0 if not value else self.servers_open

    def _close(self) -> None:
        if self.paused:
            self.servers_open = 0
