# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the evidence says: the phases, and the traffic. Only the folder of the run is read."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.folder import Evidence, read_evidence
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.report import build_report
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.steps import weight_steps

from replatform.errors import UsageError
from replatform.events import Event, clean


def look(artifacts: str) -> Evidence:
    """Read the folder; one that is missing is a migration that has not begun."""
    try:
        return read_evidence(artifacts, write=False)
    except (ReplatformError, OSError) as exc:
        raise UsageError(f"the evidence in {artifacts} can't be read: {exc}") from exc


def phase_events(evidence: Evidence) -> list[Event]:
    """An event a phase: its status (None before the first attempt), seconds and attempts."""
    return [
        {
            "event": "phase",
            "phase": phase.name,
            "status": phase.status,
            "seconds": phase.seconds,
            "attempts": phase.attempts,
        }
        for phase in evidence.phases.values()
    ]


def traffic_events(evidence: Evidence) -> list[Event]:
    """An event a service that the cutover has moved: its weight on K3s now, and the requests that failed on the way."""
    moved: dict[str, Event] = {}
    for step in weight_steps(evidence.records):
        service = clean(step.service)
        event = moved.setdefault(service, {"event": "traffic", "service": service, "failed": 0})
        event.update(step="done", weight=step.weight, failed=event["failed"] + (step.failed or 0))
    return list(moved.values())


def requests(evidence: Evidence) -> dict[str, t.Any]:
    """C({total, failed, p50_ms, p99_ms}) of all that the prober sent, as in report.json."""
    return build_report("", evidence)["cutover"]["requests"]
