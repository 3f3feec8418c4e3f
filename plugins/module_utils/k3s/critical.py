# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values that all servers of a cluster must share.

A server that has another one does not join: "failed to validate server configuration: critical configuration value mismatch"
(U(https://docs.k3s.io/cli/server#critical-configuration-values)).
"""

from __future__ import annotations

import typing as t

#: K3s' keys with the default that an absent key stands for.
CRITICAL = {
    "cluster-cidr": "10.42.0.0/16",
    "cluster-dns": "10.43.0.10",
    "cluster-domain": "cluster.local",
    "disable-cloud-controller": "false",
    "disable-helm-controller": "false",
    "disable-network-policy": "false",
    "egress-selector-mode": "agent",
    "embedded-registry": "false",
    "flannel-backend": "vxlan",
    "flannel-external-ip": "false",
    "flannel-ipv6-masq": "false",
    "secrets-encryption": "false",
    "secrets-encryption-provider": "aescbc",
    "service-cidr": "10.43.0.0/16",
}


def server_config(host: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """A server's configuration from its host variables, the more particular winning."""
    merged: dict[str, t.Any] = {}
    for variable in ("k3s_config", "k3s_server_config", "k3s_node_config"):
        value = host.get(variable) or {}
        merged.update(value if isinstance(value, t.Mapping) else {})
    return merged


def critical_faults(hosts: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """Where servers differ in what they must share; C(hosts) are their host variables."""
    faults = []
    values = [_critical(host) for host in hosts]
    for key in values[0] if values else ():
        owners: dict[str, list[str]] = {}
        for host, value in zip(hosts, values):
            owners.setdefault(value[key], []).append(str(host["inventory_hostname"]))
        if len(owners) > 1:
            said = "; ".join(f"{value or 'unset'} on {', '.join(names)}" for value, names in owners.items())
            faults.append(f"{key} must be the same on all servers: {said}")
    return faults


def external_faults(servers: t.Sequence[t.Mapping[str, t.Any]], nodes: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """Nodes without the address that C(flannel-external-ip) needs of each."""
    if not any(_text(server_config(host).get("flannel-external-ip", False)) == "true" for host in servers):
        return []
    return [
        f"{host['inventory_hostname']}: flannel-external-ip needs a node-external-ip of every node; set it in k3s_node_config"
        for host in nodes
        if not (host.get("k3s_node_config") or {}).get("node-external-ip")
    ]


def _critical(host: t.Mapping[str, t.Any]) -> dict[str, str]:
    config = server_config(host)
    values = {key: _text(config.get(key, default)) for key, default in CRITICAL.items()}
    values["disable: servicelb"] = _text("servicelb" in _text(config.get("disable", [])).split(","))
    values["k3s_agent_token_file"] = str(host.get("k3s_agent_token_file") or "")
    return values


def _text(value: t.Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ",".join(str(part) for part in value)
    return str(value)
