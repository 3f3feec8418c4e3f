# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Connections from this host to servers, read from the kernel's tables: Traefik counts no requests of TCP services."""

from __future__ import annotations

import socket
import struct
import typing as t

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
# States of include/net/tcp_states.h: established, FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT, CLOSE-WAIT, LAST-ACK, CLOSING.
_ESTABLISHED = "01"
_MADE = frozenset({_ESTABLISHED, "04", "05", "06", "08", "09", "0B"})


def read(text: str, states: t.Container[str] = _MADE) -> set[tuple[str, str]]:
    """Local and remote address, as C(host:port), of each connection in one of O(states), in one of the kernel's tables."""
    found = set()
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 3 and fields[3] in states:
            found.add((_address(fields[1]), _address(fields[2])))
    return found


def _address(field: str) -> str:
    host, _colon, port = field.partition(":")
    words = struct.pack(f"={len(host) // 8}I", *(int(host[i : i + 8], 16) for i in range(0, len(host), 8)))
    if len(words) == 16 and words.startswith(bytes(10) + b"\xff\xff"):
        words = words[12:]
    family = socket.AF_INET if len(words) == 4 else socket.AF_INET6
    return f"{socket.inet_ntop(family, words)}:{int(port, 16)}"


class Counter:
    """Counts the connections to O(servers) (C(address:port)), those left out that were there at the beginning.

    A connection stays in the tables for a minute after its end, so a short one is seen too: a health check as well.
    """

    def __init__(self, servers: t.Collection[str], look: t.Callable[[], set[tuple[str, str]]] | None = None) -> None:
        self._servers = {resolved(server): server for server in servers}
        self._look = look or _look
        self._known: set[tuple[str, str]] = set()
        self._counts: dict[str, int] = dict.fromkeys(servers, 0)

    def begin(self) -> None:
        """Counts from nothing, and leaves out what is in the tables now."""
        self._known = self._look()
        self._counts = dict.fromkeys(self._counts, 0)

    def count(self, servers: t.Collection[str]) -> int:
        """How many were made to these servers so far."""
        return sum(self._counts[server] for server in servers)

    def look(self) -> str:
        """Counts what is new in the tables; there is nothing that could be wrong."""
        seen = self._look()
        for pair in seen - self._known:
            server = self._servers.get(pair[1])
            if server is not None:
                self._counts[server] += 1
        self._known = seen
        return ""


def established(servers: t.Collection[str], look: t.Callable[[], set[tuple[str, str]]] | None = None) -> int:
    """How many connections to O(servers) are open."""
    remote = {resolved(server) for server in servers}
    return sum(1 for _local, server in (look or established_pairs)() if server in remote)


def established_pairs() -> set[tuple[str, str]]:
    """Local and remote address of each connection that is open."""
    return _look({_ESTABLISHED})


def resolved(server: str) -> str:
    """O(server) as the tables have it, by its address."""
    host, _colon, port = server.rpartition(":")
    return f"{socket.gethostbyname(host)}:{port}"


def _look(states: t.Container[str] = _MADE) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for table in _TABLES:
        try:
            with open(table, encoding="ascii") as handle:
                found |= read(handle.read(), states)
        except OSError:
            continue  # a kernel without IPv6 has no second table
    return found
