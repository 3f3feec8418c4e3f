"""flannel's backend ``wireguard-native``: pods of other nodes are reached through an interface whose peers are those nodes.

K3s makes that interface in the kernel; here it is wireguard-go's, which the service starts and leaves running when it ends.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import stat
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from . import logs, pki
from .network import own_subnet

BACKEND = "wireguard-native"
INTERFACE = "flannel-wg"
PORT = 51820
KEEPALIVE = 25
#: What is left of 1500 bytes when WireGuard has taken its 80.
MTU = 1420
PREFIX = "flannel.alpha.coreos.com"


def private_key(file: Path) -> str:
    """This node's own key in WireGuard's base64, made once and kept 0600."""
    if not file.exists():
        made = X25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        pki.write(file, base64.b64encode(made))
    return file.read_text().strip()


def public_key(private: str) -> str:
    key = X25519PrivateKey.from_private_bytes(base64.b64decode(private))
    return base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def annotations(public: str, address: str, external: bool) -> dict[str, str]:
    """What is written on this node: how others reach it, and by which key they know it.

    With an ``external`` address K3s tells flannel by an annotation of its own not to look for one.
    """
    found = {
        f"{PREFIX}/backend-type": "wireguard",
        f"{PREFIX}/backend-data": json.dumps({"PublicKey": public}, separators=(",", ":")),
        f"{PREFIX}/kube-subnet-manager": "true",
        f"{PREFIX}/public-ip": address,
    }
    return {**found, f"{PREFIX}/public-ip-overwrite": address} if external else found


@dataclass(frozen=True)
class Peer:
    subnet: str
    address: str
    key: str


def _peer(node: dict[str, Any]) -> Peer | None:
    """What a node says of itself becomes lines of a configuration, so nothing goes in that is not of its kind."""
    notes = node["metadata"].get("annotations") or {}
    if notes.get(f"{PREFIX}/backend-type") != "wireguard":
        return None
    try:
        subnet = ipaddress.IPv4Network(node.get("spec", {}).get("podCIDR", ""))
        address = ipaddress.IPv4Address(notes.get(f"{PREFIX}/public-ip", ""))
        key = json.loads(notes.get(f"{PREFIX}/backend-data", ""))["PublicKey"]
        if len(base64.b64decode(key, validate=True)) != 32:
            return None
    except (ValueError, KeyError, TypeError):
        return None
    return Peer(str(subnet), str(address), key)


def peers(nodes: list[dict[str, Any]], own_name: str) -> list[Peer]:
    """The other nodes that have a pod range and have said how they are reached, by their ranges."""
    found = [_peer(node) for node in nodes if node["metadata"]["name"] != own_name]
    return sorted((peer for peer in found if peer), key=lambda peer: peer.subnet)


def configuration(private: str, others: list[Peer]) -> str:
    """For ``wg syncconf``; it holds the private key."""
    lines = ["[Interface]", f"PrivateKey = {private}", f"ListenPort = {PORT}"]
    for peer in others:
        lines += [
            "[Peer]",
            f"PublicKey = {peer.key}",
            f"AllowedIPs = {peer.subnet}",
            f"Endpoint = {peer.address}:{PORT}",
            f"PersistentKeepalive = {KEEPALIVE}",
        ]
    return "\n".join(lines) + "\n"


def own_address(subnet: str) -> str:
    """The interface's address, as flannel chooses it: the first of the node's range, which no pod gets."""
    return f"{ipaddress.IPv4Network(subnet)[0]}/32"


def route_changes(wanted: set[str], present: set[str]) -> list[list[str]]:
    """Calls of ip: ranges that are no longer there leave the interface, new ones are led to it wherever they led before."""
    return [
        *(["ip", "route", "del", subnet, "dev", INTERFACE] for subnet in sorted(present - wanted)),
        *(["ip", "route", "replace", subnet, "dev", INTERFACE] for subnet in sorted(wanted - present)),
    ]


def run(words: list[str], given: str = "", secret: str = "") -> subprocess.CompletedProcess[str]:
    """A program's result; what it complains of is said, without ``secret``, which wg quotes from its input."""
    result = subprocess.run(words, input=given, capture_output=True, text=True, check=False)
    if result.returncode:
        said = result.stderr.strip()
        logs.error(f"{' '.join(words)}: {said.replace(secret, '********') if secret else said}")
    return result


class Tunnel:
    """This node's end of it."""

    def __init__(self, agent_dir: Path, name: str, address: str, external: bool) -> None:
        self.name, self.log = name, agent_dir / "flannel-wg.log"
        self.private = private_key(agent_dir / "flannel-wg.key")
        self.annotations = annotations(public_key(self.private), address, external)
        self.nodes: list[dict[str, Any]] = []
        self.applied = ""
        self.lock = threading.Lock()

    def follow(self, nodes: list[dict[str, Any]]) -> None:
        self.nodes = nodes
        self.keep()

    def keep(self) -> None:
        """Bring the interface to what the nodes say; one that is gone is made again."""
        with self.lock:
            subnet = own_subnet(self.nodes, self.name)
            if not subnet:
                return
            if not self.answers():
                self.start()
                self.applied = ""
            if self.addresses() != [own_address(subnet)]:
                self.set_address(own_address(subnet))
            others = peers(self.nodes, self.name)
            text = configuration(self.private, others)
            if text != self.applied:
                synced = run(["wg", "syncconf", INTERFACE, "/dev/stdin"], text, self.private)
                self.applied = "" if synced.returncode else text
            for call in route_changes({peer.subnet for peer in others}, self.routes()):
                run(call)

    def answers(self) -> bool:
        return subprocess.run(["wg", "show", INTERFACE], capture_output=True, check=False).returncode == 0

    def start(self) -> None:
        """wireguard-go is nobody's child and ends with its interface, so one that no longer answers goes that way, too."""
        tunnel = Path("/dev/net/tun")
        if not tunnel.exists():  # the kernel's door to such interfaces; a container has no such device
            tunnel.parent.mkdir(exist_ok=True)
            os.mknod(tunnel, 0o600 | stat.S_IFCHR, os.makedev(10, 200))
        subprocess.run(["ip", "link", "delete", INTERFACE], capture_output=True, check=False)
        own = {k: v for k, v in os.environ.items() if k != "NOTIFY_SOCKET" and not k.startswith("K3S_")}
        with open(self.log, "ab") as log:
            subprocess.run(
                ["wireguard-go", INTERFACE], env=own, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True
            )
        logs.info(f"Running wireguard-go for {INTERFACE}")

    def addresses(self) -> list[str]:
        found = run(["ip", "-j", "-4", "address", "show", "dev", INTERFACE])
        links = json.loads(found.stdout or "[]")
        return [f"{a['local']}/{a['prefixlen']}" for link in links for a in link.get("addr_info", [])]

    def set_address(self, address: str) -> None:
        run(["ip", "address", "flush", "dev", INTERFACE])
        run(["ip", "address", "add", address, "dev", INTERFACE])
        run(["ip", "link", "set", INTERFACE, "mtu", str(MTU), "up"])

    def routes(self) -> set[str]:
        found = run(["ip", "-j", "-4", "route", "show", "dev", INTERFACE])
        return {route["dst"] for route in json.loads(found.stdout or "[]")}
