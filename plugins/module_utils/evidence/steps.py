# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The weight steps of the cutover that took effect."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.evidence.phases import Record, epoch


class WeightStep(t.NamedTuple):
    """From O(time) on, O(weight) percent of the requests to O(service) went to the new side."""

    time: float | None
    service: str
    weight: int | None
    in_effect_ms: float | None  # None where a resumed run found the weight in effect already
    failed: int | None


def weight_steps(records: t.Iterable[Record]) -> list[WeightStep]:
    """The steps in order. A weight that was confirmed or taken again stands once, with the failures added.

    A run killed between the change and its record leaves no C(weight) record; the run that resumes it records C(watch).
    """
    steps: list[WeightStep] = []
    last: dict[str, int] = {}
    for record in records:
        if record.get("operation") != "traffic_shift" or record.get("event") != "ok":
            continue
        if record.get("step") not in ("weight", "watch"):
            continue
        step = _step(record)
        index = last.get(step.service)
        if index is not None and steps[index].weight == step.weight:
            steps[index] = steps[index]._replace(failed=_add(steps[index].failed, step.failed))
        else:
            last[step.service] = len(steps)
            steps.append(step)
    return steps


def _step(record: Record) -> WeightStep:
    data = record.get("data")
    data = data if isinstance(data, dict) else {}
    service = str(data.get("service") or record.get("subject") or "")
    return WeightStep(epoch(record), service, data.get("weight"), data.get("in_effect_ms"), data.get("failed"))


def _add(one: int | None, other: int | None) -> int | None:
    return None if one is None and other is None else (one or 0) + (other or 0)
