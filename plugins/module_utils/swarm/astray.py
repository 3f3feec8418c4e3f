# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether all hosts are in one Swarm. Pure: what each host sees in, a line out."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import Raw


def astray(seen: t.Mapping[str, Raw]) -> str:
    """Which hosts are in a Swarm that the first manager among them does not manage; empty with none.

    O(seen) is what C(swarm_stack_info) says, by host.
    """
    active = {host: one for host, one in seen.items() if one["swarm"] == "active"}
    manager = next((host for host, one in active.items() if one["is_manager"]), "")
    members = {node["id"] for node in active[manager]["nodes"]} if manager else set()
    hosts = ", ".join(sorted(host for host, one in active.items() if one["node_id"] not in members))
    if not hosts:
        return ""
    if not manager:
        mend = (
            "add its managers to the inventory's group swarm_manager, or have each host leave it (docker swarm leave)"
        )
        return f"{hosts}: in a Swarm that no host of the inventory manages; {mend}"
    mend = "have those in a wrong one leave it (docker swarm leave), or take them out of the inventory"
    return f"{hosts}: in another Swarm than {manager}, a manager; {mend}"
