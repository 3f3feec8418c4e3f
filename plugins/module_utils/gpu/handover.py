# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which hosts' GPUs go from a Swarm to K3s, and whether they are enough for what K3s is asked for. Pure."""

from __future__ import annotations

import typing as t
from collections import Counter

Map = t.Mapping[str, t.Any]

RESOURCE = "nvidia.com/gpu"
_ENDED = ("Succeeded", "Failed")


def plan(
    services: t.Sequence[Map],
    pods: t.Sequence[Map],
    swarm_hosts: t.Mapping[str, str],
    k3s_hosts: t.Mapping[str, str],
    counts: t.Mapping[str, int],
) -> dict[str, t.Any]:
    """C(free), the hosts whose GPUs no task of the Swarm has; C(waiting), the pods that wait for one; and C(faults), a line each.

    C(services) are those of module C(swarm_stack_info), C(pods) those of the cluster. C(swarm_hosts) and C(k3s_hosts) have the host of the
    inventory for each node's name; C(counts) how many GPUs each host of group C(gpu) has.
    """
    used: dict[str, set[str]] = {}
    for service in services:
        for task in service["tasks"] if service.get("gpus") else []:
            used.setdefault(swarm_hosts.get(task["node"], task["node"]), set()).add(service["name"])
    asked: Counter[str] = Counter()
    both, waiting = [], []
    for pod in pods:
        count = _asked(pod)
        if not count:
            continue
        asked[_name(pod)] += count
        node = pod["spec"].get("nodeName")
        host = k3s_hosts.get(node, node) if node else ""
        if host in used:
            both.append(f"{host} has {', '.join(sorted(used[host]))} of the Swarm and {_name(pod)} of K3s on its GPUs")
        if not node:
            waiting.append(_name(pod))
    free = sorted(host for host in counts if host not in used)
    faults = [f"{one}: scale one of them down" for one in both]
    there = sum(counts[host] for host in free)
    if sum(asked.values()) > there:
        held = "; ".join(f"{host} has {', '.join(sorted(used[host]))} of the Swarm" for host in sorted(used))
        faults.append(
            f"K3s is asked for {sum(asked.values())} GPUs ({', '.join(f'{name} {count}' for name, count in sorted(asked.items()))}), and the "
            f"hosts whose GPUs the Swarm does not use have {there} ({', '.join(free) or 'none'}){'; ' + held if held else ''}: scale the "
            "Swarm's service down by docker service scale or K3s' by kubectl scale, or add a host to group gpu"
        )
    return {"free": free, "waiting": sorted(waiting), "faults": faults}


def _asked(pod: Map) -> int:
    if (pod.get("status") or {}).get("phase") in _ENDED or "deletionTimestamp" in pod["metadata"]:
        return 0
    spec = pod["spec"]
    kinds = [[_limit(one) for one in spec.get(kind) or []] for kind in ("containers", "initContainers")]
    return max([sum(kinds[0]), *kinds[1]])


def _limit(container: Map) -> int:
    return int(((container.get("resources") or {}).get("limits") or {}).get(RESOURCE, 0))


def _name(pod: Map) -> str:
    return str(pod["metadata"]["name"])
