# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Preflight's questions to module_utils/inventory; each filter is documented in its own YAML file."""

from __future__ import annotations

import os
import stat
import typing as t

from ansible.errors import AnsibleError
from ansible_collections.sophia.replatform.plugins.module_utils.inventory import check, host_state
from ansible_collections.sophia.replatform.plugins.module_utils.inventory.hosts import Inventory
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.host import taken_ports
from jinja2.exceptions import UndefinedError


def file_mode(path: str) -> int | None:
    try:
        return stat.S_IMODE(os.stat(os.path.expanduser(path)).st_mode)
    except OSError:
        return None


def inventory_faults(
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]], groups: t.Mapping[str, t.Sequence[str]], name: str = ""
) -> list[str]:
    """Every fault of the inventory, from Ansible's hostvars and groups; only the controller's own files are looked at."""
    members = [host for host in groups.get("all", []) if host not in ("localhost", "127.0.0.1")]
    hosts: dict[str, dict[str, t.Any]] = {}
    unresolved = []
    for host in members:
        hosts[host] = {}
        for variable in check.VARIABLES:
            try:
                if variable in hostvars[host]:
                    hosts[host][variable] = _plain(hostvars[host][variable])
            except (AnsibleError, UndefinedError) as exc:
                unresolved.append((host, variable, str(exc)))
    plain = {group: list(names) for group, names in groups.items()}
    return check.faults(Inventory(hosts, plain, name, unresolved, file_mode))


def _plain(value: t.Any) -> t.Any:
    """Ansible's lazy containers as ordinary ones, so that nothing is templated later."""
    if isinstance(value, t.Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value


def port_holder(listeners: str, port: int) -> str:
    """Who listens on a TCP port, from the text of C(ss -Hlntup); empty when nobody does."""
    held = taken_ports(listeners, [("tcp", int(port), "edge")])
    return held[0].split(" is held by ")[1].split(";")[0] if held else ""


def host_state_lines(host: t.Mapping[str, t.Any]) -> list[str]:
    """The lines about one host, from its variables after preflight has looked at it."""
    name = host["inventory_hostname"]
    if host["__preflight_setup"].get("unreachable"):
        return [f"{name} can't be reached: {' '.join(str(host['__preflight_setup'].get('msg', '')).split())}"]
    return [
        f"{name} {fault}" for fault in host.get("__preflight_host_faults", ["could not be looked at; see its error"])
    ]


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "inventory_faults": inventory_faults,
            "host_state_faults": host_state.host_faults,
            "host_state_lines": host_state_lines,
            "port_holder": port_holder,
        }
