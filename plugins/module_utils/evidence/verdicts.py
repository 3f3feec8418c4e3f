# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a migration met its success criteria, judged from its report alone."""

from __future__ import annotations

import typing as t

Report = t.Mapping[str, t.Any]


class Wanted(t.NamedTuple):
    """The thresholds."""

    root_files_below: int
    nodes: int
    gpu_nodes: int
    requests: int


def judge(report: Report, wanted: Wanted) -> list[dict[str, t.Any]]:
    """A verdict a criterion: C({criterion, figure, threshold, source, met, line}), in the plan's order.

    O(report) is the content of report.json. What was not measured has the figure None and is not met.
    """
    repository, requests, swarm = report["repository"], report["cutover"]["requests"], report["swarm"]
    nodes, endpoints = report["cluster"]["nodes"], report["platform"]["endpoints"]
    done = sum(1 for phase in report["phases"].values() if phase["status"] == "ok")
    return [
        _exactly("Phases done", done, len(report["phases"]), "phases"),
        _verdict(
            "Files in the repository's root",
            repository["root_files_after"],
            f"below {wanted.root_files_below}",
            "repository.root_files_after",
            lambda figure: figure < wanted.root_files_below,
        ),
        _exactly("Protected files changed", repository["protected_changed"], 0, "repository.protected_changed"),
        _exactly("Nodes Ready", _count(nodes, lambda node: node["ready"] is True), wanted.nodes, "cluster.nodes"),
        _at_least("Nodes with GPUs", _count(nodes, lambda node: node["gpus"]), wanted.gpu_nodes, "cluster.nodes"),
        _endpoints(endpoints),
        _at_least("Requests measured", requests["total"], wanted.requests, "cutover.requests.total"),
        _exactly("Requests failed", requests["failed"], 0, "cutover.requests.failed"),
        _exactly("Services left on the Swarm", swarm["services_left"], 0, "swarm.services_left"),
        _exactly("Nodes left in the Swarm", swarm["nodes_left"], 0, "swarm.nodes_left"),
    ]


def _endpoints(endpoints: t.Sequence[Report] | None) -> dict[str, t.Any]:
    figure = _count(endpoints, lambda endpoint: endpoint["status"] == 200)
    threshold = f"all {len(endpoints)}" if endpoints else "all, and at least one"
    return _verdict(
        "Endpoints that answer 200",
        figure,
        threshold,
        "platform.endpoints",
        lambda count: bool(endpoints) and count == len(endpoints or []),
    )


def _count(found: t.Sequence[Report] | None, test: t.Callable[[Report], t.Any]) -> int | None:
    return None if found is None else sum(1 for one in found if test(one))


def _exactly(criterion: str, figure: int | None, wanted: int, source: str) -> dict[str, t.Any]:
    return _verdict(criterion, figure, str(wanted), source, lambda found: found == wanted)


def _at_least(criterion: str, figure: int | None, wanted: int, source: str) -> dict[str, t.Any]:
    return _verdict(criterion, figure, f"at least {wanted}", source, lambda found: found >= wanted)


def _verdict(
    criterion: str, figure: int | None, threshold: str, source: str, test: t.Callable[[int], bool]
) -> dict[str, t.Any]:
    met = figure is not None and test(figure)
    shown = "not measured" if figure is None else str(figure)
    return {
        "criterion": criterion,
        "figure": figure,
        "threshold": threshold,
        "source": source,
        "met": met,
        "line": f"{'met   ' if met else 'MISSED'}  {criterion}: {shown} (wanted: {threshold}; from {source})",
    }
