# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""K3s' own configuration keys, and what is wrong with a configuration.

K3s only warns about a key it does not know ("Unknown flag --x found in config.yaml, skipping") and starts without it, so
a typo is found here, before anything is written. The lists are the long flags of C(k3s server --help) and
C(k3s agent --help) (U(https://docs.k3s.io/cli/server), U(https://docs.k3s.io/cli/agent)).
"""

from __future__ import annotations

import difflib
import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.k3s.versions import minor


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


AGENT_KEYS = _words(
    """
    alsologtostderr bind-address container-runtime-endpoint data-dir debug default-runtime
    disable-apiserver-lb disable-default-registry-endpoint docker enable-pprof flannel-cni-conf flannel-conf
    flannel-iface image-credential-provider-bin-dir image-credential-provider-config image-service-endpoint
    kube-proxy-arg kubelet-arg lb-server-port log node-external-dns node-external-ip node-internal-dns node-ip
    node-label node-name node-taint nonroot-devices pause-image prefer-bundled-bin private-registry
    protect-kernel-defaults resolv-conf rootless selinux server snapshotter token token-file v vmodule vpn-auth
    vpn-auth-file with-node-id
    """
)

SERVER_KEYS = AGENT_KEYS | _words(
    """
    advertise-address advertise-port agent-token agent-token-file cluster-cidr cluster-dns cluster-domain
    cluster-init cluster-reset cluster-reset-restore-path datastore-cafile datastore-certfile datastore-endpoint
    datastore-keyfile default-local-storage-path disable disable-agent disable-apiserver disable-cloud-controller
    disable-controller-manager disable-etcd disable-helm-controller disable-kube-proxy disable-network-policy
    disable-scheduler egress-selector-mode embedded-registry etcd-arg etcd-disable-snapshots etcd-expose-metrics
    etcd-s3 etcd-s3-access-key etcd-s3-bucket etcd-s3-bucket-lookup-type etcd-s3-config-secret etcd-s3-endpoint
    etcd-s3-endpoint-ca etcd-s3-folder etcd-s3-insecure etcd-s3-proxy etcd-s3-region etcd-s3-retention
    etcd-s3-secret-key etcd-s3-session-token etcd-s3-skip-ssl-verify etcd-s3-timeout etcd-snapshot-compress
    etcd-snapshot-dir etcd-snapshot-name etcd-snapshot-reconcile-interval etcd-snapshot-retention
    etcd-snapshot-schedule-cron flannel-backend flannel-external-ip flannel-ipv6-masq helm-job-image
    https-listen-port kine-tls kube-apiserver-arg kube-cloud-controller-manager-arg kube-controller-manager-arg
    kube-scheduler-arg multi-cluster-cidr secrets-encryption secrets-encryption-provider service-cidr
    service-node-port-range servicelb-namespace supervisor-metrics system-default-registry tls-san
    tls-san-security write-kubeconfig write-kubeconfig-group write-kubeconfig-mode
    """
)

#: Keys that the role writes itself, with the variable that sets them.
MANAGED_KEYS = {
    "server": "the role finds the server by probing; set k3s_api_address",
    "token": "a token never stands in a configuration; set k3s_token_file",
    "token-file": "set k3s_token_file",
    "agent-token": "a token never stands in a configuration; set k3s_agent_token_file",
    "agent-token-file": "set k3s_agent_token_file",
    "node-name": "set k3s_node_name",
    "node-label": "set k3s_node_labels",
    "node-taint": "set k3s_node_taints",
    "private-registry": "set k3s_registries",
    "data-dir": "the role keeps K3s' default, /var/lib/rancher/k3s",
    "write-kubeconfig": "the role keeps K3s' default, /etc/rancher/k3s/k3s.yaml",
    "cluster-reset": "it is an act, not a setting; playbooks/k3s_restore.yml does it",
    "cluster-reset-restore-path": "it is an act, not a setting; playbooks/k3s_restore.yml does it",
}

#: Keys that not every minor knows, with the first and the last that does; None, no end is known. A first minor is the oldest to
#: which the key was carried back, so that a key is refused only where it can't be known.
KEY_MINORS: dict[str, tuple[tuple[int, int], tuple[int, int] | None]] = {
    "default-runtime": ((1, 25), None),
    "disable-apiserver-lb": ((1, 25), None),
    "disable-default-registry-endpoint": ((1, 26), None),
    "embedded-registry": ((1, 26), None),
    "etcd-s3-bucket-lookup-type": ((1, 30), None),
    "etcd-s3-config-secret": ((1, 28), None),
    "etcd-s3-proxy": ((1, 28), None),
    "etcd-s3-retention": ((1, 30), None),
    "etcd-s3-session-token": ((1, 28), None),
    "etcd-snapshot-reconcile-interval": ((1, 30), None),
    "image-service-endpoint": ((1, 25), None),
    "kine-tls": ((1, 25), None),
    "multi-cluster-cidr": ((1, 25), (1, 29)),
    "node-external-dns": ((1, 27), None),
    "node-internal-dns": ((1, 27), None),
    "nonroot-devices": ((1, 28), None),
    "secrets-encryption-provider": ((1, 30), None),
    "supervisor-metrics": ((1, 27), None),
    "write-kubeconfig-group": ((1, 26), None),
}

#: Releases before this minor are not in the table, so their keys are not told apart.
_OLDEST = (1, 24)

_MODE = re.compile(r"0?[0-7]{3}")


def config_faults(config: t.Any, node_role: str, where: str, version: str = "") -> list[str]:
    """What is wrong with a mapping of K3s' keys for C(node_role) (server or agent), one line a fault.

    C(where) is the variable that holds the mapping; every line begins with it. With C(version), a release, keys that its minor does
    not know are refused too.
    """
    if not isinstance(config, t.Mapping):
        return [f"{where}: a mapping of K3s' configuration keys is wanted, not {type(config).__name__}"]
    keys = SERVER_KEYS if node_role == "server" else AGENT_KEYS
    faults = []
    for name in sorted(config, key=str):
        key = str(name)
        if key.endswith("+"):
            key = key[:-1]
        if key in MANAGED_KEYS:
            faults.append(f"{where}: '{name}' is not set here: {MANAGED_KEYS[key]}")
        elif key not in keys:
            faults.append(f"{where}: {_unknown(key, node_role)}")
        else:
            faults += _minor_faults(key, minor(version), where)
    mode = config.get("write-kubeconfig-mode")
    if mode is not None and not (isinstance(mode, str) and _MODE.fullmatch(mode)):
        faults.append(f"{where}: 'write-kubeconfig-mode' must be a quoted octal string such as \"0600\", not {mode!r}")
    return faults


def label_faults(labels: t.Any, where: str) -> list[str]:
    """What is wrong with node labels; a kubelet that is given a node-role label exits (k3s issue 10916)."""
    if not isinstance(labels, t.Mapping):
        return [f"{where}: a mapping of labels is wanted, not {type(labels).__name__}"]
    return [
        f"{where}: '{name}' can't be set by a kubelet and would make it exit; set k3s_node_roles"
        for name in sorted(labels, key=str)
        if str(name).startswith("node-role.kubernetes.io/")
    ]


def _minor_faults(key: str, release: tuple[int, int] | None, where: str) -> list[str]:
    first, last = KEY_MINORS.get(key, ((0, 0), None))
    if release is None or release < _OLDEST:
        return []
    if release < first:
        return [f"{where}: '{key}' came with v{first[0]}.{first[1]}, and k3s_version is of v{release[0]}.{release[1]}"]
    if last and release > last:
        return [f"{where}: '{key}' went after v{last[0]}.{last[1]}, and k3s_version is of v{release[0]}.{release[1]}"]
    return []


def _unknown(key: str, node_role: str) -> str:
    if node_role == "agent" and key in SERVER_KEYS:
        return f"'{key}' is a key of servers alone; move it to k3s_server_config"
    keys = SERVER_KEYS if node_role == "server" else AGENT_KEYS
    close = difflib.get_close_matches(key, keys, n=1, cutoff=0.6)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    return f"K3s knows no configuration key '{key}'{hint}"
