# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""report.json: the figures of a migration, each taken from a record or null."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.evidence import words
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.folder import Evidence
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.held import longest_hold_ms
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.latency import percentile
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.phases import Phase
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.steps import weight_steps
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.traffic import Traffic

REPOSITORY_KEYS = ("root_files_before", "root_files_after", "moved", "protected_changed")
NODE_KEYS = ("name", "ready", "gpus", "version")
ENDPOINT_KEYS = ("name", "url", "status")
STEP_KEYS = ("service", "weight", "in_effect_ms", "failed")
SWARM_KEYS = ("services_left", "nodes_left")


def build_report(environment: str, evidence: Evidence) -> dict[str, t.Any]:
    """The content of report.json. What the evidence does not hold is None."""
    phases, outputs = evidence.phases, evidence.outputs
    return {
        "environment": environment,
        "phases": {name: _phase(phase) for name, phase in phases.items()},
        "repository": _pick(REPOSITORY_KEYS, outputs.get("repository")),
        "cluster": {"nodes": pick_each(NODE_KEYS, outputs.get("cluster", {}).get("nodes"))},
        "platform": {"endpoints": _endpoints(outputs)},
        "cutover": {
            "requests": _requests(evidence.traffic),
            "steps": _steps(evidence),
            "held_ms": longest_hold_ms(evidence.records),
        },
        "swarm": _pick(SWARM_KEYS, outputs.get("cutover", {}).get("swarm")),
    }


def _phase(phase: Phase) -> dict[str, t.Any]:
    times = {"ended": phase.ended, "recorded": phase.recorded}
    return {
        "status": phase.status,
        "seconds": phase.seconds,
        **{key: None if time is None else words.iso(time) for key, time in times.items()},
    }


def _pick(keys: t.Sequence[str], found: t.Mapping[str, t.Any] | None) -> dict[str, t.Any]:
    return {key: (found or {}).get(key) for key in keys}


def pick_each(keys: t.Sequence[str], found: t.Sequence[t.Mapping[str, t.Any]] | None) -> list[dict[str, t.Any]] | None:
    """Of each mapping the given keys and no other, None where it lacks one; None stays None."""
    return None if found is None else [_pick(keys, one) for one in found]


def _endpoints(outputs: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]] | None:
    """As the phase read them back; where nothing answered it has no HTTP status (the uri module says -1), so None."""
    endpoints = pick_each(ENDPOINT_KEYS, outputs.get("platform", {}).get("endpoints"))
    for endpoint in endpoints or []:
        status = endpoint["status"]
        endpoint["status"] = status if isinstance(status, int) and status > 0 else None
    return endpoints


def _requests(traffic: Traffic) -> dict[str, t.Any]:
    whole = traffic.whole()
    measured = whole.total > 0
    return {
        "total": whole.total if measured else None,
        "failed": whole.failed if measured else None,
        "p50_ms": percentile(whole.latency, 50),
        "p99_ms": percentile(whole.latency, 99),
    }


def _steps(evidence: Evidence) -> list[dict[str, t.Any]] | None:
    if evidence.phases["cutover"].status is None:
        return None
    return [_pick(STEP_KEYS, step._asdict()) for step in weight_steps(evidence.records)]
