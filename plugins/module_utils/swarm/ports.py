# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ports of a Swarm and who holds them: what was kept of the Swarm, C(ss), C(ip) and C(iptables -S) in. Pure."""

from __future__ import annotations

import re
import typing as t

Port = t.Tuple[int, str]
INGRESS = "DOCKER-INGRESS"
BRIDGE = "docker_gwbridge"
_PROCESS = re.compile(r'\(\("([^"]+)",pid=(\d+)')
_LED = re.compile(r"^-A DOCKER .*-p (\w+) .*--dport (\d+) .*-j DNAT\b")
# Docker puts it there for the ingress network, once and again, and never takes it away (moby, libnetwork, initIngressConfiguration).
_MASQUERADE = re.compile(rf"^-A POSTROUTING (?=.*-o {BRIDGE}\b)(?=.*--src-type LOCAL\b).*-j MASQUERADE$")
# The edge and K3s serve by ports that the Swarm may have had.
EXPECTED = {"traefik", "k3s", "k3s-server", "k3s-agent", "kube-proxy", "kubelet"}
KERNEL = "the kernel, for a VXLAN"


def of_the_swarm(data_path_port: int) -> set[Port]:
    """What its nodes ask each other on."""
    return {(2377, "tcp"), (7946, "tcp"), (7946, "udp"), (data_path_port or 4789, "udp")}


def kept_ports(kept: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """C(data_path_port) and C(published) of a Swarm that was kept as C(swarm-STACK.json); a port that Swarm itself chose is not in it."""
    found = set()
    for spec in (kept.get("specs") or {}).values():
        for port in (spec.get("EndpointSpec") or {}).get("Ports") or []:
            if port.get("PublishedPort"):
                found.add((int(port["PublishedPort"]), str(port.get("Protocol") or "tcp")))
    published = [{"port": number, "protocol": protocol} for number, protocol in sorted(found)]
    return {"data_path_port": int((kept.get("cluster") or {}).get("data_path_port") or 4789), "published": published}


def holders(listeners: str, ports: t.Collection[Port]) -> list[tuple[Port, str, str]]:
    """Each of O(ports) that is held: the port, the program, and how a person knows it; from C(ss -Hlntup)."""
    found: dict[tuple[Port, str], str] = {}
    for line in listeners.splitlines():
        fields = line.split()
        number = fields[4].rpartition(":")[2] if len(fields) > 4 else ""
        if number.isdigit() and (int(number), fields[0]) in ports:
            process = _PROCESS.search(line)
            name = process[1] if process else KERNEL
            found.setdefault(((int(number), fields[0]), name), f"{name} (pid {process[2]})" if process else name)
    return [(port, name, text) for (port, name), text in sorted(found.items())]


def vxlan_ports(links: t.Iterable[t.Mapping[str, t.Any]]) -> set[int]:
    """The ports of VXLANs in the host's own namespace, from C(ip -j -d link show type vxlan); Docker's are in others."""
    data = [(link.get("linkinfo") or {}).get("info_data") or {} for link in links]
    return {int(one["port"]) for one in data if "port" in one}


def stale_rules(table: str, rules: t.Sequence[str], bridge_there: bool) -> list[str]:
    """The rules of C(iptables -S) that lead to the ingress' chain, and those for a bridge that is gone."""
    jumps = [rule for rule in rules if rule.startswith("-A ") and rule.endswith(f"-j {INGRESS}")]
    gone = [] if bridge_there or table != "nat" else [rule for rule in rules if _MASQUERADE.match(rule)]
    return jumps + gone


def has_chain(rules: t.Sequence[str]) -> bool:
    return f"-N {INGRESS}" in rules


def led_on(rules: t.Sequence[str], ports: t.Collection[Port]) -> list[Port]:
    """Which of O(ports) Docker leads to a container that is no task."""
    matches = [match for match in map(_LED.match, rules) if match]
    return sorted({(int(match[2]), match[1]) for match in matches} & set(ports))


def word(port: Port) -> str:
    return f"{port[0]}/{port[1]}"
