# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The nftables table that leads new connections of a port to another port of the same host: as text, and as C(nft -j) lists it.

The chain C(redirects) has the rules, the two base chains jump to it. A release empties the base chains alone: as long as a table has
a base chain of type nat the kernel goes on translating the connections that were redirected.

Only a SYN is redirected. A connection that conntrack had not followed before the table came looks new to it in mid-stream.

The base chains come before those of Docker, which has C(DOCKER-INGRESS) and C(DOCKER) at C(dstnat) (-100) in PREROUTING and OUTPUT
(moby, daemon/libnetwork/service_linux.go, initIngressConfiguration). The first chain that sets up a translation has the last word
(Linux, net/netfilter/nf_nat_core.c, nf_nat_inet_fn).
"""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass

PRIORITY = -110
Rule = t.List[t.Dict[str, t.Any]]
_SYN = ("ack", "fin", "rst", "syn")


@dataclass(frozen=True)
class Redirect:
    """New connections to O(port) go to O(to_port)."""

    port: int
    to_port: int


@dataclass(frozen=True)
class Plan:
    """What the table O(table) of family inet is to do; neither sockets of user O(uid) nor the sources O(exempt) are redirected."""

    table: str
    redirects: tuple[Redirect, ...]
    uid: int | None = None
    exempt: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table as it is loaded: by base chain its hook, priority and rules, and the rules of the chain C(redirects)."""

    prerouting: tuple[t.Any, ...]
    output: tuple[t.Any, ...]
    redirects: tuple[t.Any, ...]
    whole: bool = True

    @property
    def leads(self) -> bool:
        """Whether it redirects anything."""
        return bool(self.prerouting or self.output)

    @property
    def ports(self) -> list[int]:
        """The ports that it redirects, or did before it was released."""
        dports = [_dport(rule) for rule in self.redirects]
        return sorted(port for port in dports if port is not None)

    @property
    def to_ports(self) -> list[int]:
        """The ports that it leads to, or did before it was released."""
        return sorted({s["redirect"]["port"] for rule in self.redirects for s in rule if s.get("redirect")})


def text(plan: Plan) -> str:
    """The file for C(nft -f): one transaction that puts the table in the place of the one that is there."""
    table = f"table inet {plan.table}"
    lines = [table, f"delete {table}", f"{table} {{", "  chain redirects {"]
    for redirect in plan.redirects:
        lines.append(
            f"    tcp dport {redirect.port} tcp flags & (fin | syn | rst | ack) == syn fib daddr type local "
            f"redirect to :{redirect.to_port}"
        )
    lines += ["  }", "  chain prerouting {", f"    type nat hook prerouting priority {PRIORITY}; policy accept;"]
    lines += [f"    {_family(source)} saddr {source} return" for source in plan.exempt]
    lines += ["    jump redirects", "  }", "  chain output {"]
    lines += [f"    type nat hook output priority {PRIORITY}; policy accept;"]
    lines += [] if plan.uid is None else [f"    meta skuid {plan.uid} return"]
    return "\n".join([*lines, "    jump redirects", "  }", "}", ""])


def release_text(table: str) -> str:
    """One transaction after which nothing new is redirected, and what has been goes on."""
    return f"flush chain inet {table} prerouting\nflush chain inet {table} output\n"


def wanted(plan: Plan) -> Table:
    """The table of RV(text), as RV(loaded) reads it."""
    syn = _match({"&": [_field("tcp", "flags"), list(_SYN)]}, "syn")
    local = _match({"fib": {"result": "type", "flags": ["daddr"]}}, "local")
    redirects = [
        [_match(_field("tcp", "dport"), each.port), syn, local, {"redirect": {"port": each.to_port}}]
        for each in plan.redirects
    ]
    jump = [{"jump": {"target": "redirects"}}]
    exempt = [[_match(_field(_family(s), "saddr"), _source(s)), {"return": None}] for s in plan.exempt]
    own = [] if plan.uid is None else [[_match({"meta": {"key": "skuid"}}, plan.uid), {"return": None}]]
    return Table((*exempt, jump), (*own, jump), tuple(redirects))


def loaded(listing: t.Mapping[str, t.Any]) -> Table:
    """A table from C(nft -j list table); O(Table.whole) is false where a base chain is not as RV(text) makes it."""
    rules: dict[str, list[Rule]] = {"prerouting": [], "output": [], "redirects": []}
    bases = {}
    for entry in listing["nftables"]:
        if "chain" in entry:
            chain = entry["chain"]
            bases[chain["name"]] = tuple(chain.get(key) for key in ("type", "hook", "prio", "policy"))
        elif "rule" in entry:
            rules.setdefault(entry["rule"]["chain"], []).append([_plain(part) for part in entry["rule"]["expr"]])
    whole = bases == {
        "redirects": (None, None, None, None),
        "prerouting": ("nat", "prerouting", PRIORITY, "accept"),
        "output": ("nat", "output", PRIORITY, "accept"),
    }
    return Table(tuple(rules["prerouting"]), tuple(rules["output"]), tuple(rules["redirects"]), whole)


def _plain(part: t.Any) -> t.Any:
    """A part of a rule without what differs between versions of nft: whether flags are a list or a tree of C(|), and their order."""
    if isinstance(part, dict):
        if set(part) == {"|"}:
            return sorted(_flags(part))
        return {key: _plain(value) for key, value in part.items()}
    if isinstance(part, list):
        plain = [_plain(each) for each in part]
        return sorted(plain) if all(isinstance(each, str) for each in plain) else plain
    return part


def _dport(rule: Rule) -> int | None:
    for part in rule:
        if part.get("match", {}).get("left") == _field("tcp", "dport"):
            return t.cast(int, part["match"]["right"])
    return None


def _flags(part: t.Any) -> list[str]:
    if isinstance(part, dict):
        return [flag for each in part["|"] for flag in _flags(each)]
    return [part]


def _match(left: t.Any, right: t.Any) -> dict[str, t.Any]:
    return {"match": {"op": "==", "left": left, "right": right}}


def _field(protocol: str, field: str) -> dict[str, t.Any]:
    return {"payload": {"protocol": protocol, "field": field}}


def _family(source: str) -> str:
    return "ip6" if ":" in source else "ip"


def _source(source: str) -> t.Any:
    network = ipaddress.ip_network(source, strict=False)
    if network.prefixlen == network.max_prefixlen:
        return str(network.network_address)
    return {"prefix": {"addr": str(network.network_address), "len": network.prefixlen}}
