# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was seen of the world just now: the results of modules that read, made the few figures that are judged and kept."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.evidence import capacity
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.delivered import read_run
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.nodes import nodes as read_nodes

Result = t.Mapping[str, t.Any]
Items = t.Sequence[t.Tuple[t.Any, Result]]
#: Labels that name a node's GPU: of NVIDIA's GPU feature discovery, and the one that an inventory may set.
MODEL_LABELS = ("nvidia.com/gpu.product", "gpu-type")
MOST_WORDS = 200


def look(seen: t.Mapping[str, t.Any], canary: str, amount: t.Callable[[str], t.Any]) -> dict[str, t.Any]:
    """What is kept of the modules' results in O(seen): figures under their names, and under C(why) the reason of each that is None.

    O(seen) has the results of C(nodes) and C(pods) (k8s_info), C(audit) (repo_audit), C(workflows) (find), the content of
    C(run) (see RV(delivered.read_run)), and under C(edges) by host those of C(endpoints), C(weights) and C(queries) (uri) and
    C(connections) (tcp_probe), in loops. One that is missing was not asked for. O(canary) is the name of the new side at the edge;
    O(amount) reads a quantity of Kubernetes.
    """
    why: dict[str, str] = {}

    def value(name: str, read: t.Callable[[Result], t.Any]) -> t.Any:
        fault = _fault(seen.get(name))
        if fault is None:
            return read(seen[name])
        why[name] = fault
        return None

    found: dict[str, t.Any] = {
        "nodes": value("nodes", lambda result: _nodes(result["resources"])),
        "asked": value("pods", lambda result: _asked(seen.get("nodes"), result, amount)),
        "root_files": value("audit", lambda result: result["audit"]["root_files"]),
        "workflows": value("workflows", lambda result: sorted(one["path"] for one in result["files"])),
        "run": read_run(seen["run"]) if seen.get("run") else None,
    }
    edges = seen.get("edges") or {}
    for name, loops, read in (
        ("endpoints", ("endpoints", "connections"), _endpoints),
        ("shares", ("weights",), _shares(canary)),
        ("queries", ("queries",), _queries),
    ):
        asked = {host: [results.get(loop) for loop in loops] for host, results in edges.items()}
        faults = {host: _fault_of(of) for host, of in asked.items()}
        bad = [f"{host}: {fault or 'it was not asked'}" for host, fault in faults.items() if fault is not None]
        if bad:
            why[name] = "; ".join(bad)
        found[name] = None if bad or not edges else {host: read(list(_items(of))) for host, of in asked.items()}
    return {**found, "why": why}


def _fault_of(loops: t.Sequence[Result | None]) -> str | None:
    """As RV(_fault). A loop through nothing asked nothing, and has no fault where another one asked."""
    faults = [_fault(loop) for loop in loops if not (loop and loop.get("skipped") and "results" in loop)]
    return next((fault for fault in faults if fault is not None), None) if faults else ""


def _fault(result: Result | None) -> str | None:
    """Why there is nothing to be read from a result, empty where it was not asked for; None where there is."""
    if not result or result.get("skipped"):
        return ""
    if result.get("unreachable") or ("results" not in result and result.get("failed")):
        text = " ".join(str(result.get("msg") or "it failed without a reason").split())
        return text if len(text) <= MOST_WORDS else text[: MOST_WORDS - 1] + "…"
    lost = [
        item
        for item in result.get("results") or []
        if item.get("unreachable") or (result.get("failed") and item.get("failed"))
    ]
    return _fault(lost[0]) if lost else None


def _nodes(resources: t.Sequence[Result]) -> list[dict[str, t.Any]]:
    labels = {one["metadata"]["name"]: one["metadata"].get("labels") or {} for one in resources}
    return [
        {
            **{key: node[key] for key in ("name", "ready", "gpus", "version")},
            "model": next((labels[node["name"]][key] for key in MODEL_LABELS if key in labels[node["name"]]), None),
        }
        for node in read_nodes({"items": resources})
    ]


def _asked(nodes: Result | None, pods: Result, amount: t.Callable[[str], t.Any]) -> dict[str, t.Any] | None:
    if _fault(nodes) is not None or nodes is None:
        return None
    return capacity.shares(nodes["resources"], pods["resources"], amount)


def _endpoints(items: Items) -> list[dict[str, t.Any]]:
    """Whether each service answers 200 or, as one of TCP, keeps a connection."""
    return [
        {"name": asked["name"], "ok": item.get("open") is True or item.get("status") == 200} for asked, item in items
    ]


def _queries(items: Items) -> list[dict[str, t.Any]]:
    """Whether each answer holds what it has to."""
    return [
        {
            "name": asked["name"],
            "service": asked["service"],
            "ok": item.get("status") == int(asked["query"].get("status", 200))
            and asked["query"]["contains"] in (item.get("content") or ""),
        }
        for asked, item in items
    ]


def _items(loops: t.Sequence[Result | None]) -> t.Iterator[tuple[t.Any, Result]]:
    """What loops went through, each with its result."""
    for loop in filter(None, loops):
        for item in loop["results"]:
            yield item[item.get("ansible_loop_var", "item")], item


def _shares(canary: str) -> t.Callable[[Items], dict[str, float]]:
    """From a service to the percent of its traffic that the edge gives to the new side, as Traefik's API shows its weights."""
    side = re.compile(rf"-{re.escape(canary)}(@\w+)?\Z")

    def read(items: Items) -> dict[str, float]:
        found: dict[str, float] = {}
        for service in (service for _protocol, item in items for service in item["json"]):
            parts = (service.get("weighted") or {}).get("services") or []
            whole = sum(part.get("weight", 0) for part in parts)
            new = sum(part.get("weight", 0) for part in parts if side.search(part["name"]))
            if whole and service.get("status") == "enabled":
                found[service["name"].partition("@")[0]] = round(100 * new / whole, 1)
        return found

    return read
