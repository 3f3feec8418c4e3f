"""The pod network: one subnet a node, plain routes between nodes, and leave to pass in a firewall that Docker closes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from . import logs


def cni_config(pod_cidr: str, mtu: int) -> str:
    """Point-to-point links, not a bridge: every packet is routed, so Services work between pods of one node, too."""
    return json.dumps(
        {
            "cniVersion": "0.4.0",
            "name": "cbr0",
            "plugins": [
                {
                    "type": "ptp",
                    "mtu": mtu,
                    "ipam": {
                        "type": "host-local",
                        "dataDir": "/var/lib/cni/networks",
                        "ranges": [[{"subnet": pod_cidr}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": True}},
            ],
        },
        indent=2,
    )


def address_of(node: dict[str, Any]) -> str:
    addresses = node.get("status", {}).get("addresses") or []
    return next((str(a["address"]) for a in addresses if a["type"] == "InternalIP"), "")


def wanted_routes(nodes: list[dict[str, Any]], own_name: str) -> dict[str, str]:
    """Pod subnet -> address of the node that has it, for every node but this one."""
    return {
        node["spec"]["podCIDR"]: address_of(node)
        for node in nodes
        if node["metadata"]["name"] != own_name and node.get("spec", {}).get("podCIDR") and address_of(node)
    }


def own_subnet(nodes: list[dict[str, Any]], own_name: str) -> str:
    return next((n["spec"].get("podCIDR", "") for n in nodes if n["metadata"]["name"] == own_name), "")


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False)


def set_routes(wanted: dict[str, str], present: dict[str, str]) -> dict[str, str]:
    """Bring the routes from ``present`` to ``wanted``; returns what is in place now."""
    for subnet in present.keys() - wanted.keys():
        _run("ip", "route", "del", subnet)
    for subnet, gateway in wanted.items():
        if present.get(subnet) == gateway:
            continue
        result = _run("ip", "route", "replace", subnet, "via", gateway)
        if result.returncode:
            logs.error(f"route to {subnet} via {gateway}: {result.stderr.strip()}")
            continue
    return dict(wanted)


def present_routes(cluster_cidr: str) -> dict[str, str]:
    """Routes of the pod network that lead to other nodes."""
    routes = json.loads(_run("ip", "-j", "route", "show", "root", cluster_cidr).stdout or "[]")
    return {r["dst"]: r["gateway"] for r in routes if "gateway" in r and "/" in r["dst"]}


#: flannel's own chains: (table, the chain that leads there, the comment on that jump).
CHAINS = {
    "FLANNEL-FWD": ("filter", "FORWARD", "flanneld forward"),
    "FLANNEL-POSTRTG": ("nat", "POSTROUTING", "flanneld masq"),
}


def rules(cluster_cidr: str) -> list[tuple[str, str, list[str]]]:
    """(table, chain, rule): Docker's policy for FORWARD is DROP, so pods need their own word in it."""
    jumps = [
        (table, parent, ["-m", "comment", "--comment", comment, "-j", chain])
        for chain, (table, parent, comment) in CHAINS.items()
    ]
    return [
        *jumps,
        ("filter", "FLANNEL-FWD", ["-s", cluster_cidr, "-j", "ACCEPT"]),
        ("filter", "FLANNEL-FWD", ["-d", cluster_cidr, "-j", "ACCEPT"]),
        ("nat", "FLANNEL-POSTRTG", ["-s", cluster_cidr, "!", "-d", cluster_cidr, "-j", "MASQUERADE"]),
    ]


def ensure_rules(cluster_cidr: str) -> None:
    """Put back what is missing; Docker or an administrator may have flushed the tables since."""
    for chain, (table, _parent, _comment) in CHAINS.items():
        if _run("iptables", "-w", "10", "-t", table, "-n", "-L", chain).returncode:
            _run("iptables", "-w", "10", "-t", table, "-N", chain)
    for table, chain, rule in rules(cluster_cidr):
        if _run("iptables", "-w", "10", "-t", table, "-C", chain, *rule).returncode:
            result = _run("iptables", "-w", "10", "-t", table, "-A", chain, *rule)
            if result.returncode:
                logs.error(f"iptables {chain}: {result.stderr.strip()}")


def enable_forwarding() -> None:
    for key in ("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"):
        file = Path("/proc/sys") / key
        try:
            if file.exists() and file.read_text().strip() != "1":
                file.write_text("1")
        except OSError as error:
            logs.warning(f"cannot set {key}: {error}")
