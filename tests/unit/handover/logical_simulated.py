# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two databases and a pooler that exist in memory: what each step of a handover by logical replication really does, part by part,
and what may go wrong in between. Like the oldest versions, a subscriber publishes again what it gets."""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import dataclass, field

from ansible_collections.sophia.replatform.plugins.module_utils.handover import logical
from ansible_collections.sophia.replatform.plugins.module_utils.handover.logical_checks import Facts
from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_world import Pooler
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Step

A, B = "a:5432", "b:5432"


class DownError(Exception):
    """A part of a step met an instance that is not there, or is not what the step needs."""


@dataclass
class Server:
    """O(log) is what was committed, O(slot) how far of that the other one has confirmed; O(sessions) may write whatever is set."""

    address: str
    data: bool = False
    up: bool = True
    reachable: bool = True
    rows: set[int] = field(default_factory=set)
    log: list[int] = field(default_factory=list)
    sequence: int = 0
    read_only: bool = False
    sessions: bool = True
    fenced: bool = False
    follows: str = ""
    pending: bool = False
    slot: int | None = None
    freeze: str = ""
    recorded: str = ""
    credentials: bool = False
    late: list[t.Callable[[], None]] = field(default_factory=list)

    @property
    def may_write(self) -> bool:
        return self.data and (not self.read_only or self.sessions)

    def put(self, row: int) -> None:
        self.rows.add(row)
        self.log.append(row)


class Fleet:
    """The world. Every method that is called from outside leaves it as a real one might be."""

    def __init__(self) -> None:
        self.servers = {A: Server(A, data=True), B: Server(B)}
        self.leads_to, self.paused, self.servers_open, self.tried = A, False, 0, False
        self.connected = True
        self.acknowledged: set[int] = set()
        self.drawn: list[int] = []
        self.names = itertools.count(1)

    # What others do

    def write(self, address: str) -> bool:
        """A client; whether it could."""
        server = self.servers[address]
        if not (server.up and server.may_write):
            return False
        row = len(self.acknowledged)
        server.sequence += 1
        self.drawn.append(server.sequence)
        self.acknowledged.add(row)
        server.put(row)
        return True

    def crash(self, address: str) -> None:
        server = self.servers[address]
        server.up, server.late = False, []
        server.sessions = not server.read_only

    def stream(self) -> None:
        for server in self.servers.values():
            source = self.servers.get(server.follows)
            if source is None or not self.streams(server):
                continue
            if server.pending:
                assert not server.rows, "rows are copied onto others"
                for row in sorted(source.rows):
                    server.put(row)
                source.slot, server.pending = len(source.log), False
            while source.slot is not None and source.slot < len(source.log):
                row = source.log[source.slot]
                if row in server.rows:
                    break  # a conflict: it gets no further
                server.put(row)
                source.slot += 1

    def streams(self, server: Server) -> bool:
        source = self.servers.get(server.follows)
        return bool(source and self.connected and server.up and source.up and source.slot is not None)

    # What the loop sees and does

    def observe(self, wanted: logical.Wanted) -> logical.World:
        pooler = Pooler(self.leads_to, self.paused, self.servers_open, tried=self.tried)
        return logical.World(pooler, self._seen(wanted.target), self._seen(wanted.other))

    def _seen(self, address: str) -> logical.Instance | None:
        server = self.servers[address]
        if not (server.up and server.reachable):
            return None
        filled = ("rows",) if server.rows else ()
        return logical.Instance(
            address=address,
            system=address,
            freeze=server.freeze,
            recorded=server.recorded,
            follows=server.follows,
            running=self.streams(server),
            pending=int(server.pending),
            slot=server.slot is not None,
            confirmed=server.slot or 0,
            lsn=len(server.log),
            read_only=server.read_only,
            fenced=server.fenced,
            credentials=server.credentials,
            busy=bool(server.late),
            facts=Facts(tables=int(server.data), filled=filled),
        )

    def parts(self, step: Step, wanted: logical.Wanted) -> list[t.Callable[[], None]]:
        """What O(step) does, in order; a run may be killed between any two. Raises C(DownError) from within."""
        at = step.data.get("at") or step.data.get("to") or wanted.target
        server = self.servers[at]
        other = self.servers[B if at == A else A]
        if step.name.startswith("wait_for_"):
            return [self.stream, self._close]
        table: dict[str, list[t.Callable[[], None]]] = {
            "pause": [lambda: self._pause(True), self._close],
            "resume": [lambda: self._pause(False)],
            "try_repoint": [lambda: setattr(self, "tried", True)],
            "repoint": [lambda: setattr(self, "leads_to", at)],
            "give_credentials": [lambda: self._set(server, credentials=True)],
            "remove_credentials": [lambda: self._set(server, credentials=False)],
            "fence": [
                lambda: self._set(server, read_only=True),
                lambda: self._set(server, sessions=False),
                lambda: self._set(server, fenced=True),
            ],
            "open": [lambda: self._set(server, follows="", read_only=False, fenced=False, sessions=True)],
            "freeze": [lambda: self._set(server, freeze=f"freeze {next(self.names)}")],
            "unfreeze": [lambda: self._set(server, freeze="", recorded="")],
            "publish": [lambda: self._set(server, recorded="hash")],
            "empty": [lambda: self._empty(server)],
            "copy_schema": [lambda: self._copy(server, other)],
            "subscribe": [lambda: self._make_slot(server, other), lambda: self._subscribe(server, other, pending=True)],
            "turn": [
                lambda: self._set(other, sequence=server.sequence),
                lambda: self._compare(server, other),
                lambda: self._make_slot(server, other),
                lambda: self._subscribe(server, other, pending=False),
            ],
            "unsubscribe": [lambda: self._set(server, follows="", pending=False)],
            "drop_slot": [lambda: self._set(server, slot=None)],
        }
        return table[step.name]

    def _up(self, *servers: Server) -> None:
        if not all(server.up and server.reachable for server in servers):
            raise DownError

    def _set(self, server: Server, **values: t.Any) -> None:
        self._up(server)
        for name, value in values.items():
            setattr(server, name, value)

    def _empty(self, server: Server) -> None:
        self._set(server, follows="", pending=False, freeze="", recorded="", data=False, rows=set(), sequence=0)

    def _copy(self, server: Server, source: Server) -> None:
        self._up(server, source)
        if server.data and server.freeze != source.freeze:
            raise DownError
        server.data, server.freeze = True, source.freeze

    def _make_slot(self, server: Server, source: Server) -> None:
        self._up(server, source)
        if source.slot is not None or not self.connected or server.follows:
            raise DownError
        source.slot = len(source.log)

    def _subscribe(self, server: Server, source: Server, pending: bool) -> None:
        self._set(server, follows=source.address, pending=pending)

    def _compare(self, server: Server, other: Server) -> None:
        self._up(server, other)
        assert server.rows == other.rows, "they differ when the handover is made"

    def _pause(self, value: bool) -> None:
        self.paused = value

    def _close(self) -> None:
        if self.paused:
            self.servers_open = 0
