"""The plan's success criteria, judged from the report alone."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.sophia.replatform.plugins.filter.evidence_verdicts import FilterModule
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.verdicts import Wanted, judge

WANTED = Wanted(root_files_below=100, nodes=2, gpu_nodes=2, requests=1000)
GOOD: dict[str, t.Any] = {
    "environment": "lab",
    "phases": {name: {"status": "ok", "seconds": 1} for name in ("repository", "cluster", "platform", "cutover")},
    "repository": {"root_files_before": 318, "root_files_after": 99, "moved": 219, "protected_changed": 0},
    "cluster": {"nodes": [{"name": name, "ready": True, "gpus": 1, "version": "v1"} for name in ("a", "b")]},
    "platform": {"endpoints": [{"name": "backend", "url": "http://a/", "status": 200}]},
    "cutover": {"requests": {"total": 1000, "failed": 0, "p50_ms": 1, "p99_ms": 2}, "steps": []},
    "swarm": {"services_left": 0, "nodes_left": 0},
}


def changed(path: str, value: t.Any) -> dict[str, t.Any]:
    report = copy.deepcopy(GOOD)
    inner: t.Any = report
    *folders, last = path.split(".")
    for name in folders:
        inner = inner[int(name) if name.isdigit() else name]
    inner[int(last) if last.isdigit() else last] = value
    return report


def test_a_good_report_meets_every_criterion() -> None:
    verdicts = judge(GOOD, WANTED)
    assert len(verdicts) == 10
    assert [verdict["line"] for verdict in verdicts if not verdict["met"]] == []


@pytest.mark.parametrize(
    ("path", "value", "criterion"),
    [
        ("phases.platform.status", "failed", "Phases done"),
        ("phases.cutover.status", None, "Phases done"),
        ("repository.root_files_after", 100, "Files in the repository's root"),
        ("repository.root_files_after", None, "Files in the repository's root"),
        ("repository.protected_changed", 1, "Protected files changed"),
        ("repository.protected_changed", None, "Protected files changed"),
        ("cluster.nodes.1.ready", False, "Nodes Ready"),
        ("cluster.nodes.1.ready", None, "Nodes Ready"),
        ("cluster.nodes.0.gpus", 0, "Nodes with GPUs"),
        ("cluster.nodes.0.gpus", None, "Nodes with GPUs"),
        ("platform.endpoints.0.status", 503, "Endpoints that answer 200"),
        ("platform.endpoints", [], "Endpoints that answer 200"),
        ("platform.endpoints", None, "Endpoints that answer 200"),
        ("cutover.requests.total", 999, "Requests measured"),
        ("cutover.requests.total", None, "Requests measured"),
        ("cutover.requests.failed", 1, "Requests failed"),
        ("cutover.requests.failed", None, "Requests failed"),
        ("swarm.services_left", 1, "Services left on the Swarm"),
        ("swarm.nodes_left", None, "Nodes left in the Swarm"),
    ],
)
def test_one_bad_or_missing_figure_misses_its_criterion_and_no_other(path: str, value: t.Any, criterion: str) -> None:
    missed = [verdict for verdict in judge(changed(path, value), WANTED) if not verdict["met"]]
    assert [verdict["criterion"] for verdict in missed] == [criterion]
    assert missed[0]["line"].startswith("MISSED")
    assert ("not measured" in missed[0]["line"]) == (missed[0]["figure"] is None)


def test_no_nodes_measured_misses_both_criteria_about_nodes() -> None:
    missed = [verdict["criterion"] for verdict in judge(changed("cluster.nodes", None), WANTED) if not verdict["met"]]
    assert missed == ["Nodes Ready", "Nodes with GPUs"]


def test_a_node_more_than_planned_is_told() -> None:
    assert [v["criterion"] for v in judge(GOOD, WANTED._replace(nodes=1)) if not v["met"]] == ["Nodes Ready"]


def test_more_gpus_than_planned_are_no_fault() -> None:
    assert all(verdict["met"] for verdict in judge(GOOD, WANTED._replace(gpu_nodes=0)))


def test_the_filter_takes_thresholds_as_templates_give_them() -> None:
    verdicts = FilterModule().filters()["evidence_verdicts"](GOOD, nodes="2", gpu_nodes="2", requests="1000")
    assert all(verdict["met"] for verdict in verdicts)


@pytest.mark.parametrize("report", [{}, None, [], {"repository": 1}])
def test_the_filter_tells_what_is_no_report(report: t.Any) -> None:
    with pytest.raises(AnsibleFilterError, match="not the content of a report.json"):
        FilterModule().filters()["evidence_verdicts"](report, nodes=5)
