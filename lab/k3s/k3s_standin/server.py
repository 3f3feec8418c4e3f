"""The server: certificates, etcd, Kubernetes' servers behind one port, and this host as a node of its own cluster."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from pathlib import Path
from typing import Any

from . import agent, controlplane, haproxy, kubeconfig, logs, notify, packaged, pki
from .api import Api
from .child import Child, wait_until
from .settings import Settings, own_address
from .supervisor import Supervisor, forget_node_password
from .token import full, parse

NAMESPACE = "/api/v1/namespaces"


def passwords(settings: Settings) -> tuple[str, str]:
    """The server's and the agents' password: from the configuration, else kept from the first start, else made now."""
    folder = settings.server_dir / "cred"
    stored = [folder / "server-password", folder / "agent-password"]
    known = [file.read_text() if file.exists() else "" for file in stored]
    try:
        given = [
            parse(text).password if text else "" for text in (settings.secret("token"), settings.secret("agent-token"))
        ]
    except ValueError as error:
        raise logs.Fatal(f"failed to validate token: {error}") from error
    if known[0] and given[0] and known[0] != given[0]:
        raise logs.Fatal(
            "failed to reconcile with local datastore: bootstrap data already found and encrypted with different token"
        )
    server = given[0] or known[0] or secrets.token_hex(16)
    agents = given[1] or server
    for file, value in zip(stored, (server, agents)):
        if not file.exists() or file.read_text() != value:
            pki.write(file, value.encode())
    return server, agents


def write_tokens(settings: Settings, server: str, agents: str) -> None:
    folder = settings.server_dir
    cacerts = (folder / "tls/server-ca.crt").read_bytes()
    for name, password, user in (("token", server, "server"), ("agent-token", agents, "node")):
        text = full(password, user, cacerts).encode() + b"\n"
        if not (folder / name).exists() or (folder / name).read_bytes() != text:
            pki.write(folder / name, text)
    link = folder / "node-token"
    if not link.is_symlink():
        link.unlink(missing_ok=True)
        link.symlink_to(folder / "token")


def bootstrap_token(settings: Settings) -> str:
    file = settings.server_dir / "cred/bootstrap-token"
    if not file.exists():
        pki.write(file, f"{secrets.token_hex(3)}.{secrets.token_hex(8)}".encode())
    return file.read_text()


def require_free_port(settings: Settings) -> None:
    """The one port that another program may well have; said before anything is written."""
    address = settings.text("bind-address") or "0.0.0.0"
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, settings.port))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise logs.Fatal(f"listen tcp {address}:{settings.port}: bind: {reason}") from error


def reachable(settings: Settings) -> bool:
    with socket.create_connection((own_address(settings.advertise), settings.port), 3):
        return True


class Server:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.tls = settings.server_dir / "tls"
        self.children: list[Child] = []
        self.deployer = packaged.Deployer(settings)
        self.known: set[str] = set()
        self.url = f"https://127.0.0.1:{settings.port}"

    def write_certificates(self) -> None:
        settings = self.settings
        addresses = ["127.0.0.1", settings.node_ip, settings.advertise, *settings.many("node-external-ip")]
        names = [
            "kube-apiserver",
            "localhost",
            settings.node_name,
            os.uname().nodename,
            "kubernetes",
            "kubernetes.default",
        ]
        names += ["kubernetes.default.svc", f"kubernetes.default.svc.{settings.cluster_domain}"]
        sans = [*names, *addresses, settings.service_ip, *settings.many("tls-san")]
        pki.server_certificates(self.tls, settings.node_name, sans, ["localhost", *addresses])

    def write_kubeconfigs(self) -> None:
        folder, ca = self.settings.server_dir / "cred", self.tls / "server-ca.crt"
        local = f"https://127.0.0.1:{controlplane.API_PORT}"
        for name, stem in (
            ("admin", "client-admin"),
            ("controller", "client-controller"),
            ("scheduler", "client-scheduler"),
        ):
            pki.write(folder / f"{name}.kubeconfig", kubeconfig.from_files(local, ca, self.tls / f"{stem}.crt"))
        address = self.settings.text("bind-address")
        url = self.url if address in ("", "0.0.0.0", "::") else f"https://{address}:{self.settings.port}"
        content = kubeconfig.from_files(url, ca, self.tls / "client-admin.crt")
        target = self.settings.kubeconfig
        if not target.exists() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            pki.write(target, content, self.settings.kubeconfig_mode)
        target.chmod(self.settings.kubeconfig_mode)

    def child(self, name: str, command: list[str]) -> None:
        self.children.append(Child(name, command).start())

    def start(self) -> None:
        settings = self.settings
        require_free_port(settings)
        server_password, agents_password = passwords(settings)
        self.write_certificates()
        write_tokens(settings, server_password, agents_password)
        self.write_kubeconfigs()
        (settings.server_dir / "db/etcd").mkdir(parents=True, exist_ok=True, mode=0o700)
        pki.write(settings.server_dir / "etc/haproxy.cfg", haproxy.config(settings).encode())
        token = bootstrap_token(settings)
        supervisor = Supervisor(settings, (server_password, agents_password), token)
        supervisor.serve()
        self.child("etcd", controlplane.etcd(settings))
        self.child("kube-apiserver", controlplane.apiserver(settings))
        self.child("haproxy", haproxy.command(settings.server_dir / "etc/haproxy.cfg"))
        stem = self.tls / "client-supervisor"
        local = f"https://127.0.0.1:{controlplane.API_PORT}"
        self.api = Api(local, self.tls / "server-ca.crt", stem.with_suffix(".crt"), stem.with_suffix(".key"))
        wait_until("the API server", 300, lambda: self.api.get("/readyz"))
        cred = settings.server_dir / "cred"
        self.child("kube-controller-manager", controlplane.controller_manager(settings, cred / "controller.kubeconfig"))
        self.child("kube-scheduler", controlplane.scheduler(settings, cred / "scheduler.kubeconfig"))
        wait_until("the system namespace", 60, lambda: self.api.get(f"{NAMESPACE}/kube-system"))
        self.publish(token)
        self.deployer.write_packaged()
        self.deployer.apply_changed()
        supervisor.api = self.api

    def publish(self, token: str) -> None:
        """The kubelets' bootstrap token, and where pods find the API."""
        name, secret = token.split(".")
        data = {
            "token-id": name,
            "token-secret": secret,
            "usage-bootstrap-authentication": "true",
            "auth-extra-groups": "system:bootstrappers:k3s:default-node-token",
        }
        meta = {"name": f"bootstrap-token-{name}"}
        body = {"metadata": meta, "type": "bootstrap.kubernetes.io/token", "stringData": data}
        self.api.put(f"{NAMESPACE}/kube-system/secrets", body)
        port = {"name": "https", "port": self.settings.port, "protocol": "TCP"}
        subset = {"addresses": [{"ip": self.settings.advertise}], "ports": [port]}
        self.api.put(f"{NAMESPACE}/default/endpoints", {"metadata": {"name": "kubernetes"}, "subsets": [subset]})

    def follow_nodes(self) -> None:
        for nodes in self.api.changes("/api/v1/nodes"):
            names = {node["metadata"]["name"] for node in nodes}
            for gone in self.known - names:
                forget_node_password(self.api, gone)
            self.known = names
            self.label_node(nodes)

    def label_node(self, nodes: list[dict[str, Any]]) -> None:
        labels = {"node-role.kubernetes.io/control-plane": "true", "node-role.kubernetes.io/master": "true"}
        if self.settings.flag("cluster-init"):
            labels["node-role.kubernetes.io/etcd"] = "true"
        for node in nodes:
            own = node["metadata"]["name"] == self.settings.node_name
            if own and labels.items() - (node["metadata"].get("labels") or {}).items():
                self.api.patch(f"/api/v1/nodes/{self.settings.node_name}", {"metadata": {"labels": labels}})

    def stop(self) -> None:
        for child in reversed(self.children):
            child.stop(10)


def run(settings: Settings) -> tuple[Server, agent.Agent]:
    if settings.text("server") and not (settings.server_dir / "db/etcd/member").exists():
        raise logs.Fatal("joining as a further server is not kept by this stand-in yet: it runs one server")
    server = Server(settings)
    node = agent.Agent(settings, f"https://{own_address(settings.advertise)}:{settings.port}")
    failure: list[Exception] = []

    def runtime() -> None:
        try:
            node.start_runtime()
        except Exception as error:  # noqa: BLE001  handed to the main thread, which ends the process with its message
            failure.append(error)

    thread = threading.Thread(target=runtime)
    if not settings.flag("disable-agent"):
        thread.start()
    server.start()
    wait_until(f"port {settings.port}", 60, lambda: reachable(settings))
    logs.info("Kube API server is now running")
    logs.info("k3s is up and running")
    notify.ready()
    agent.loop("manifests", server.deployer.apply_changed, 5)
    agent.loop("members", server.follow_nodes, 2)
    if not settings.flag("disable-agent"):
        thread.join()
        if failure:
            raise failure[0]
        node.start_node(agent.join(settings, node.url, Path(settings.server_dir / "token").read_text()))
    return server, node
