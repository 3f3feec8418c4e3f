# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The connections that pass this host, whoever serves them: the kernel's table of connection tracking, as text."""

from __future__ import annotations

import ipaddress
import shutil
import subprocess
import typing as t
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError

_TABLE = "/proc/net/nf_conntrack"
_ROUTES, _ADDRESSES, _ADDRESSES6 = "/proc/net/route", "/proc/net/fib_trie", "/proc/net/if_inet6"
# What Docker, flannel and the bridge plugin of CNI call the interfaces that their containers and pods are behind.
_OF_CONTAINERS = ("docker0", "docker_gwbridge", "br-", "cni0", "flannel.")
Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


@dataclass(frozen=True)
class Entry:
    """One connection: who asked for which address and port, and by what address and port that was answered.

    O(left_s) is how long the entry stays without another packet, None while hardware or a fast path has the connection.
    """

    protocol: str
    source: Address
    source_port: int
    asked: Address
    port: int
    server: Address
    server_port: int
    state: str = ""
    left_s: int | None = None

    @property
    def key(self) -> tuple[t.Any, ...]:
        return (self.protocol, self.source, self.source_port, self.asked, self.port)


def parse(text: str, ports: t.Container[tuple[str, int]]) -> t.Iterator[Entry]:
    """The connections to O(ports) (protocol and port) that were answered, as C(/proc/net/nf_conntrack) and C(conntrack -L -o extended) tell them."""
    for line in text.splitlines():
        if "[UNREPLIED]" in line:
            continue
        fields = line.split()
        named = [field.partition("=")[::2] for field in fields if "=" in field]
        # Twice each: as it was asked, and as the answer comes back.
        found: dict[str, list[str]] = {}
        for name, value in named:
            found.setdefault(name, []).append(value)
        if len(fields) < 5 or any(len(found.get(name, ())) < 2 for name in ("src", "dst", "sport", "dport")):
            continue
        protocol, port = fields[2], int(found["dport"][0])
        if (protocol, port) not in ports:
            continue
        yield Entry(
            protocol,
            ipaddress.ip_address(found["src"][0]),
            int(found["sport"][0]),
            ipaddress.ip_address(found["dst"][0]),
            port,
            ipaddress.ip_address(found["src"][1]),
            int(found["sport"][1]),
            state=fields[5] if "=" not in fields[5] else "",
            left_s=int(fields[4]) if fields[4].isdigit() else None,
        )


def addresses(trie: str, interfaces6: str) -> frozenset[Address]:
    """This host's own addresses, of C(/proc/net/fib_trie) and C(/proc/net/if_inet6)."""
    found: set[Address] = set()
    last = ""
    for line in trie.splitlines():
        words = line.split()
        if words[:1] == ["|--"]:
            last = words[1]
        elif words[:3] == ["/32", "host", "LOCAL"]:
            found.add(ipaddress.ip_address(last))
    found.update(ipaddress.IPv6Address(int(line.split()[0], 16)) for line in interfaces6.splitlines() if line.strip())
    return frozenset(found)


def container_networks(routes: str) -> tuple[Network, ...]:
    """The networks of this host's containers and pods, of C(/proc/net/route)."""
    found = []
    for fields in (line.split() for line in routes.splitlines()[1:]):
        if len(fields) > 7 and fields[0].startswith(_OF_CONTAINERS):
            # In the byte order of the processor, as all that Docker and K3s run on have it.
            network, mask = (ipaddress.IPv4Address(bytes.fromhex(fields[at])[::-1]) for at in (1, 7))
            found.append(ipaddress.ip_network(f"{network}/{mask}"))
    return tuple(found)


def read_table() -> str:
    """The table now. Raises C(ReplatformError) where it can't be read, or has nothing, as where the kernel does not follow connections."""
    text, why = "", ""
    try:
        with open(_TABLE, encoding="ascii", errors="replace") as handle:
            text = handle.read()
    except OSError as exc:
        why = f"{_TABLE}: {exc.strerror}"
        text = _listed()
    if not text.strip():
        raise ReplatformError(why or f"{_TABLE} is empty, so the kernel does not follow connections here")
    return text


def read_host() -> tuple[frozenset[Address], tuple[Network, ...]]:
    """This host's own addresses, and the networks of its containers and pods."""
    return addresses(_text(_ADDRESSES), _text(_ADDRESSES6)), container_networks(_text(_ROUTES))


def _listed() -> str:
    """The table as the program C(conntrack) lists it, where it is installed: not every kernel has the file."""
    program = shutil.which("conntrack")
    if not program:
        return ""
    families = ("ipv4", "ipv6")
    done = [
        subprocess.run([program, "-L", "-f", family, "-o", "extended"], capture_output=True, text=True, check=False)
        for family in families
    ]
    return "".join(each.stdout for each in done) if all(each.returncode == 0 for each in done) else ""


def _text(path: str) -> str:
    try:
        with open(path, encoding="ascii") as handle:
            return handle.read()
    except OSError:
        return ""  # a kernel without IPv6 has no second file
