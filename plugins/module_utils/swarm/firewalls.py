# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules of ufw and firewalld that open ports and nothing else: as these programs list them, and the words that take them back. Pure."""

from __future__ import annotations

import re
import shlex
import typing as t

Port = t.Tuple[int, str]
Rule = t.Dict[str, t.Any]
# What firewalld brings for Docker's Swarm.
_SERVICE = "docker-swarm"
_OF_SERVICE = {(2377, "tcp"), (7946, "tcp"), (7946, "udp"), (4789, "udp")}
_SIMPLE = re.compile(r"([\d,:]+)(?:/(tcp|udp))?$")
_RICH = re.compile(
    r'rule (?:priority="-?\d+" )?(?:family="\w+" )?(?:source (?:address|ipset)="[^"]+" )?port port="([\d-]+)" protocol="(\w+)" accept$'
)


def in_ufw(added: str, ports: t.Collection[Port]) -> list[Rule]:
    """The rules in C(ufw show added) that open O(ports) alone; each is what comes after C(ufw) on the command line."""
    rules = [line[len("ufw ") :].strip() for line in added.splitlines() if line.startswith("ufw ")]
    return [{"tool": "ufw", "rule": rule} for rule in rules if _within(_ufw_ports(rule), ports)]


def in_firewalld(listed: str, ports: t.Collection[Port], permanent: bool) -> list[Rule]:
    """The same of C(firewall-cmd --list-all-zones)."""
    found, zone, rich = [], "", False
    for line in listed.splitlines():
        key, _colon, value = line.strip().partition(":")
        if line and not line[0].isspace():
            zone, rich = line.split()[0], False
        elif rich and line.strip().startswith("rule "):
            found.append((zone, "rich-rule", line.strip(), _rich_ports(line.strip())))
        elif key == "ports":
            found += [(zone, "port", one, _range(*one.partition("/")[::2])) for one in value.split()]
        elif key == "services" and _SERVICE in value.split():
            found.append((zone, "service", _SERVICE, _OF_SERVICE))
        else:
            rich = key == "rich rules"
    return [
        {"tool": "firewalld", "zone": where, "kind": kind, "value": value, "permanent": permanent}
        for where, kind, value, opened in found
        if _within(opened, ports)
    ]


def command(rule: Rule, opens: bool) -> list[str]:
    """The program and its arguments that open or close what O(rule) says."""
    if rule["tool"] == "ufw":
        words = shlex.split(rule["rule"])
        # A rule is found by what it does, not by its comment.
        return ["ufw", *words] if opens else ["ufw", "--force", "delete", *_without_comment(words)]
    how = ["--permanent"] if rule["permanent"] else []
    return [
        "firewall-cmd",
        *how,
        f"--zone={rule['zone']}",
        f"--{'add' if opens else 'remove'}-{rule['kind']}={rule['value']}",
    ]


def text(rule: Rule) -> str:
    """As a person reads it, e.g. C(firewalld public port 2377/tcp, permanent)."""
    if rule["tool"] == "ufw":
        return f"ufw {rule['rule']}"
    return f"firewalld {rule['zone']} {rule['kind']} {rule['value']}{', permanent' if rule['permanent'] else ''}"


def _within(opened: t.Collection[Port], ports: t.Collection[Port]) -> bool:
    return bool(opened) and all(any(_same(one, port) for port in ports) for one in opened)


def _same(opened: Port, port: Port) -> bool:
    """A rule without a protocol opens both, and is written for the one that is meant."""
    return opened[0] == port[0] and opened[1] in ("", port[1])


def _ufw_ports(rule: str) -> set[Port]:
    """What a rule lets in; nothing where it says more than ports and addresses, or something else."""
    words = _without_comment(shlex.split(rule))
    if words[:1] not in (["allow"], ["limit"]):
        return set()
    rest = [word for word in words[1:] if word not in ("in", "log", "log-all")]
    if rest[:1] == ["on"]:
        rest = rest[2:]
    simple = _SIMPLE.match(rest[0]) if len(rest) == 1 else None
    if simple:
        return _range(simple[1], simple[2] or "")
    if "out" in rest or rest.count("port") != 1 or "to" not in rest or rest.index("port") < rest.index("to"):
        return set()
    protocol = rest[rest.index("proto") + 1] if "proto" in rest else ""
    return _range(rest[rest.index("port") + 1], protocol)


def _without_comment(words: list[str]) -> list[str]:
    return words[: words.index("comment")] if "comment" in words else words


def _rich_ports(rule: str) -> set[Port]:
    match = _RICH.match(rule)
    return _range(match[1], match[2]) if match else set()


def _range(ports: str, protocol: str) -> set[Port]:
    """The ends of each range stand for it where they are not neighbours: then it opens more than what is asked for."""
    found: set[Port] = set()
    for part in ports.split(","):
        first, _dash, last = part.replace(":", "-").partition("-")
        if first.isdigit() and (last or first).isdigit():
            low, high = int(first), int(last or first)
            found |= {(number, protocol) for number in range(low, min(high, low + 8) + 1)}
    return found
