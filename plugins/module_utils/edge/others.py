# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Redirections of a port by other hands, from C(nft -j list ruleset) and from C(iptables-save -t nat).

Those of Docker lead to the holder whose port is taken over, and are no obstacle.
"""

from __future__ import annotations

import re
import typing as t

DOCKER_CHAINS = {"DOCKER", "DOCKER-INGRESS"}
DOCKER_TABLES = {"docker-bridges"}
_SAVED = re.compile(r"^-A (\S+) .*--dports? (\S+) .*-j (?:DNAT|REDIRECT)\b")


def in_nftables(listing: t.Mapping[str, t.Any], own: str, port: int) -> list[str]:
    """Where a table other than O(own) and Docker's has a rule that redirects O(port), e.g. C(table ip proxy, chain pre).

    What iptables has put there is told by RV(in_iptables) instead: nft shows its targets without their ports.
    """
    found = []
    for entry in listing["nftables"]:
        rule = entry.get("rule")
        if not rule or (rule["family"], rule["table"]) == ("inet", own):
            continue
        if rule["table"] in DOCKER_TABLES or rule["chain"] in DOCKER_CHAINS:
            continue
        if any("redirect" in part or "dnat" in part for part in rule["expr"]) and _asks_for(rule["expr"], port):
            found.append(f"table {rule['family']} {rule['table']}, chain {rule['chain']}")
    return sorted(set(found))


def in_iptables(saved: str, port: int) -> set[str]:
    """The chains that redirect O(port), Docker's too, e.g. C(CNI-DN-1a2b3)."""
    rules = (_SAVED.match(line) for line in saved.splitlines())
    return {rule[1] for rule in rules if rule and _in_ports(rule[2], port)}


def _in_ports(ports: str, port: int) -> bool:
    for part in ports.split(","):
        first, _colon, last = part.partition(":")
        if int(first or 0) <= port <= int(last or first or 65535):
            return True
    return False


def _asks_for(part: t.Any, port: int) -> bool:
    """Whether a rule asks for O(port): by a match, a set, a range, or the key of a map."""
    if isinstance(part, list):
        return any(_asks_for(each, port) for each in part)
    if not isinstance(part, dict):
        return False
    if "match" in part:
        return _is_dport(part["match"]["left"]) and _holds(part["match"]["right"], port)
    if "map" in part and _is_dport(part["map"].get("key")):
        return any(_holds(each[0], port) for each in part["map"]["data"].get("set", []))
    return any(_asks_for(each, port) for each in part.values())


def _is_dport(part: t.Any) -> bool:
    return isinstance(part, dict) and part.get("payload", {}).get("field") == "dport"


def _holds(ports: t.Any, port: int) -> bool:
    if isinstance(ports, dict):
        if "range" in ports:
            return t.cast(bool, ports["range"][0] <= port <= ports["range"][1])
        return any(_holds(each, port) for each in ports.get("set", []))
    return bool(ports == port)
