# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a takeover sees and does on the host: nft, the table of sockets, and a file."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.edge import others, ruleset, takeover
from ansible_collections.sophia.replatform.plugins.module_utils.edge.ruleset import Plan, Table
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Step
from ansible_collections.sophia.replatform.plugins.module_utils.whole_file import remove_if_there, replace_file

Find = t.Callable[[str], t.Optional[str]]
LISTEN, TIME_WAIT = "0A", "06"
PATIENCE_S = 3.0


class Takeover:
    """The operation that RV(takeover.next_step) decides on; O(path) is the file for the boot, O(find) finds a program."""

    def __init__(self, plan: Plan, present: bool, path: str, find: Find, force: bool = False) -> None:
        self._plan, self._present, self._path, self._force = plan, present, path, force
        self._find = find
        self._nft = find("nft")

    def observe(self) -> takeover.World:
        kept = _read(self._path)
        if self._present:
            listing = self._list() if self._nft else {"nftables": []}
            silent = tuple(fault for each in self._plan.redirects for fault in silent_families(each.to_port))
            return takeover.World(bool(self._nft), self._table(listing), kept, silent, self._others(listing))
        table = self._left()
        return takeover.World(
            nft=bool(self._nft),
            table=table,
            kept=kept,
            alone=() if self._force or table is None else self._unserved(table.ports),
            connections=open_connections(table.to_ports) if table else 0,
        )

    def _left(self) -> Table | None:
        """What there is to give back; nothing where the kernel has no nftables."""
        try:
            return self._table(self._list()) if self._nft else None
        except ReplatformError:
            if _read(self._path) is not None:
                raise
            return None

    def next_step(self, world: takeover.World) -> Decision:
        return takeover.next_step(self._plan, self._present, world)

    def simulate(self, world: takeover.World, step: Step) -> takeover.World:
        return takeover.simulate(self._plan, world, step)

    def act(self, step: Step) -> None:
        if step.name == "redirect":
            self._run("-f", "-", given=ruleset.text(self._plan))
        elif step.name == "keep_for_boot":
            replace_file(self._path, ruleset.text(self._plan), 0o644)
        elif step.name == "forget_at_boot":
            remove_if_there(self._path)
        elif step.name == "release":
            self._run("-f", "-", given=ruleset.release_text(self._plan.table))
        elif step.name == "remove_table":
            self._run("delete", "table", "inet", self._plan.table)

    def _list(self) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", json.loads(self._run("-j", "list", "ruleset")))

    def _table(self, listing: dict[str, t.Any]) -> Table | None:
        own = [
            entry
            for entry in listing["nftables"]
            for kind, it in entry.items()
            if it.get("family") == "inet" and it.get("name" if kind == "table" else "table") == self._plan.table
        ]
        return ruleset.loaded({"nftables": own}) if own else None

    def _others(self, listing: dict[str, t.Any]) -> tuple[str, ...]:
        found = []
        for port in (each.port for each in self._plan.redirects):
            chains = self._in_iptables(port) - others.DOCKER_CHAINS
            where = others.in_nftables(listing, self._plan.table, port) + [
                f"iptables chain {c}" for c in sorted(chains)
            ]
            found += [f"port {port} is already redirected by {place}" for place in where]
        return tuple(found)

    def _unserved(self, ports: t.Sequence[int]) -> tuple[int, ...]:
        """Those that no process listens on and Docker leads to no container."""
        heard = {_port(local) for local, state in _sockets() if state == LISTEN}
        return tuple(p for p in ports if p not in heard and not self._in_iptables(p) & others.DOCKER_CHAINS)

    def _in_iptables(self, port: int) -> set[str]:
        saved = "".join(self._saved(program) for program in ("iptables-save", "ip6tables-save"))
        return others.in_iptables(saved, port)

    def _saved(self, program: str) -> str:
        found = self._find(program)
        if not found:
            return ""
        return subprocess.run([found, "-t", "nat"], capture_output=True, text=True, check=False).stdout

    def _run(self, *words: str, given: str = "") -> str:
        done = subprocess.run([str(self._nft), *words], input=given, capture_output=True, text=True, check=False)
        if done.returncode:
            said = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
            raise ReplatformError(f"nft {words[0]} failed, nothing of it is in effect: {said}")
        return done.stdout


def silent_families(port: int) -> list[str]:
    """Why connections led to O(port) would not be answered; a listener on one address alone does not answer all of them."""
    wildcards = {local.split(":")[0] for local, state in _sockets() if state == LISTEN and _port(local) == port}
    faults = []
    if not wildcards & {"0" * 8, "0" * 32} or not _connects("127.0.0.1", port):
        faults.append(f"nobody answers on port {port} of every IPv4 address")
    if _has_ipv6() and ("0" * 32 not in wildcards or not _connects("::1", port)):
        faults.append(f"nobody answers on port {port} of every IPv6 address")
    return faults


def open_connections(ports: t.Sequence[int]) -> int:
    """How many connections there are at these ports of the host."""
    return sum(1 for local, state in _sockets() if state not in (LISTEN, TIME_WAIT) and _port(local) in ports)


def _sockets() -> t.Iterator[tuple[str, str]]:
    """Local address and state of each TCP socket, as in C(/proc/net/tcp)."""
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError), open(f"/proc/self/net/{name}", encoding="ascii") as handle:
            for line in list(handle)[1:]:
                words = line.split()
                yield words[1], words[3]


def _port(local: str) -> int:
    return int(local.split(":")[1], 16)


def _has_ipv6() -> bool:
    return bool(_read("/proc/self/net/if_inet6"))


def _connects(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), PATIENCE_S).close()
    except OSError:
        return False
    return True


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.read()
    except FileNotFoundError:
        return None
