# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Groups and hosts of an inventory: who is in which, who is missing, who is named twice.

Every check takes an C(Inventory) and returns lines; none contacts a host.
"""

from __future__ import annotations

import collections
import ipaddress
import typing as t
from dataclasses import dataclass, field

#: One host takes one of each pair, or none of the first pair.
SWARM_GROUPS = ("swarm_manager", "swarm_worker")
K3S_GROUPS = ("k3s_server", "k3s_agent")
OTHER_GROUPS = ("gpu", "edge")
REQUIRED_GROUPS = ("swarm_manager", "k3s_server", "edge")

_DOCUMENTATION = [
    ipaddress.ip_network(text) for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]


@dataclass
class Inventory:
    """An inventory as plain data.

    C(hosts) maps a name to the variables that a check may ask for; a variable that is not set is not there. C(groups) maps
    a name to its members. C(unresolved) lists C((host, variable, reason)) of variables that could not be templated.
    C(file_mode) returns the permission bits of a file on the controller, or None when there is none.
    """

    hosts: dict[str, dict[str, t.Any]]
    groups: dict[str, list[str]]
    name: str = ""
    unresolved: list[tuple[str, str, str]] = field(default_factory=list)
    file_mode: t.Callable[[str], int | None] = lambda path: None

    def members(self, group: str) -> list[str]:
        return list(self.groups.get(group, []))

    def values(self, variable: str) -> t.Iterator[tuple[t.Any, str]]:
        """Each distinct value of a variable with the words that say whose it is (empty: every host's)."""
        seen: list[tuple[t.Any, list[str]]] = []
        for name, variables in self.hosts.items():
            if variable not in variables:
                continue
            for value, owners in seen:
                if value == variables[variable]:
                    owners.append(name)
                    break
            else:
                seen.append((variables[variable], [name]))
        for value, owners in seen:
            yield value, self.whose(owners)

    def whose(self, owners: t.Sequence[str]) -> str:
        """The words that name some hosts; empty when they are all."""
        return "" if len(owners) == len(self.hosts) else f" ({', '.join(owners)})"


def group_faults(inventory: Inventory) -> list[str]:
    """Hosts in no group or in two that exclude each other, and groups that must not be empty."""
    faults = []
    known = SWARM_GROUPS + K3S_GROUPS + OTHER_GROUPS
    of = {name: [g for g in known if name in inventory.members(g)] for name in inventory.hosts}
    for group in REQUIRED_GROUPS:
        if not inventory.members(group):
            faults.append(f"group {group} is empty; put at least one host in it")
    for name, groups in of.items():
        if not groups:
            faults.append(f"{name} is in no known group; put it in some of {', '.join(known)}, or take it out")
            continue
        for one, other in (SWARM_GROUPS, K3S_GROUPS):
            if one in groups and other in groups:
                faults.append(f"{name} is in {one} and in {other}; leave it in one of them")
        if not set(groups) & set(K3S_GROUPS):
            faults.append(
                f"{name} is in {', '.join(groups)} but in neither {' nor '.join(K3S_GROUPS)}; it would be left behind"
            )
    return faults


def address_faults(inventory: Inventory) -> list[str]:
    """Hosts without an address, with somebody else's, or with one that can't be meant."""
    faults = []
    owners = collections.defaultdict(list)
    for name, variables in inventory.hosts.items():
        address = variables.get("ansible_host")
        if not address:
            faults.append(f"{name} has no ansible_host; give it the address at which it is reached")
            continue
        owners[str(address)].append(name)
        try:
            parsed = ipaddress.ip_address(str(address))
        except ValueError:
            continue
        if any(parsed in network for network in _DOCUMENTATION if network.version == parsed.version):
            faults.append(
                f"{name}: ansible_host {address} is a documentation address (RFC 5737); put the real one there"
            )
        elif parsed.is_unspecified or parsed.is_loopback or parsed.is_multicast:
            faults.append(f"{name}: ansible_host {address} is not the address of another host")
    for address, names in owners.items():
        if len(names) > 1:
            faults.append(f"ansible_host {address} is shared by {', '.join(names)}; every host has its own")
    return faults


def host_value_faults(inventory: Inventory) -> list[str]:
    """Architectures, GPU counts and node names."""
    faults = []
    names = collections.defaultdict(list)
    for name, variables in inventory.hosts.items():
        arch = variables.get("replatform_arch", "amd64")
        if arch not in ("amd64", "arm64"):
            faults.append(f"{name}: replatform_arch {arch!r} is not amd64 or arm64")
        names[str(variables.get("k3s_node_name") or name)].append(name)
        if "k3s_gpu_count" not in variables:
            continue
        try:
            gpus = int(variables["k3s_gpu_count"])
        except (TypeError, ValueError):
            gpus = -1
        if gpus < 0:
            faults.append(f"{name}: k3s_gpu_count {variables['k3s_gpu_count']!r} is not a number of GPUs")
        elif bool(gpus) != (name in inventory.members("gpu")):
            where = "in" if not gpus else "not in"
            faults.append(f"{name}: k3s_gpu_count is {gpus} but the host is {where} group gpu; make the two agree")
    for node, hosts in names.items():
        if len(hosts) > 1:
            faults.append(f"k3s_node_name {node} is shared by {', '.join(hosts)}; node names must be unique")
    return faults
