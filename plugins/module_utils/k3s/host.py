# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host says of K3s, and what forbids that K3s begins there: taken ports, overlapping networks, the other role's unit."""

from __future__ import annotations

import ipaddress
import json
import re
import typing as t

_SERVER = re.compile(r"^server:\s*[\"']?([^\"'\s#]+)", re.MULTILINE)
_KEY = re.compile(r"""^["']?([A-Za-z][A-Za-z0-9-]*)["']?\s*:""", re.MULTILINE)
_PROCESS = re.compile(r'\(\("([^"]+)",pid=(\d+)')


def wanted_ports(node_role: str, config: t.Mapping[str, t.Any]) -> list[tuple[str, int, str]]:
    """The ports (protocol, number, use) that K3s listens on (U(https://docs.k3s.io/installation/requirements))."""
    ports = [("tcp", 10250, "kubelet"), ("tcp", 10248, "kubelet health"), ("tcp", 10256, "kube-proxy health")]
    if node_role == "server":
        ports.append(("tcp", int(config.get("https-listen-port", 6443)), "API server"))
        if config.get("cluster-init"):
            ports += [("tcp", 2379, "etcd clients"), ("tcp", 2380, "etcd peers")]
    backend = str(config.get("flannel-backend", "vxlan"))
    if backend == "vxlan":
        ports.append(("udp", 8472, "flannel VXLAN"))
    elif backend == "wireguard-native":
        ports.append(("udp", 51820, "flannel WireGuard"))
    if config.get("embedded-registry"):
        ports.append(("tcp", 5001, "embedded registry"))
    return ports


def taken_ports(listeners: str, ports: t.Iterable[tuple[str, int, str]], installed: bool = False) -> list[str]:
    """Which of C(ports) are held, from the text of C(ss -Hlntup).

    Where K3s is C(installed), sockets of the kernel alone are its own: flannel's interface outlives a stopped service.
    """
    held: dict[tuple[str, int], str] = {}
    for line in listeners.splitlines():
        fields = line.split()
        if len(fields) < 5 or not fields[4].rpartition(":")[2].isdigit():
            continue
        process = _PROCESS.search(line)
        if installed and not process:
            continue
        holder = f"{process.group(1)} (pid {process.group(2)})" if process else "a process that ss does not name"
        held.setdefault((fields[0], int(fields[4].rpartition(":")[2])), holder)
    return [
        f"port {number}/{protocol} ({use}) is held by {held[(protocol, number)]}; free it or stop that process"
        for protocol, number, use in ports
        if (protocol, number) in held
    ]


def overlaps(networks: str, cidrs: t.Mapping[str, t.Any]) -> list[str]:
    """Where K3s' address ranges meet Docker's networks.

    C(networks) is the output of C(docker network inspect), C(cidrs) maps K3s' key to its value, which may hold several
    ranges with commas.
    """
    faults = []
    for network in json.loads(networks or "[]"):
        for pool in (network.get("IPAM") or {}).get("Config") or []:
            subnet = _network(pool.get("Subnet"))
            for key in sorted(cidrs):
                for part in str(cidrs[key]).split(","):
                    ours = _network(part.strip())
                    if subnet and ours and subnet.version == ours.version and subnet.overlaps(ours):
                        faults.append(
                            f"{key} {ours} overlaps Docker's network '{network.get('Name')}' ({subnet}); set another {key}"
                        )
    return faults


def host_faults(observed: t.Mapping[str, t.Any], node_role: str, config: t.Mapping[str, t.Any]) -> list[str]:
    """Every reason not to begin on a host.

    C(observed): C(running) (our own unit is up, so what listens is ours), C(other_unit) (the unit of the other role is
    installed), C(installed) (our own is), C(listeners) (text of ss), C(networks) (text of docker network inspect, or empty).
    """
    faults = []
    if observed.get("other_unit"):
        other = "agent" if node_role == "server" else "server"
        faults.append(
            f"this host is already a K3s {other}; remove it first (k3s_state: absent), or move it to its group"
        )
    if not observed.get("running"):
        faults += taken_ports(
            observed.get("listeners", ""), wanted_ports(node_role, config), bool(observed.get("installed"))
        )
        if node_role == "server":
            cidrs = {
                "cluster-cidr": config.get("cluster-cidr", "10.42.0.0/16"),
                "service-cidr": config.get("service-cidr", "10.43.0.0/16"),
            }
            faults += overlaps(observed.get("networks", ""), cidrs)
    return faults


def _network(text: str | None) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False) if text else None
    except ValueError:
        return None


def units(text: str) -> dict[str, dict[str, str]]:
    """The properties of each unit, by its C(Id), from the text of C(systemctl show UNIT... -p Id,...)."""
    found = {}
    for block in text.strip().split("\n\n"):
        properties = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in properties:
            found[properties["Id"]] = properties
    return found


def server_of(config: str) -> str | None:
    """The server that a node has joined, from the text of a C(config.yaml); None for one that began, or was never given any."""
    found = _SERVER.search(config)
    return found.group(1) if found else None


def keys_of(config: str) -> list[str]:
    """The keys at the top of a C(config.yaml), in order, from its text: a host need not have a YAML parser."""
    return _KEY.findall(config)
