# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a drain writes into the specs of services and nodes, and how it is taken out again. Pure: a spec in, a spec out.

What was there before is kept in one label of the thing itself, written in the same call as the change, so that a run that
was cut off anywhere can be finished or undone. A constraint without the label is somebody else's.
"""

from __future__ import annotations

import copy
import json
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import Raw

LABEL = "replatform.sophia.ai/drain"
# How a move is made, whatever the service's own update policy; its Monitor is kept.
_MOVING = {"Order": "start-first", "FailureAction": "pause", "Parallelism": 1, "Delay": 0, "MaxFailureRatio": 0}


def noted(service: Raw) -> dict[str, t.Any] | None:
    """What RV(pin) or RV(surge) noted on the service: C(node), C(empty), and C(update_config) or C(replicas) and C(here)."""
    text = (service["Spec"].get("Labels") or {}).get(LABEL)
    if text is None:
        return None
    try:
        found: dict[str, t.Any] = json.loads(text)
        missing = {"node", "empty"} - found.keys() or found.keys().isdisjoint({"update_config", "replicas"})
    except (ValueError, AttributeError):
        missing = True
    if missing:
        raise ReplatformError(
            f"label {LABEL} of service {service['Spec']['Name']} can't be read: remove it if nothing drains a node"
        )
    return found


def constraint(node_id: str) -> str:
    """The constraint that keeps a service's tasks away from a node."""
    return f"node.id!={node_id}"


def constraints(spec: Raw) -> list[str]:
    """The constraints of a service's spec."""
    return list((spec["TaskTemplate"].get("Placement") or {}).get("Constraints") or [])


def replicas(spec: Raw) -> int:
    """How many tasks a replicated service shall have."""
    return int(spec["Mode"]["Replicated"].get("Replicas", 1))


def pin(spec: Raw, node_id: str) -> dict[str, t.Any]:
    """The service away from the node, its tasks replaced one by one, each after its replacement runs."""
    after = copy.deepcopy(dict(spec))
    template = after["TaskTemplate"]
    placement = template.get("Placement") or {}
    absent = [key for key, where in (("Constraints", placement), ("Labels", after)) if not where.get(key)]
    noted = {"node": node_id, "update_config": after.get("UpdateConfig"), "empty": absent}
    template["Placement"] = {**placement, "Constraints": [*constraints(spec), constraint(node_id)]}
    after["UpdateConfig"] = {**(after.get("UpdateConfig") or {}), **_MOVING}
    return _noted(after, noted)


def surge(spec: Raw, node_id: str, here: int) -> dict[str, t.Any]:
    """One task more than the service shall have, for the node, which has O(here) of them."""
    after = copy.deepcopy(dict(spec))
    noted = {
        "node": node_id,
        "replicas": replicas(spec),
        "here": here,
        "empty": [] if after.get("Labels") else ["Labels"],
    }
    after["Mode"]["Replicated"]["Replicas"] = replicas(spec) + 1
    return _noted(after, noted)


def is_pin(noted: Raw) -> bool:
    """Whether the note is that of RV(pin)."""
    return "update_config" in noted


def is_reverted(spec: Raw, noted: Raw) -> bool:
    """Whether the change itself is out again, and the label alone is left; somebody else may have taken it out."""
    if not is_pin(noted):
        return replicas(spec) != noted["replicas"] + 1
    return constraint(noted["node"]) not in constraints(spec)


def revert(spec: Raw, noted: Raw) -> dict[str, t.Any]:
    """Take the change out, and leave the label and the update policy of the move, which still apply meanwhile."""
    after = copy.deepcopy(dict(spec))
    if not is_pin(noted):
        after["Mode"]["Replicated"]["Replicas"] = noted["replicas"]
        return after
    placement = after["TaskTemplate"]["Placement"]
    placement["Constraints"] = [one for one in constraints(spec) if one != constraint(noted["node"])]
    # An empty Placement stays: without one, swarmkit's nodeMatches (orchestrator/task.go) panics, on every manager in turn.
    _prune(placement, "Constraints", noted)
    return after


def restore(spec: Raw, noted: Raw) -> dict[str, t.Any]:
    """The update policy as it was, unless somebody has changed it meanwhile, and no label."""
    after = copy.deepcopy(dict(spec))
    if is_pin(noted):
        before = noted["update_config"]
        if _set(after.get("UpdateConfig")) == _set({**(before or {}), **_MOVING}):
            after["UpdateConfig"] = before
        if after.get("UpdateConfig") is None:
            after.pop("UpdateConfig", None)
    del after["Labels"][LABEL]
    _prune(after, "Labels", noted)
    return after


def pause(spec: Raw) -> dict[str, t.Any]:
    """The node takes no new tasks; the label says that it was active before."""
    return {**spec, "Availability": "pause", "Labels": {**(spec.get("Labels") or {}), LABEL: "was active"}}


def available(spec: Raw, availability: str) -> dict[str, t.Any]:
    """The node with that availability, and no label."""
    labels = {key: value for key, value in (spec.get("Labels") or {}).items() if key != LABEL}
    return {**spec, "Availability": availability, "Labels": labels}


def is_paused_here(node: Raw) -> bool:
    """Whether it is RV(pause) that has paused the node."""
    return LABEL in (node["Spec"].get("Labels") or {})


def _set(config: Raw | None) -> dict[str, t.Any]:
    """Without zeros, which the Engine leaves out of some answers."""
    return {key: value for key, value in (config or {}).items() if value}


def _noted(spec: dict[str, t.Any], noted: Raw) -> dict[str, t.Any]:
    spec["Labels"] = {**(spec.get("Labels") or {}), LABEL: json.dumps(noted, sort_keys=True, separators=(",", ":"))}
    return spec


def _prune(where: dict[str, t.Any], key: str, noted: Raw) -> None:
    if not where[key] and key in noted["empty"]:
        del where[key]
