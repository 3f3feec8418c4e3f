# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the drain of a node means for the routes of an edge in front of its Swarm. Pure: what C(state.stack_info) says in, a plan out."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import Raw


def drain_plan(
    seen: Raw,
    node: str,
    state: str = "drained",
    routed: t.Collection[str] = (),
    may_move: t.Collection[str] = (),
    may_stop: t.Collection[str] = (),
) -> dict[str, t.Any]:
    """What to do at the edges so that O(node), an ID or a host name, can be drained; with O(state) C(active), so that it takes tasks again.

    O(routed) are the names of the services with a route, without the stack's prefix; O(may_move) and O(may_stop) full names, as the
    options of module C(swarm_drain). The answer has C(fault) (why nothing may begin; '' for nothing), C(spares) (full names of the services
    that first need one task more, since all they have are on the node), C(away) (by name, the servers that are not on the node, of the
    services that have tasks there and elsewhere) and C(now) (by name, all servers; services without any are left out).
    """
    plan: dict[str, t.Any] = {"fault": "", "spares": [], "away": {}, "now": {}}
    found = [one for one in seen["nodes"] if node in (one["id"], one["hostname"])]
    if not found:
        names = ", ".join(one["hostname"] for one in seen["nodes"])
        plan["fault"] = f"'{node}' is no node of the Swarm; its nodes are {names}"
        return plan
    alone = []
    for service in [one for one in seen["services"] if one["name"] in routed]:
        name, full_name, servers = service["name"], service["full_name"], service["endpoints"]
        if servers:
            plan["now"][name] = servers
        if state == "active":
            continue
        here, elsewhere = _split(service, found[0]["hostname"])
        others = [server for server in servers if server.rpartition(":")[0] != found[0]["address"]]
        if here and elsewhere and others:
            plan["away"][name] = others
        # What is global has no task to spare; the drain itself refuses it.
        if here and not elsewhere and service["mode"] == "replicated" and full_name not in may_stop:
            plan["spares"].append(full_name)
            if service["replicas"] < 2 and full_name not in may_move:
                alone.append(full_name)
    if alone:
        plan["fault"] = (
            f"{', '.join(alone)} would have no server while {found[0]['hostname']} is drained, for its only task is there:"
            " name in drain_may_move (full names) what may run twice for a while, in drain_may_stop what is served elsewhere"
        )
    return plan


def _split(service: Raw, hostname: str) -> tuple[list[Raw], list[Raw]]:
    """The running tasks on the node, and those that are not."""
    here = [task for task in service["tasks"] if task["node"] == hostname]
    return here, [task for task in service["tasks"] if task["node"] != hostname]
