# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The role's settings for one host, checked together before anything is written."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.k3s.config import config_faults, label_faults
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.metadata import role_faults, taint_faults


def setting_faults(
    settings: t.Mapping[str, t.Any], name: str, node_role: str, servers: t.Sequence[str], names: t.Sequence[str]
) -> list[str]:
    """Every reason why these settings can't work, one line each.

    C(settings) holds the role's public variables by name, and C(missing), the path variables whose file is not there.
    C(servers) are the hosts of the server group, C(names) the node names of all hosts, C(name) this host's.
    """
    version = settings["k3s_version"]
    faults = config_faults(settings["k3s_config"], node_role, "k3s_config", version)
    faults += config_faults(settings["k3s_server_config"], "server", "k3s_server_config", version)
    faults += config_faults(settings["k3s_agent_config"], "agent", "k3s_agent_config", version)
    faults += config_faults(settings["k3s_node_config"], node_role, "k3s_node_config", version)
    faults += label_faults(settings["k3s_node_labels"], "k3s_node_labels")
    faults += taint_faults(settings["k3s_node_taints"], "k3s_node_taints")
    faults += role_faults(settings["k3s_node_roles"], "k3s_node_roles")
    if settings["k3s_install_method"] == "script" and not settings["k3s_install_script_checksum"]:
        faults.append(
            "k3s_install_script_checksum: set the SHA-256 of the install.sh that k3s_install_method: script is to run"
        )
    faults += server_count_faults(len(servers), settings["k3s_server_config"])
    if name not in names:
        faults.append("this host is in neither k3s_server_group nor k3s_agent_group; put it in one of them")
    elif list(names).count(name) > 1:
        faults.append(f"k3s_node_name: {name} is the name of more than one host; node names must be unique")
    for variable in settings["missing"]:
        faults.append(
            f"{variable}: {settings[variable]} does not exist on the controller; create it, or leave {variable} empty"
        )
    return faults


def server_count_faults(count: int, config: t.Any) -> list[str]:
    """Whether so many servers can be one cluster with a server configuration's datastore."""
    config = config if isinstance(config, t.Mapping) else {}
    if count == 0:
        return ["k3s_server_group is empty; a cluster needs a server"]
    if count == 1 or config.get("datastore-endpoint"):
        return []
    faults = []
    if not config.get("cluster-init"):
        faults.append(
            f"{count} servers without cluster-init: true in k3s_server_config (embedded etcd); each would be a cluster alone"
        )
    if count % 2 == 0:
        faults.append(
            f"{count} servers with embedded etcd are no safer than {count - 1}; take an odd number (1, 3 or 5)"
        )
    return faults
