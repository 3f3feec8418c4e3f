"""What the rest of the stand-in reads: the merged configuration with K3s' defaults."""

from __future__ import annotations

import ipaddress
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from . import logs

BINARIES = Path("/usr/lib/lab-kubernetes")
NODE_PASSWORD = Path("/etc/rancher/node/password")
REGISTRIES = Path("/etc/rancher/k3s/registries.yaml")
CONTAINERD_SOCKET = Path("/run/k3s/containerd/containerd.sock")


@dataclass(frozen=True)
class Settings:
    role: str
    values: dict[str, Any]
    node_name: str
    node_ip: str

    def text(self, key: str, default: str = "") -> str:
        return self.values.get(key) or default

    def many(self, key: str) -> list[str]:
        return [item for item in self.values.get(key) or [] if item]

    def flag(self, key: str) -> bool:
        return bool(self.values.get(key))

    @property
    def data(self) -> Path:
        return Path(self.text("data-dir", "/var/lib/rancher/k3s"))

    @property
    def server_dir(self) -> Path:
        return self.data / "server"

    @property
    def agent_dir(self) -> Path:
        return self.data / "agent"

    @property
    def port(self) -> int:
        return int(self.text("https-listen-port", "6443"))

    @property
    def advertise(self) -> str:
        return self.text("advertise-address", self.node_ip)

    @property
    def cluster_cidr(self) -> str:
        return self.text("cluster-cidr", "10.42.0.0/16")

    @property
    def service_cidr(self) -> str:
        return self.text("service-cidr", "10.43.0.0/16")

    @property
    def service_ip(self) -> str:
        return str(ipaddress.ip_network(self.service_cidr)[1])

    @property
    def cluster_dns(self) -> str:
        return self.text("cluster-dns", str(ipaddress.ip_network(self.service_cidr)[10]))

    @property
    def cluster_domain(self) -> str:
        return self.text("cluster-domain", "cluster.local")

    @property
    def flannel_backend(self) -> str:
        return self.text("flannel-backend", "vxlan")

    @property
    def kubeconfig(self) -> Path:
        return Path(self.text("write-kubeconfig", "/etc/rancher/k3s/k3s.yaml"))

    @property
    def kubeconfig_mode(self) -> int:
        return int(self.text("write-kubeconfig-mode", "0600"), 8)

    @property
    def disabled(self) -> set[str]:
        return set(self.many("disable")) | set(self.many("no-deploy"))

    def secret(self, key: str) -> str:
        """``key``, or what stands in the file that ``key-file`` names."""
        if self.text(key):
            return self.text(key).strip()
        file = self.text(f"{key}-file")
        if not file:
            return ""
        try:
            return Path(file).read_text().strip()
        except OSError as error:
            raise logs.Fatal(f"open {file}: {(error.strerror or str(error)).lower()}") from error


def own_address(towards: str) -> str:
    """The address this host would use to reach another one; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((towards, 53))
            return str(probe.getsockname()[0])
        except OSError as error:
            raise logs.Fatal(f"no route to {towards}: set node-ip ({error})") from error


def resolve(role: str, values: dict[str, Any]) -> Settings:
    if role == "agent" and not values.get("server"):
        raise logs.Fatal("--server is required")
    if role == "agent" and not (values.get("token") or values.get("token-file")):
        raise logs.Fatal("--token is required")
    server = urlsplit(values.get("server") or "")
    if values.get("server") and (server.scheme != "https" or not server.hostname):
        raise logs.Fatal(f"--server {values['server']} is not a https:// address")
    mode = values.get("write-kubeconfig-mode") or "0600"
    if not (mode.isdigit() and all(digit in "01234567" for digit in mode)):
        raise logs.Fatal(f"write-kubeconfig-mode {mode} is not an octal file mode")
    name = (values.get("node-name") or os.uname().nodename).lower()
    address = (values.get("node-ip") or [""])[0] or own_address(server.hostname or "192.0.2.1")
    return Settings(role, values, name, address)
