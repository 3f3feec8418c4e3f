# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every fault of an inventory at once."""

from __future__ import annotations

from ansible_collections.sophia.replatform.plugins.module_utils.inventory.hosts import (
    Inventory,
    address_faults,
    group_faults,
    host_value_faults,
)
from ansible_collections.sophia.replatform.plugins.module_utils.inventory.settings import (
    LIMITED,
    edge_port_faults,
    environment_faults,
    k3s_faults,
    limit_faults,
    path_faults,
    service_faults,
)

#: The variables that the checks ask for.
VARIABLES = sorted(
    {
        "ansible_host",
        "ansible_ssh_private_key_file",
        "edge_https_port",
        "edge_state",
        "k3s_agent_config",
        "k3s_agent_token_file",
        "k3s_airgap_dir",
        "k3s_config",
        "k3s_gpu_count",
        "k3s_node_config",
        "k3s_node_labels",
        "k3s_node_name",
        "k3s_server_config",
        "k3s_token_file",
        "k3s_version",
        "platform_secrets",
        "replatform_arch",
        "replatform_environment",
        "replatform_groups",
        "replatform_kubeconfig",
        "replatform_services",
        "repository_protected",
        *LIMITED,
    }
)


def faults(inventory: Inventory) -> list[str]:
    """One line a fault, each naming the host or the variable and the mend; an empty list is a sound inventory."""
    if not inventory.hosts:
        return ["the inventory has no hosts"]
    found = _unresolved(inventory)
    for check in (
        environment_faults,
        group_faults,
        address_faults,
        host_value_faults,
        service_faults,
        edge_port_faults,
        k3s_faults,
        limit_faults,
        path_faults,
    ):
        found += check(inventory)
    return list(dict.fromkeys(found))


def _unresolved(inventory: Inventory) -> list[str]:
    owners: dict[tuple[str, str], list[str]] = {}
    for host, variable, reason in inventory.unresolved:
        owners.setdefault((variable, " ".join(reason.split())), []).append(host)
    return [
        f"{variable}{inventory.whose(hosts)} can't be resolved: {reason}"
        for (variable, reason), hosts in owners.items()
    ]
