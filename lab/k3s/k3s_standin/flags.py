"""The flags K3s knows, which are also the keys of its config.yaml. Most are accepted and have no effect here."""

from __future__ import annotations

TEXT, BOOL, LIST = "text", "bool", "list"


def _table(text: str, flags: str, lists: str) -> dict[str, str]:
    table = dict.fromkeys(text.split(), TEXT)
    table.update(dict.fromkeys(flags.split(), BOOL))
    table.update(dict.fromkeys(lists.split(), LIST))
    return table


AGENT = _table(
    """config log alsologtostderr v vmodule data-dir token token-file server node-name node-ip-family
    private-registry container-runtime-endpoint default-runtime image-service-endpoint pause-image snapshotter
    system-default-registry bind-address resolv-conf flannel-iface flannel-conf flannel-cni-conf lb-server-port
    image-credential-provider-bin-dir image-credential-provider-config airgap-extra-registry vpn-auth vpn-auth-file
    cluster-secret https-listen-port nonroot-devices""",
    """debug docker rootless selinux protect-kernel-defaults with-node-id disable-default-registry-endpoint
    prefer-bundled-bin disable-apiserver-lb enable-pprof no-flannel""",
    "node-ip node-external-ip node-internal-dns node-external-dns node-label node-taint kubelet-arg kube-proxy-arg "
    "log-file-args",
)

SERVER = {
    **AGENT,
    **_table(
        """advertise-address advertise-port apiserver-port apiserver-bind-address agent-token agent-token-file
        cluster-cidr service-cidr service-node-port-range cluster-dns cluster-domain flannel-backend
        write-kubeconfig write-kubeconfig-mode write-kubeconfig-group egress-selector-mode servicelb-namespace
        helm-job-image datastore-endpoint datastore-cafile datastore-certfile datastore-keyfile
        cluster-reset-restore-path etcd-snapshot-name etcd-snapshot-schedule-cron etcd-snapshot-reconcile-interval
        etcd-snapshot-retention etcd-snapshot-dir etcd-s3-endpoint etcd-s3-endpoint-ca etcd-s3-access-key
        etcd-s3-secret-key etcd-s3-session-token etcd-s3-bucket etcd-s3-bucket-lookup-type etcd-s3-region
        etcd-s3-folder etcd-s3-retention etcd-s3-proxy etcd-s3-config-secret etcd-s3-timeout kine-tls
        secrets-encryption-provider supervisor-port supervisor-metrics cluster-agent-token default-local-storage-path
        datastore-connection-pool-max-idle http-listen-port log-size kubelet-config""",
        """cluster-init cluster-reset disable-scheduler disable-cloud-controller disable-kube-proxy
        disable-network-policy disable-helm-controller disable-agent disable-apiserver disable-controller-manager
        disable-etcd embedded-registry secrets-encryption etcd-disable-snapshots etcd-expose-metrics etcd-s3
        etcd-s3-skip-ssl-verify etcd-s3-insecure etcd-snapshot-compress flannel-ipv6-masq flannel-external-ip
        multi-cluster-cidr enable-servicelb""",
        """tls-san tls-san-security disable kube-apiserver-arg kube-scheduler-arg kube-controller-manager-arg
        kube-controller-arg kube-cloud-controller-manager-arg kube-cloud-controller-arg etcd-arg no-deploy""",
    ),
}
SERVER["tls-san-security"] = BOOL

SHORT = {"c": "config", "t": "token", "s": "server", "d": "data-dir", "o": "write-kubeconfig", "i": "node-ip", "v": "v"}

ENVIRONMENT = {
    "config": "K3S_CONFIG_FILE",
    "token": "K3S_TOKEN",
    "token-file": "K3S_TOKEN_FILE",
    "server": "K3S_URL",
    "data-dir": "K3S_DATA_DIR",
    "node-name": "K3S_NODE_NAME",
    "debug": "K3S_DEBUG",
    "agent-token": "K3S_AGENT_TOKEN",
    "agent-token-file": "K3S_AGENT_TOKEN_FILE",
    "write-kubeconfig": "K3S_KUBECONFIG_OUTPUT",
    "write-kubeconfig-mode": "K3S_KUBECONFIG_MODE",
    "selinux": "K3S_SELINUX",
    "resolv-conf": "K3S_RESOLV_CONF",
}

PACKAGED = ("coredns", "local-storage", "runtimes", "metrics-server", "servicelb", "traefik")


def known(role: str) -> dict[str, str]:
    return SERVER if role == "server" else AGENT
