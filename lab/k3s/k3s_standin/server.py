"""The server: certificates, etcd, Kubernetes' servers behind one port, and this host as a node of its own cluster."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import Any

from . import (
    agent,
    bootstrap,
    cluster,
    controlplane,
    etcd,
    haproxy,
    kubeconfig,
    logs,
    members,
    notify,
    packaged,
    passwords,
    pki,
    reset,
)
from .api import Api
from .child import Child, wait_until
from .settings import Settings, own_address
from .supervisor import Supervisor, forget_node_password

NAMESPACE = "/api/v1/namespaces"


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
        self.keeper: members.Keeper | None = None
        self.lock = threading.RLock()
        self.elects = False
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
        joining = cluster.Invitation(settings) if cluster.joins(settings) else None
        if joining:
            joining.accept(settings)
        chosen = passwords.choose(settings)
        self.write_certificates()
        # A token that is not the kept one may be the one that another server has rotated to: the datastore knows.
        changed = passwords.known(settings) not in ("", chosen[0])
        if not changed:
            passwords.keep(settings, *chosen)
        self.write_kubeconfigs()
        etcd.folder(settings).mkdir(parents=True, exist_ok=True, mode=0o700)
        pki.write(settings.server_dir / "etc/haproxy.cfg", haproxy.config(settings).encode())
        supervisor = Supervisor(settings, chosen)
        supervisor.before_server_joins = self.several_servers
        supervisor.serve()
        was_reset = reset.flag_file(settings).exists()
        reset.flag_file(settings).unlink(missing_ok=True)
        others = joining.member(settings) if joining else ""
        name = etcd.member_name(settings) if etcd.clustered(settings) else controlplane.lone_name(settings)
        self.child("etcd", controlplane.etcd(settings, name, others))
        self.store = etcd.Etcd(settings)
        members.wait_for_vote(self.store)
        bootstrap.agree(self.store, settings, chosen, passwords.known(settings))
        passwords.keep(settings, *chosen)
        self.child("kube-apiserver", controlplane.apiserver(settings))
        self.child("haproxy", haproxy.command(settings.server_dir / "etc/haproxy.cfg"))
        stem = self.tls / "client-supervisor"
        local = f"https://127.0.0.1:{controlplane.API_PORT}"
        self.api = Api(local, self.tls / "server-ca.crt", stem.with_suffix(".crt"), stem.with_suffix(".key"))
        wait_until("the API server", 300, lambda: self.api.get("/readyz"))
        self.run_controllers(len(self.store.members()) > 1)
        wait_until("the system namespace", 60, lambda: self.api.get(f"{NAMESPACE}/kube-system"))
        if was_reset:  # the datastore may know this node by the password of another time
            forget_node_password(self.api, settings.node_name)
        self.publish()
        self.deployer.write_packaged()
        self.deployer.apply_changed()
        supervisor.store, supervisor.api = self.store, self.api
        if etcd.clustered(settings):
            self.keeper = members.Keeper(settings, self.store, self.api, self.several_servers)

    def run_controllers(self, elect: bool) -> None:
        """One server runs them without an election, whose lease would make each restart wait."""
        with self.lock:
            cred = self.settings.server_dir / "cred"
            commands = {
                "kube-controller-manager": controlplane.controller_manager(
                    self.settings, cred / "controller.kubeconfig", elect
                ),
                "kube-scheduler": controlplane.scheduler(self.settings, cred / "scheduler.kubeconfig", elect),
            }
            for former in [child for child in self.children if child.name in commands]:
                former.stop(10)
                self.children.remove(former)
            for name, command in commands.items():
                self.child(name, command)
            self.elects = elect

    def several_servers(self) -> None:
        with self.lock:
            if not self.elects:
                logs.info("another server joins: the controllers elect a leader from now on")
                self.run_controllers(elect=True)

    def publish(self) -> None:
        """Where pods find the API."""
        present = self.api.find(f"{members.ENDPOINTS}/kubernetes") if etcd.clustered(self.settings) else None
        addresses = [*members.listed_addresses(present), self.settings.advertise]
        subsets = members.endpoint_subsets(addresses, self.settings.port)
        self.api.put(members.ENDPOINTS, {"metadata": {"name": "kubernetes"}, "subsets": subsets})

    def follow_nodes(self) -> None:
        for nodes in self.api.changes("/api/v1/nodes"):
            names = {node["metadata"]["name"] for node in nodes}
            for gone in self.known - names:
                forget_node_password(self.api, gone)
                if self.keeper:
                    self.keeper.forget(gone)
            self.known = names
            self.label_node(nodes)

    def label_node(self, nodes: list[dict[str, Any]]) -> None:
        labels = {"node-role.kubernetes.io/control-plane": "true", "node-role.kubernetes.io/master": "true"}
        notes: dict[str, str] = {}
        if etcd.clustered(self.settings):
            labels["node-role.kubernetes.io/etcd"] = "true"
            notes = members.notes(etcd.member_name(self.settings), self.settings.advertise)
        for node in nodes:
            meta = node["metadata"]
            lacks = labels.items() - (meta.get("labels") or {}).items()
            if meta["name"] == self.settings.node_name and (
                lacks or notes.items() - (meta.get("annotations") or {}).items()
            ):
                body = {"metadata": {"labels": labels, "annotations": notes}}
                self.api.patch(f"/api/v1/nodes/{self.settings.node_name}", body)

    def stop(self) -> None:
        for child in reversed(self.children):
            child.stop(10)


def run_reset(settings: Settings) -> None:
    require_free_port(settings)
    reset.run(settings, Server(settings).write_certificates)


def run(settings: Settings) -> tuple[Server, agent.Agent]:
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
    agent.loop("nodes of the cluster", server.follow_nodes, 2)
    if server.keeper:
        agent.loop("members", server.keeper.look, 5)
    if not settings.flag("disable-agent"):
        thread.join()
        if failure:
            raise failure[0]
        node.start_node(agent.join(settings, [node.url], Path(settings.server_dir / "token").read_text()))
    return server, node
