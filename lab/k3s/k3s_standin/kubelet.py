"""The kubelet's and kube-proxy's configuration and command lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import programs
from .controlplane import arguments
from .settings import BINARIES, CONTAINERD_SOCKET, Settings

PAUSE_IMAGE = "docker.io/lab/pause:1.0"


def kubelet_config(settings: Settings, shared: dict[str, str], cgroup_root: str) -> dict[str, Any]:
    agent = settings.agent_dir
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": "0.0.0.0",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True, "cacheTTL": "2m0s"},
            "x509": {"clientCAFile": f"{agent}/client-ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{agent}/serving-kubelet.crt",
        "tlsPrivateKeyFile": f"{agent}/serving-kubelet.key",
        "clusterDNS": [shared["cluster-dns"]],
        "clusterDomain": shared["cluster-domain"],
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup_root,
        "failSwapOn": False,
        "healthzBindAddress": "127.0.0.1",
        "providerID": f"k3s://{settings.node_name}",
        "staticPodPath": f"{agent}/pod-manifests",
        "evictionHard": {"memory.available": "50Mi", "imagefs.available": "1%", "nodefs.available": "1%"},
        "imageGCHighThresholdPercent": 97,
        "imageGCLowThresholdPercent": 95,
        "serializeImagePulls": False,
        # What later releases have as default: with 5 requests a second a node full of new pods starts slowly.
        "kubeAPIQPS": 50,
        "kubeAPIBurst": 100,
        "registryPullQPS": 0,
        "oomScoreAdj": 0,
        # From Kubernetes 1.28 on a kubelet looks every 100 ms until its node is Ready; this one looks at this pace alone.
        # The API may take as long to answer a heartbeat: with 1 s a machine with too much to do loses its nodes, and their endpoints.
        "nodeStatusUpdateFrequency": "5s",
        "nodeStatusReportFrequency": "2m0s",
        "volumeStatsAggPeriod": "10m0s",
    }


def kubelet(settings: Settings, config: Path, resolv_conf: str) -> list[str]:
    agent = settings.agent_dir
    defaults = {
        "config": str(config),
        "kubeconfig": f"{agent}/kubelet.kubeconfig",
        "cert-dir": f"{agent}/pki",
        "hostname-override": settings.node_name,
        "node-ip": settings.node_ip,
        "node-labels": ",".join(settings.many("node-label")),
        "register-with-taints": ",".join(taint_flag(taint) for taint in settings.many("node-taint")),
        "container-runtime": "remote",
        "container-runtime-endpoint": f"unix://{CONTAINERD_SOCKET}",
        "containerd": str(CONTAINERD_SOCKET),
        "pod-infra-container-image": settings.text("pause-image", PAUSE_IMAGE),
        # Five kubelets share a small machine: cAdvisor need not look every ten seconds.
        "housekeeping-interval": "30s",
        # Nor ask the Swarm's Engine for its version with each status of the node, for which that starts runc.
        "docker": "unix:///nonexistent",
        **({"resolv-conf": resolv_conf} if resolv_conf else {}),
    }
    present = {key: value for key, value in defaults.items() if value}
    return [str(programs.kubelet(settings)), *arguments(present, settings.many("kubelet-arg"))]


def taint_flag(taint: str) -> str:
    """K3s takes ``key=value:Effect`` and ``key:Effect``; the kubelet of 1.20 wants the equals sign."""
    key, colon, effect = taint.rpartition(":")
    return taint if not colon or "=" in key else f"{key}=:{effect}"


def kube_proxy(settings: Settings, shared: dict[str, str]) -> list[str]:
    defaults = {
        "kubeconfig": f"{settings.agent_dir}/kubeproxy.kubeconfig",
        "hostname-override": settings.node_name,
        "cluster-cidr": shared["cluster-cidr"],
        "proxy-mode": "iptables",
        "healthz-bind-address": "127.0.0.1:10256",
        "metrics-bind-address": "127.0.0.1:10249",
        # A node that is a container may not set the machine's conntrack limits.
        "conntrack-max-per-core": "0",
        "conntrack-tcp-timeout-established": "0s",
        "conntrack-tcp-timeout-close-wait": "0s",
        "oom-score-adj": "0",
        "iptables-min-sync-period": "100ms",
    }
    return [str(BINARIES / "kube-proxy"), *arguments(defaults, settings.many("kube-proxy-arg"))]
