"""A whole migration's artifacts, fabricated: the shapes are those that roles and prober write, the figures are made up."""

from __future__ import annotations

import bisect
import datetime
import json
import pathlib
import random
import typing as t

START = 1795428000  # 2026-11-23T10:00:00Z
SERVICES = ["unified-memory", "rag-pipeline", "document-chunking", "backend", "mcp-ai-memory", "mcp-slack", "frontend"]
TIMES = {"repository": (0, 9), "cluster": (12, 160), "platform": (162, 262), "cutover": (264, 640)}
WEIGHTS = (5, 25, 50, 100)
BOUNDS = [round(0.5 * 2 ** (i / 4), 3) for i in range(48)]


def iso(offset: float) -> str:
    moment = datetime.datetime.fromtimestamp(START + offset, tz=datetime.timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Records:
    """Makes journal records whose ids count up."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.made: list[dict[str, t.Any]] = []

    def add(self, offset: float, phase: str, operation: str, step: str, event: str, **data: t.Any) -> None:
        self.made.append(
            {
                "id": f"{self.prefix}{len(self.made)}",
                "time": iso(offset),
                "phase": phase,
                "operation": operation,
                "subject": data.get("service", ""),
                "step": step,
                "event": event,
                "data": data,
            }
        )


def shifted_at(service: str, weight: int) -> int:
    """Seconds after the start at which a service got a weight."""
    return 280 + SERVICES.index(service) * 48 + WEIGHTS.index(weight) * 11


def share_at(service: str, second: int) -> float:
    reached = [weight for weight in WEIGHTS if shifted_at(service, weight) <= second]
    return (reached[-1] if reached else 0) / 100


def samples(chance: random.Random) -> t.Iterator[dict[str, t.Any]]:
    for second in range(14, 639):
        for service in SERVICES:
            total = chance.randint(28, 33)
            new = sum(chance.random() < share_at(service, second) for _request in range(total))
            latency: dict[str, int] = {}
            for _request in range(total):
                value = chance.lognormvariate(1.1, 0.45) * (4 if chance.random() < 0.01 else 1)
                bound = str(BOUNDS[bisect.bisect_left(BOUNDS, value)])
                latency[bound] = latency.get(bound, 0) + 1
            sides = {side: count for side, count in (("swarm", total - new), ("k3s", new)) if count}
            yield {
                "t": START + second,
                "service": service,
                "total": total,
                "failed": 0,
                "sides": sides,
                "latency_ms": latency,
            }


def write_lines(path: pathlib.Path, objects: t.Iterable[t.Mapping[str, t.Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in objects))


def fabricate(folder: pathlib.Path) -> pathlib.Path:
    own, edge = Records("c"), Records("e")
    for phase, (start, end) in TIMES.items():
        own.add(start, phase, "phase", phase, "start")
        own.add(end, phase, "phase", phase, "ok")
    for service in SERVICES:
        for weight in WEIGHTS:
            at = shifted_at(service, weight)
            edge.add(at, "cutover", "traffic_shift", "weight", "start", service=service, weight=weight)
            figures = {"in_effect_ms": 400 + at % 7 * 90, "failed": 0}
            edge.add(at + 9, "cutover", "traffic_shift", "weight", "ok", service=service, weight=weight, **figures)
    approval = {"service": "frontend", "weight": 100, "gate": "on-call", "passed": True, "reason": ""}
    edge.add(600, "cutover", "traffic_shift", "gate", "ok", by="Ada <on call>", at=iso(590), **approval)
    write_lines(folder / "journal.jsonl", own.made)
    write_lines(folder / "hosts/edge-1/journal.jsonl", edge.made)
    write_lines(folder / "hosts/edge-1/prober/samples.jsonl", samples(random.Random(1)))
    write_lines(folder / "hosts/edge-1/prober/failures.jsonl", [])
    nodes = [
        {"name": f"node-{i}", "ready": True, "gpus": 1, "version": "v1.20.2+k3s1", "note": "GPUs are simulated"}
        for i in range(1, 6)
    ]
    endpoints = [
        {"name": name, "url": f"http://node-1:3{i:04d}/health", "status": 200} for i, name in enumerate(SERVICES)
    ]
    outputs: dict[str, t.Any] = {
        "repository": {"root_files_before": 318, "root_files_after": 41, "moved": 277, "protected_changed": 0},
        "cluster": {"nodes": nodes},
        "platform": {"endpoints": endpoints},
        "cutover": {"swarm": {"services_left": 0, "nodes_left": 0}},
    }
    for name, output in outputs.items():
        (folder / f"{name}.json").write_text(json.dumps(output))
    return folder
