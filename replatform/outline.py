# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan that needs no host: the services in the order in which they move, each with its weights and gates. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.traffic.gates import Gate
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import Route
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.shift import Wanted, schedule

from replatform.errors import UsageError
from replatform.events import Event

Settings = t.Mapping[str, t.Any]


def service_events(
    groups: t.Sequence[str], services: t.Sequence[Settings], analysis: Settings, of_service: t.Mapping[str, Settings]
) -> list[Event]:
    """An event a service, in the order of C(cutover_groups) and within a group of C(cutover_services), as the cutover takes them.

    O(analysis) is C(edge_analysis) and O(of_service) C(edge_service_settings): by service, what differs from it. A service of
    another kind than http and tcp is handed over, or follows the store that is behind it, and has no weights. Raises C(UsageError) for a shape
    that can't be read.
    """
    try:
        moved = [(group, service) for group in groups for service in services if service.get("group") == group]
        return [
            {
                "event": "service",
                "number": number,
                "service": str(service["name"]),
                "group": str(group),
                **_way(service, {**analysis, **(of_service.get(service["name"]) or {})}),
            }
            for number, (group, service) in enumerate(moved, start=1)
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise UsageError(
            f"cutover_services or edge_analysis can't be read ({exc!r}): preflight names the fault"
        ) from exc


def _way(service: Settings, settings: Settings) -> Event:
    if service.get("kind", "http") not in ("http", "tcp"):
        how = "follows its store" if service["kind"] == "pgbouncer" else "handed over"
        return {"how": how, "kind": str(service["kind"]), "weights": [], "gates": []}
    wanted = Wanted(
        t.cast(Route, None),  # a schedule does not ask for it
        "shifted",
        step_weights=tuple(int(weight) for weight in settings.get("step_weights", Wanted.step_weights)),
        max_weight=int(settings.get("max_weight", Wanted.max_weight)),
        skip_analysis=bool(settings.get("skip_analysis", False)),
    )
    weights = schedule(wanted)
    gates = [
        Gate(str(gate["name"]), str(gate["type"]), tuple(int(weight) for weight in gate.get("weights") or ()))
        for gate in settings.get("gates") or []
    ]
    return {
        "how": "shifted",
        "kind": str(service.get("kind", "http")),
        "weights": weights,
        "interval_s": settings.get("interval"),
        "threshold": settings.get("threshold"),
        "gates": [
            {
                "gate": gate.name,
                "type": gate.type,
                "before": [weight for weight in weights if gate.stands_before(weight)],
            }
            for gate in gates
        ],
    }
