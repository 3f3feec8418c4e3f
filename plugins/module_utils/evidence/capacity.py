# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How much of what the nodes have is asked for by what runs on them."""

from __future__ import annotations

import typing as t

Object = t.Mapping[str, t.Any]
RESOURCES = ("cpu", "memory")


def shares(nodes: t.Sequence[Object], pods: t.Sequence[Object], amount: t.Callable[[str], t.Any]) -> dict[str, t.Any]:
    """The part, 0 to 1, of the allocatable C(cpu) and C(memory) of all O(nodes) that O(pods) request; None where there is none.

    O(amount) reads a quantity of Kubernetes. A pod asks for the sum of its containers, or for the largest of its init
    containers where that is more, and for its overhead; one that has ended, or has no node, asks for nothing
    (https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers).
    """
    placed = [
        pod for pod in pods if pod["spec"].get("nodeName") and pod["status"].get("phase") in ("Pending", "Running")
    ]
    found: dict[str, t.Any] = {}
    for name in RESOURCES:
        has = sum(amount(node["status"].get("allocatable", {}).get(name, "0")) for node in nodes)
        asked = sum(_asked(pod["spec"], name, amount) for pod in placed)
        found[name] = round(float(asked / has), 4) if has else None
    return found


def _asked(spec: Object, name: str, amount: t.Callable[[str], t.Any]) -> t.Any:
    """A sidecar, an init container that restarts, runs on beside the containers, and beside the init containers after it."""
    together = sum(_request(container, name, amount) for container in spec.get("containers", []))
    beside = starting = 0
    for container in spec.get("initContainers") or []:
        own = _request(container, name, amount)
        if container.get("restartPolicy") == "Always":
            beside += own
            starting = max(starting, beside)
        else:
            starting = max(starting, beside + own)
    return max(together + beside, starting) + amount((spec.get("overhead") or {}).get(name, "0"))


def _request(container: Object, name: str, amount: t.Callable[[str], t.Any]) -> t.Any:
    return amount(((container.get("resources") or {}).get("requests") or {}).get(name, "0"))
