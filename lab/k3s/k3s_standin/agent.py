"""The agent: containerd, kubelet, kube-proxy, and the loops that keep this node's network and volumes right."""

from __future__ import annotations

import os
import stat
import threading
import time
from pathlib import Path
from typing import Any, Callable
from urllib.parse import urlsplit

import yaml

from . import cgroups, containerd, faults, kubeconfig, kubelet, logs, network, node, notify, pki, wireguard
from .api import Api
from .balancer import Balancer, place, servers_among
from .child import Child, wait_until
from .join import join
from .settings import CONTAINERD_SOCKET, Settings
from .storage import VOLUMES, Provisioner


def write_bundle(settings: Settings, url: str, bundle: dict[str, Any]) -> None:
    agent = settings.agent_dir
    for name, content in bundle["files"].items():
        pki.write(agent / name, content.encode(), 0o644)
    for name, pair in bundle["pairs"].items():
        pki.write(agent / f"{name}.crt", pair["crt"].encode(), 0o644)
        pki.write(agent / f"{name}.key", pair["key"].encode())
    ca = agent / "server-ca.crt"
    pki.write(agent / "kubelet.kubeconfig", kubeconfig.from_files(url, ca, agent / "client-kubelet.crt"))
    pki.write(agent / "kubeproxy.kubeconfig", kubeconfig.from_files(url, ca, agent / "client-kube-proxy.crt"))
    pki.write(agent / "k3scontroller.kubeconfig", kubeconfig.from_files(url, ca, agent / "client-k3s-controller.crt"))


def prepare_host(settings: Settings) -> None:
    for name in ("images", "pod-manifests", "containerd", "etc/containerd", "etc/cni/net.d", "pki"):
        (settings.agent_dir / name).mkdir(parents=True, exist_ok=True)
    CONTAINERD_SOCKET.parent.mkdir(parents=True, exist_ok=True)
    network.enable_forwarding()
    if not Path("/dev/kmsg").exists():  # the kubelet reads the kernel's log; a container has no such device
        os.mknod("/dev/kmsg", 0o600 | stat.S_IFCHR, os.makedev(1, 11))


def start_containerd(settings: Settings) -> Child:
    agent = settings.agent_dir
    runtimes = containerd.found_runtimes()
    text = containerd.config(settings, runtimes, containerd.read_registries())
    pki.write(agent / "etc/containerd/config.toml", text.encode())
    if runtimes:
        logs.info(f"Found container runtimes: {', '.join(f'{k} ({v})' for k, v in runtimes.items())}")
    path = f"{containerd.NVIDIA_PATH}:{os.environ.get('PATH', '')}"
    child = Child("containerd", containerd.command(settings), agent / "containerd/containerd.log", path).start()
    wait_until("containerd", 120, containerd.answers)
    return child


def resolv_conf(settings: Settings) -> str:
    """A resolver on loopback does not exist inside a pod; K3s writes a file of its own then, and so does this."""
    chosen = settings.text("resolv-conf")
    if chosen:
        return chosen
    present = Path("/etc/resolv.conf").read_text() if Path("/etc/resolv.conf").exists() else ""
    servers = [
        line.split()[1] for line in present.splitlines() if line.startswith("nameserver") and len(line.split()) > 1
    ]
    if servers and not all(server.startswith("127.") for server in servers):
        return ""
    # Kept as it is for the cluster DNS, which runs in the host's network; pods ask the cluster DNS.
    return "/etc/resolv.conf"


def loop(name: str, work: Callable[[], None], pause: float) -> None:
    """Do ``work`` for ever in a thread of its own; what fails is said and tried again."""

    def run() -> None:
        while True:
            try:
                work()
            except Exception as error:  # noqa: BLE001  the API may be away for minutes: this node goes on by itself
                logs.warning(f"{name}: {str(error)[:300]}")
            time.sleep(pause)

    threading.Thread(target=run, name=name, daemon=True).start()


class Agent:
    def __init__(self, settings: Settings, url: str) -> None:
        self.settings, self.url = settings, url
        self.children: list[Child] = []
        self.images = containerd.Images(settings)
        self.routes: dict[str, str] = {}
        self.tunnel: wireguard.Tunnel | None = None
        self.balancer: Balancer | None = None

    def start_runtime(self) -> None:
        """The part that needs no server."""
        prepare_host(self.settings)
        self.children.append(start_containerd(self.settings))
        self.images.import_new()

    def start_node(self, bundle: dict[str, Any]) -> None:
        """Run the kubelet with what the server gave; returns when the node is registered."""
        settings, agent = self.settings, self.settings.agent_dir
        write_bundle(settings, self.url, bundle)
        self.shared: dict[str, Any] = bundle["config"]
        stem = agent / "client-k3s-controller"
        self.api = Api(self.url, agent / "server-ca.crt", stem.with_suffix(".crt"), stem.with_suffix(".key"))
        network.ensure_rules(self.shared["cluster-cidr"])
        self.routes = network.present_routes(self.shared["cluster-cidr"])
        if self.shared["flannel-backend"] == wireguard.BACKEND:
            self.tunnel = self.make_tunnel()
        config = agent / "etc/kubelet.yaml"
        text = yaml.safe_dump(kubelet.kubelet_config(settings, self.shared, cgroups.prepare()))
        pki.write(config, text.encode())
        if not faults.read().get("no-kubelet"):
            self.children.append(Child("kubelet", kubelet.kubelet(settings, config, resolv_conf(settings))).start())
        self.children.append(Child("kube-proxy", kubelet.kube_proxy(settings, self.shared)).start())
        self.start_loops()
        wait_until(f"node {settings.node_name} to register", 600, lambda: self.api.get(self.path), 0.5)

    def make_tunnel(self) -> wireguard.Tunnel:
        settings = self.settings
        external = settings.many("node-external-ip")[:1] if self.shared["flannel-external-ip"] else []
        address = next(iter(external), settings.node_ip)
        return wireguard.Tunnel(settings.agent_dir, settings.node_name, address, bool(external))

    @property
    def path(self) -> str:
        return f"/api/v1/nodes/{self.settings.node_name}"

    def start_loops(self) -> None:
        provisioner = Provisioner(self.api, self.settings.node_name, self.settings.data / "storage")
        loop("nodes", self.follow_nodes, 2)
        loop("firewall", lambda: network.ensure_rules(self.shared["cluster-cidr"]), 15)
        if self.tunnel:
            loop("tunnel", self.tunnel.keep, 10)
        loop("images", self.images.import_new, 10)
        loop("claims", lambda: self.follow("/api/v1/persistentvolumeclaims", provisioner.provision), 2)
        loop("volumes", lambda: self.follow(VOLUMES, provisioner.reclaim), 2)

    def follow(self, path: str, act: Callable[[list[dict[str, Any]]], None]) -> None:
        for items in self.api.changes(path):
            act(items)

    def follow_nodes(self) -> None:
        for nodes in self.api.changes("/api/v1/nodes"):
            name = self.settings.node_name
            own = next((n for n in nodes if n["metadata"]["name"] == name), None)
            subnet = network.own_subnet(nodes, name)
            if subnet:
                self.write_cni(subnet)
            if self.tunnel:
                self.tunnel.follow(nodes)
            else:
                self.routes = network.set_routes(network.wanted_routes(nodes, name), self.routes)
            self.follow_servers(nodes)
            if own:
                wanted = node.wanted_annotations(self.settings.node_ip)
                node.annotate(self.api, own, {**wanted, **(self.tunnel.annotations if self.tunnel else {})})

    def follow_servers(self, nodes: list[dict[str, Any]]) -> None:
        servers = servers_among(nodes, urlsplit(self.settings.text("server")).port or 6443)
        if self.balancer and servers:
            self.balancer.set_servers(servers)

    def write_cni(self, subnet: str) -> None:
        file = self.settings.agent_dir / "etc/cni/net.d/10-k3s.conflist"
        text = network.cni_config(subnet, wireguard.MTU if self.tunnel else 1500)
        if not file.exists() or file.read_text() != text:
            pki.write(file, text.encode())

    def stop(self) -> None:
        for child in reversed(self.children):
            child.stop(5)
        if self.balancer:
            self.balancer.stop()


def run(settings: Settings) -> Agent:
    token = settings.secret("token")
    first = settings.text("server").rstrip("/")
    if settings.flag("disable-apiserver-lb"):
        agent, urls = Agent(settings, first), [first]
    else:
        port = int(settings.text("lb-server-port", "6444"))
        agent = Agent(settings, f"https://127.0.0.1:{port}")
        agent.balancer = Balancer(place(first), port, settings.agent_dir / "etc/k3s-agent-load-balancer.json")
        urls = [f"https://{server}" for server in agent.balancer.servers]
    # Before anything of this node changes: a refused token shall leave no trace.
    bundle = join(settings, urls, token)
    if agent.balancer:
        agent.balancer.start()
    agent.start_runtime()
    agent.start_node(bundle)
    logs.info(f"k3s agent is up and running: node {settings.node_name}")
    notify.ready()
    return agent
