# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the template of report.html shows."""

from __future__ import annotations

import typing as t
from urllib.parse import quote

from ansible_collections.sophia.replatform.plugins.module_utils.evidence import plots, words
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.chart import TimeAxis
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.decisions import decisions
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.folder import Evidence
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.latency import percentile
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.report import NODE_KEYS, pick_each
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.steps import weight_steps

Report = t.Mapping[str, t.Any]
NAMES = {"repository": "Repository", "cluster": "Cluster", "platform": "Platform", "cutover": "Cutover"}
WORDS = {"ok": "done", "failed": "failed", "running": "running", None: "not started"}


def page_data(report: Report, evidence: Evidence) -> dict[str, t.Any]:
    """The variables of the template; all words and figures are made here, the template only places them."""
    axis = plots.time_axis(evidence)
    return {
        "environment": report["environment"],
        "span": words.span(axis.start, axis.end) if axis else None,
        "headline": headline(report),
        "tiles": tiles(report),
        "criteria": _criteria(evidence.verification),
        "charts": _charts(axis, evidence) if axis else None,
        "services": _services(axis, evidence) if axis else [],
        "phase_names": NAMES,
        "status_words": WORDS,
        "repository": _repository(report["repository"]),
        "nodes": _nodes(evidence),
        "endpoints": report["platform"]["endpoints"],
        "failures": _failures(evidence),
        "decisions": [
            {"time": words.clock(one.time), "subject": one.subject, "what": one.what, "who": one.who}
            for one in decisions(evidence.records)
        ],
        "files": [{"name": name, "link": quote(name)} for name in evidence.files],
        "hosts": evidence.hosts,
        "records": words.number(len(evidence.records)),
        "words": words,
    }


def headline(report: Report) -> dict[str, str]:
    """The one sentence that says where the migration stands, and whether that is good."""
    statuses = {name: phase["status"] for name, phase in report["phases"].items()}
    failed = report["cutover"]["requests"]["failed"]
    lost = "" if failed is None else " No request failed." if failed == 0 else f" {_counted(failed, 'request')} failed."
    tone = "bad" if failed else "good"
    stopped = [NAMES[name].lower() for name, status in statuses.items() if status == "failed"]
    running = [NAMES[name].lower() for name, status in statuses.items() if status == "running"]
    if stopped:
        return {"tone": "bad", "text": f"The migration stopped in phase {stopped[0]}." + lost}
    if running:
        return {"tone": "bad" if failed else "busy", "text": f"Phase {running[0]} is under way." + lost}
    done = [NAMES[name].lower() for name, status in statuses.items() if status == "ok"]
    if len(done) == len(statuses):
        return {"tone": tone, "text": "The platform has moved from Docker Swarm to K3s." + lost}
    text = f"Done so far: {', '.join(done)}." if done else "Nothing has been migrated yet."
    return {"tone": tone if done else "busy", "text": text + lost}


def tiles(report: Report) -> list[dict[str, t.Any]]:
    """The headline figures."""
    requests, repository, swarm = report["cutover"]["requests"], report["repository"], report["swarm"]
    nodes, endpoints = report["cluster"]["nodes"], report["platform"]["endpoints"]
    ready = None if nodes is None else sum(1 for node in nodes if node["ready"])
    answering = None if endpoints is None else sum(1 for endpoint in endpoints if endpoint["status"] == 200)
    gpus = [node["gpus"] for node in nodes or [] if node["gpus"] is not None]
    return [
        _tile("Requests through the edge", words.number(requests["total"]), "cluster phase to end of cutover"),
        _tile("Failed requests", words.number(requests["failed"]), "of all of them", _tone(requests["failed"], 0)),
        _tile("Latency p99", words.milliseconds(requests["p99_ms"]), f"p50 {words.milliseconds(requests['p50_ms'])}"),
        _tile(
            "Longest pause of writes", words.milliseconds(report["cutover"]["held_ms"]), "clients of PostgreSQL, held"
        ),
        _tile("Nodes Ready", _of(ready, nodes), f"{sum(gpus)} GPUs" if gpus else "", _tone(ready, len(nodes or []))),
        _tile("Endpoints answering 200", _of(answering, endpoints), "", _tone(answering, len(endpoints or []))),
        _tile(
            "Files in the root",
            words.number(repository["root_files_after"]),
            f"before: {words.number(repository['root_files_before'])}",
        ),
        _tile(
            "Protected files changed",
            words.number(repository["protected_changed"]),
            f"{words.number(repository['moved'])} files moved",
            _tone(repository["protected_changed"], 0),
        ),
        _tile(
            "Left on the Swarm",
            words.number(swarm["services_left"]),
            f"services, and {words.number(swarm['nodes_left'])} nodes",
            _tone(swarm["services_left"], 0),
        ),
    ]


def _tile(label: str, value: str, note: str = "", tone: str = "") -> dict[str, str]:
    return {"label": label, "value": value, "note": note, "tone": tone}


def _tone(value: float | None, wanted: float) -> str:
    return "" if value is None else "good" if value == wanted else "bad"


def _of(count: int | None, of: t.Sequence[t.Any] | None) -> str:
    return words.NONE if of is None else f"{count} of {len(of)}"


def _counted(count: int, what: str) -> str:
    return f"{words.number(count)} {what}" + ("" if count == 1 else "s")


def _charts(axis: TimeAxis, evidence: Evidence) -> dict[str, t.Any]:
    bin_s = axis.bin_seconds()
    bins = evidence.traffic.bins(bin_s)
    return {
        "bin": words.duration(bin_s) if bin_s >= 60 else f"{bin_s} s",
        "ticks": axis.ticks(),
        "phases": plots.phase_bars(axis, evidence),
        "share": plots.share_plot(axis, bin_s, bins),
        "requests": plots.requests_plot(axis, bin_s, bins),
        "latency": plots.latency_plot(axis, bin_s, bins),
        "marks": plots.step_marks(axis, weight_steps(evidence.records)),
        "boxes": plots.hover_boxes(axis, bin_s, bins),
    }


def _services(axis: TimeAxis, evidence: Evidence) -> list[dict[str, t.Any]]:
    """A card a service, in the order in which they moved."""
    steps = weight_steps(evidence.records)
    moved = list(dict.fromkeys(step.service for step in steps))
    bin_s = axis.bin_seconds(80)
    cards = []
    for name in moved + sorted(set(evidence.traffic.services) - set(moved)):
        whole = evidence.traffic.whole([name])
        own = [step for step in steps if step.service == name]
        cards.append(
            {
                "name": name,
                "share": plots.share_plot(axis, bin_s, evidence.traffic.bins(bin_s, [name])),
                "steps": own,
                "total": whole.total if whole.total else None,
                "failed": whole.failed if whole.total else None,
                "p50": percentile(whole.latency, 50),
                "p99": percentile(whole.latency, 99),
            }
        )
    return cards


def _repository(repository: Report) -> dict[str, t.Any] | None:
    before, after = repository["root_files_before"], repository["root_files_after"]
    if before is None and after is None:
        return None
    most = max(before or 0, after or 0, 1)
    return {
        **repository,
        "bars": [("before", before, (before or 0) * 100 / most), ("after", after, (after or 0) * 100 / most)],
    }


def _criteria(verification: Report | None) -> dict[str, t.Any] | None:
    """The verdicts as verify last found them."""
    if not verification:
        return None
    verdicts = verification.get("verdicts") or []
    return {
        "time": words.moment(verification.get("time")),
        "met": sum(1 for verdict in verdicts if verdict["status"] == "met"),
        "verdicts": verdicts,
    }


def _nodes(evidence: Evidence) -> list[dict[str, t.Any]] | None:
    """The nodes as the cluster phase described them, with what it noted about them (say, that GPUs are simulated), and with the
    model of the GPU where verify has seen one."""
    nodes = pick_each((*NODE_KEYS, "note"), evidence.outputs.get("cluster", {}).get("nodes"))
    models = {node["name"]: node.get("model") for node in (evidence.verification or {}).get("nodes") or []}
    return None if nodes is None else [{**node, "model": models.get(node["name"])} for node in nodes]


def _failures(evidence: Evidence) -> list[tuple[str, str, int]]:
    ranked = sorted(evidence.failures.items(), key=lambda item: (-item[1], item[0]))
    return [(service, reason, count) for (service, reason), count in ranked[:20]]
