# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may reach K3s' ports: the other nodes of the cluster, and at the API the clients that the inventory names."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError


def firewall(
    nodes: t.Sequence[t.Mapping[str, t.Any]],
    servers: t.Sequence[str],
    clients: t.Sequence[str],
    name: str,
    config: t.Mapping[str, t.Any],
) -> dict[str, t.Any]:
    """What the template of a node's nftables table needs.

    C(nodes) are the host variables of all nodes, C(servers) the hosts of the server group, C(clients) the address ranges that may
    reach the API, C(name) this host, C(config) the servers' configuration. Returns C(rules), each C({ports, protocol, ipv4, ipv6, use}).

    Raises C(RefusedError) for a node without a literal address, since a name would be looked up once and then go stale.
    """
    everyone = {str(host["inventory_hostname"]): _addresses(host) for host in nodes}
    peers = _unique(address for addresses in everyone.values() for address in addresses)
    rules = [_rule("tcp", [10250], peers, "kubelet")]
    backend = str(config.get("flannel-backend", "vxlan"))
    if backend == "vxlan":
        rules.append(_rule("udp", [8472], peers, "flannel VXLAN"))
    elif backend == "wireguard-native":
        rules.append(_rule("udp", [51820, 51821], peers, "flannel WireGuard"))
    if config.get("embedded-registry"):
        rules.append(_rule("tcp", [5001], peers, "embedded registry"))
    if name in servers:
        allowed = _unique([*peers, *(_network(client, "k3s_firewall_clients") for client in clients)])
        rules.append(_rule("tcp", [int(config.get("https-listen-port", 6443))], allowed, "API server"))
        if not config.get("datastore-endpoint"):
            among = _unique(address for server in servers for address in everyone.get(server, []))
            rules.append(_rule("tcp", [2379, 2380], among, "etcd"))
    return {"rules": rules}


def _addresses(host: t.Mapping[str, t.Any]) -> list[str]:
    """Every address from which a node may reach its peers: the one it is managed at, and those that it announces."""
    config = host.get("k3s_node_config") or {}
    found = [host.get("k3s_api_address"), host.get("ansible_host") or host["inventory_hostname"]]
    for key in ("node-ip", "node-external-ip"):
        value = config.get(key) or []
        found += value.split(",") if isinstance(value, str) else list(value)
    where = f"{host['inventory_hostname']}: ansible_host, k3s_api_address or node-ip"
    return _unique(_network(address, where) for address in found if address)


def _network(text: t.Any, where: str) -> str:
    try:
        network = ipaddress.ip_network(str(text).strip(), strict=False)
    except ValueError:
        raise RefusedError(
            f"{where}: '{text}' is not an address; the firewall (k3s_firewall) takes addresses alone"
        ) from None
    return _text(network)


def _unique(addresses: t.Iterable[str]) -> list[str]:
    """In order, without repetition, and without what lies inside another range: nftables refuses a set that overlaps itself."""
    networks: list[t.Any] = [ipaddress.ip_network(address) for address in addresses]
    found: list[str] = []
    for version in (4, 6):
        family = sorted({network for network in networks if network.version == version})
        found += [
            _text(network)
            for network in family
            if not any(network != other and network.subnet_of(other) for other in family)
        ]
    return found


def _text(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def _rule(protocol: str, ports: list[int], addresses: t.Sequence[str], use: str) -> dict[str, t.Any]:
    return {
        "protocol": protocol,
        "ports": ports,
        "use": use,
        "ipv4": [text for text in addresses if ":" not in text],
        "ipv6": [text for text in addresses if ":" in text],
    }
