# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who asks the ports that a service publishes on this host, past the edge, counted since the first look at the kernel's table."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.traffic.conntrack import (
    Address,
    Entry,
    Network,
    parse,
)

# What the table says in whole seconds, and the clock beside it, differ by up to this.
_SLACK_S = 1.5
_OPEN = frozenset({"SYN_SENT", "SYN_RECV", "ESTABLISHED"})


@dataclass(frozen=True)
class Port:
    """A port that O(service) publishes; O(protocol) is V(tcp) or V(udp)."""

    service: str
    port: int
    protocol: str = "tcp"


@dataclass(frozen=True)
class _First:
    state: str
    ends_s: float


class PastEdge:
    """Connections to O(ports) at O(own) addresses, those of O(exempt) sources left out, and those to which this host itself answers by
    another port, as where the edge has taken the port over.

    Counted is one that is new, or over which a packet went: that renews how long its entry stays. One that is merely open is not.
    """

    def __init__(
        self,
        ports: t.Iterable[Port],
        own: t.Collection[Address],
        exempt: t.Sequence[Network],
        inside: t.Sequence[Network] = (),
    ) -> None:
        self._ports = {(port.protocol, port.port): port.service for port in ports}
        self._own, self._exempt, self._inside = own, exempt, inside
        self._first: dict[tuple[t.Any, ...], _First] | None = None
        self._asked: dict[tuple[t.Any, ...], Entry] = {}
        self._idle: dict[tuple[t.Any, ...], Entry] = {}

    def look(self, text: str, now_s: float | None = None) -> None:
        """Takes in the table as it is now."""
        now_s = time.monotonic() if now_s is None else now_s
        seen = {entry.key: entry for entry in parse(text, self._ports) if self._counts(entry)}
        if self._first is None:
            self._first = {
                key: _First(entry.state, now_s + entry.left_s)
                for key, entry in seen.items()
                if entry.left_s is not None
            }
        for key, entry in seen.items():
            if _used(self._first.get(key), entry, now_s):
                self._asked[key] = entry
        self._idle = {key: e for key, e in seen.items() if key not in self._asked and e.state in _OPEN}

    @property
    def asked(self) -> list[dict[str, t.Any]]:
        """By service, port and source: how many connections from outside."""
        return self._told(entry for entry in self._asked.values() if not self._is_inside(entry))

    @property
    def inside(self) -> list[dict[str, t.Any]]:
        """The same from containers and pods of this host."""
        return self._told(entry for entry in self._asked.values() if self._is_inside(entry))

    @property
    def idle(self) -> list[dict[str, t.Any]]:
        """Connections from outside that are open, and over which nothing went."""
        return self._told(entry for entry in self._idle.values() if not self._is_inside(entry))

    def _counts(self, entry: Entry) -> bool:
        taken_over = entry.server in self._own and entry.server_port != entry.port
        return (
            entry.asked in self._own
            and not taken_over
            and entry.source not in self._own
            and not entry.source.is_loopback
            and not any(entry.source in network for network in self._exempt)
        )

    def _is_inside(self, entry: Entry) -> bool:
        return any(entry.source in network for network in self._inside)

    def _told(self, entries: t.Iterable[Entry]) -> list[dict[str, t.Any]]:
        counts: dict[tuple[str, int, str, str], int] = {}
        for entry in entries:
            service = self._ports[entry.protocol, entry.port]
            told = (service, entry.port, entry.protocol, str(entry.source))
            counts[told] = counts.get(told, 0) + 1
        return [
            {"service": service, "port": port, "protocol": protocol, "source": source, "connections": count}
            for (service, port, protocol, source), count in sorted(counts.items())
        ]


def _used(first: _First | None, entry: Entry, now_s: float) -> bool:
    """Whether something went over the connection since the first look, at which it was O(first), None when it was not there."""
    if first is None or entry.left_s is None:
        return True
    ended = first.state in _OPEN and entry.state not in _OPEN
    return ended or now_s + entry.left_s > first.ends_s + _SLACK_S
