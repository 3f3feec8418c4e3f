"""The command lines of etcd and of Kubernetes' own servers."""

from __future__ import annotations

import hashlib
from pathlib import Path

from .etcd import CLIENT_PORT, PROGRAM, folder, peer_url
from .settings import BINARIES, Settings

API_PORT = 6444
SUPERVISOR_PORT = 6445


def arguments(defaults: dict[str, str], extra: list[str]) -> list[str]:
    """Flags from ``defaults``, overruled and extended by ``key=value`` items of a ``*-arg`` key."""
    merged = dict(defaults)
    for item in extra:
        key, _, value = item.lstrip("-").partition("=")
        merged[key] = value or "true"
    return [f"--{key}={value}" for key, value in merged.items()]


def lone_name(settings: Settings) -> str:
    """The member's name where K3s would run SQLite, so that nobody can join."""
    return f"{settings.node_name}-{hashlib.sha256(settings.node_name.encode()).hexdigest()[:8]}"


def etcd(settings: Settings, name: str, initial_cluster: str = "") -> list[str]:
    """A member; ``initial_cluster`` names the others when it joins a cluster instead of founding one."""
    tls = settings.server_dir / "tls" / "etcd"
    peer, port = peer_url(settings), CLIENT_PORT
    defaults = {
        "name": name,
        "data-dir": str(folder(settings)),
        "listen-client-urls": f"https://127.0.0.1:{port},https://{settings.advertise}:{port}",
        "advertise-client-urls": f"https://{settings.advertise}:{port}",
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": initial_cluster or f"{name}={peer}",
        "initial-cluster-state": "existing" if initial_cluster else "new",
        "client-cert-auth": "true",
        "trusted-ca-file": f"{tls}/server-ca.crt",
        "cert-file": f"{tls}/server-client.crt",
        "key-file": f"{tls}/server-client.key",
        "peer-client-cert-auth": "true",
        "peer-trusted-ca-file": f"{tls}/peer-ca.crt",
        "peer-cert-file": f"{tls}/peer-server-client.crt",
        "peer-key-file": f"{tls}/peer-server-client.key",
        "heartbeat-interval": "500",
        "election-timeout": "5000",
        "logger": "zap",
        "log-level": "warn",
    }
    return [PROGRAM, *arguments(defaults, settings.many("etcd-arg"))]


def apiserver(settings: Settings) -> list[str]:
    tls = settings.server_dir / "tls"
    issuer = f"https://kubernetes.default.svc.{settings.cluster_domain}"
    defaults = {
        # haproxy stands in front and hands over who the client is, so that one port serves the join protocol too.
        "bind-address": "127.0.0.1",
        "secure-port": str(API_PORT),
        "insecure-port": "0",
        "advertise-address": settings.advertise,
        # The reconciler would publish port 6444; the supervisor publishes the public port instead.
        "endpoint-reconciler-type": "none",
        "allow-privileged": "true",
        "anonymous-auth": "false",
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "client-ca-file": f"{tls}/client-ca.crt",
        "tls-cert-file": f"{tls}/serving-kube-apiserver.crt",
        "tls-private-key-file": f"{tls}/serving-kube-apiserver.key",
        "kubelet-certificate-authority": f"{tls}/server-ca.crt",
        "kubelet-client-certificate": f"{tls}/client-kube-apiserver.crt",
        "kubelet-client-key": f"{tls}/client-kube-apiserver.key",
        "kubelet-preferred-address-types": "InternalIP,ExternalIP,Hostname",
        "requestheader-client-ca-file": f"{tls}/request-header-ca.crt",
        "requestheader-allowed-names": "system:auth-proxy",
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "proxy-client-cert-file": f"{tls}/client-auth-proxy.crt",
        "proxy-client-key-file": f"{tls}/client-auth-proxy.key",
        "service-account-issuer": issuer,
        "api-audiences": f"{issuer},k3s",
        "service-account-signing-key-file": f"{tls}/service.key",
        "service-account-key-file": f"{tls}/service.key",
        "service-cluster-ip-range": settings.service_cidr,
        "service-node-port-range": settings.text("service-node-port-range", "30000-32767"),
        "etcd-servers": "https://127.0.0.1:2379",
        "etcd-cafile": f"{tls}/etcd/server-ca.crt",
        "etcd-certfile": f"{tls}/etcd/client.crt",
        "etcd-keyfile": f"{tls}/etcd/client.key",
        "storage-backend": "etcd3",
        "profiling": "false",
    }
    return [str(BINARIES / "kube-apiserver"), *arguments(defaults, settings.many("kube-apiserver-arg"))]


def controller_manager(settings: Settings, kubeconfig: Path, elect: bool = False) -> list[str]:
    """``elect``: where several servers run one, all but one wait."""
    tls = settings.server_dir / "tls"
    client = {"cert-file": f"{tls}/client-ca.crt", "key-file": f"{tls}/client-ca.key"}
    server = {"cert-file": f"{tls}/server-ca.crt", "key-file": f"{tls}/server-ca.key"}
    signers = {
        "kubelet-client": client,
        "kube-apiserver-client": client,
        "kubelet-serving": server,
        "legacy-unknown": server,
    }
    defaults = {
        "kubeconfig": str(kubeconfig),
        "authentication-kubeconfig": str(kubeconfig),
        "authorization-kubeconfig": str(kubeconfig),
        "bind-address": "127.0.0.1",
        "port": "0",
        "leader-elect": str(elect).lower(),
        "allocate-node-cidrs": "true",
        "cluster-cidr": settings.cluster_cidr,
        "service-cluster-ip-range": settings.service_cidr,
        "use-service-account-credentials": "true",
        # The default of 20 requests a second makes its start take a quarter of a minute.
        "kube-api-qps": "200",
        "kube-api-burst": "400",
        "root-ca-file": f"{tls}/server-ca.crt",
        "service-account-private-key-file": f"{tls}/service.key",
        "controllers": "*,-cloud-node-lifecycle,-route,-service,-ttl",
        "profiling": "false",
        **{f"cluster-signing-{name}-{key}": file for name, pair in signers.items() for key, file in pair.items()},
    }
    extra = settings.many("kube-controller-manager-arg") + settings.many("kube-controller-arg")
    return [str(BINARIES / "kube-controller-manager"), *arguments(defaults, extra)]


def scheduler(settings: Settings, kubeconfig: Path, elect: bool = False) -> list[str]:
    defaults = {
        "kubeconfig": str(kubeconfig),
        "authentication-kubeconfig": str(kubeconfig),
        "authorization-kubeconfig": str(kubeconfig),
        "bind-address": "127.0.0.1",
        "port": "0",
        "leader-elect": str(elect).lower(),
        "profiling": "false",
    }
    return [str(BINARIES / "kube-scheduler"), *arguments(defaults, settings.many("kube-scheduler-arg"))]
