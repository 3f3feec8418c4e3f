# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The pictures of report.html: traffic share, requests and failures, latency, phases, all on one axis of time."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.evidence import words
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.chart import (
    LogScale,
    TimeAxis,
    band,
    line,
    nice_ceiling,
)
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.folder import Evidence
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.latency import percentile
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.steps import WeightStep
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.traffic import Sum

Bins = t.Mapping[int, Sum]
Plot = t.Dict[str, t.Any]
NEW = "k3s"
LEAST_FAILED = 14.0  # percent of the chart's height: one failure among thousands must be seen


def time_axis(evidence: Evidence) -> TimeAxis | None:
    """From the first to the last thing that was recorded; None where nothing was."""
    times = [time for phase in evidence.phases.values() for time in (phase.started, phase.ended) if time is not None]
    seconds = evidence.traffic.bins()
    times += [min(seconds), max(seconds) + evidence.traffic.slot_s] if seconds else []
    return TimeAxis(min(times), max(times)) if times else None


def share_plot(axis: TimeAxis, bin_s: int, bins: Bins) -> Plot | None:
    """The new side from below, the old one above it."""
    shares = {start: part.share(NEW) for start, part in bins.items()}
    known = {start: share for start, share in shares.items() if share is not None}
    if not known:
        return None
    return {
        "new": band(axis, bin_s, {start: (0.0, share) for start, share in known.items()}),
        "old": band(axis, bin_s, {start: (share, 1.0) for start, share in known.items()}),
        "last": known[max(known)],
    }


def requests_plot(axis: TimeAxis, bin_s: int, bins: Bins) -> Plot | None:
    """Requests a second as an area, failures as bars that stand out however few they are."""
    if not bins:
        return None
    top = nice_ceiling(max(part.total for part in bins.values()) / bin_s)
    failed = {start: part.failed for start, part in bins.items() if part.failed}
    return {
        "top": words.number(top),
        "half": words.number(top / 2),
        "total": band(axis, bin_s, {start: (0.0, part.total / bin_s / top) for start, part in bins.items()}),
        "failed": [
            {
                "x": axis.x(start),
                "width": max(2.0, axis.x(start + bin_s) - axis.x(start)),
                "height": max(LEAST_FAILED, round(100 * count / bin_s / top, 2)),
            }
            for start, count in failed.items()
        ],
    }


def latency_plot(axis: TimeAxis, bin_s: int, bins: Bins) -> Plot | None:
    """p50 and p99 on decades."""
    curves: dict[str, dict[int, float]] = {"p50": {}, "p99": {}}
    for start, part in bins.items():
        for name, at in (("p50", 50), ("p99", 99)):
            value = percentile(part.latency, at)
            if value is not None:
                curves[name][start] = value
    values = [value for curve in curves.values() for value in curve.values()]
    if not values:
        return None
    scale = LogScale(values)
    paths = {
        name: line(axis, bin_s, {start: scale.height(value) for start, value in curve.items()})
        for name, curve in curves.items()
    }
    lines = [{"percent": 100 * scale.height(value), "label": words.milliseconds(value)} for value in scale.decades()]
    return {**paths, "lines": lines}


def hover_boxes(axis: TimeAxis, bin_s: int, bins: Bins) -> list[Plot]:
    """What a pointer reads from the charts, one box a bin."""
    boxes = []
    for start, part in bins.items():
        text = [words.clock(start), f"{words.number(part.total / bin_s)} requests/s", f"{part.failed} failed"]
        share = part.share(NEW)
        if share is not None:
            text.append(f"{words.percent(share)} on K3s")
        text += [f"p{at} {words.milliseconds(percentile(part.latency, at))}" for at in (50, 99) if part.latency]
        boxes.append({"x": axis.x(start), "width": axis.x(start + bin_s) - axis.x(start), "text": " · ".join(text)})
    return boxes


def phase_bars(axis: TimeAxis, evidence: Evidence) -> list[Plot]:
    """A bar a phase, from its first start to its first ok end, or to the end of the axis while it has none."""
    bars = []
    for phase in evidence.phases.values():
        plot: Plot = {
            "name": phase.name,
            "status": phase.status,
            "duration": words.duration(phase.seconds),
            "left": None,
        }
        if phase.started is not None:
            left = axis.percent(phase.started)
            right = axis.percent(axis.end if phase.ended is None else phase.ended)
            plot.update(left=left, width=max(0.4, round(right - left, 3)))
            plot["label"] = "after" if right < 60 else "before" if left > 40 else "within"
        plot["attempts"] = phase.attempts
        bars.append(plot)
    return bars


def step_marks(axis: TimeAxis, steps: t.Sequence[WeightStep]) -> list[Plot]:
    """A mark a weight step."""
    return [
        {
            "percent": axis.percent(step.time),
            "text": f"{words.clock(step.time)} · {step.service} {step.weight} % on K3s",
        }
        for step in steps
        if step.time is not None
    ]
