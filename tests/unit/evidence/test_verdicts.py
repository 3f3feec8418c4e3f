"""The plan's success criteria, judged by what was recorded and what is seen now."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.sophia.replatform.plugins.filter.evidence import FilterModule
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.verdicts import CRITERIA, Wanted, judge
from hypothesis import given
from hypothesis import strategies as st

TIME = "2026-11-23T10:31:07Z"
OLD = ".github/workflows/deploy-swarm.yml"
WANTED = Wanted(
    nodes=2,
    gpu_nodes=2,
    services=["backend", "frontend"],
    replaced=[OLD],
    machines_before=2,
    root_files_below=100,
    requests=1000,
)
REPORT: dict[str, t.Any] = {
    "phases": {
        name: {"status": "ok", "seconds": 60, "ended": TIME, "recorded": TIME}
        for name in ("repository", "cluster", "platform", "cutover")
    },
    "repository": {"root_files_after": 500, "protected_changed": 0},
    "cutover": {"requests": {"total": 1000, "failed": 0}},
    "swarm": {"services_left": 0, "nodes_left": 0},
}
FOUND: dict[str, t.Any] = {
    "nodes": [{"name": name, "ready": True, "gpus": 1} for name in ("a", "b")],
    "asked": {"cpu": 0.25, "memory": None},
    "root_files": 99,
    "workflows": [f"/repo/{Wanted().workflow}", "/repo/.github/workflows/tests.yml"],
    "run": {"build_s": 599.0, "deploy_s": 899.0, "time": TIME, "url": "", "why": ""},
    "endpoints": {"edge": [{"name": "backend", "ok": True}]},
    "shares": {"edge": {"backend": 100.0, "frontend": 100.0}},
    "queries": {"edge": [{"name": "found", "service": "backend", "ok": True}]},
    "why": {},
}
GOOD = {"report": REPORT, "found": FOUND}


def changed(path: str, value: t.Any) -> dict[str, t.Any]:
    world = copy.deepcopy(GOOD)
    inner: t.Any = world
    *folders, last = path.split(".")
    for name in folders:
        inner = inner[int(name) if name.isdigit() else name]
    inner[int(last) if last.isdigit() else last] = value
    return world


def verdicts(world: t.Mapping[str, t.Any], wanted: Wanted = WANTED) -> dict[str, dict[str, t.Any]]:
    return {verdict["key"]: verdict for verdict in judge(world["report"], world["found"], wanted)}


def missed(world: t.Mapping[str, t.Any], wanted: Wanted = WANTED) -> list[str]:
    return [key for key, verdict in verdicts(world, wanted).items() if verdict["status"] == "missed"]


def test_a_good_migration_meets_every_criterion_in_the_plans_order() -> None:
    assert list(verdicts(GOOD)) == list(CRITERIA)
    assert {verdict["status"] for verdict in verdicts(GOOD).values()} == {"met"}


@pytest.mark.parametrize(
    ("path", "value", "keys"),
    [
        ("report.phases.platform.status", "failed", ["phases"]),
        ("report.phases.cutover.status", None, ["phases"]),
        ("report.phases", {}, ["phases"]),
        ("report.repository.protected_changed", 1, ["protected"]),
        ("report.repository.protected_changed", None, ["protected"]),
        ("report.cutover.requests.total", 999, ["requests"]),
        ("report.cutover.requests.total", None, ["requests"]),
        ("report.cutover.requests.failed", 1, ["failed"]),
        ("report.cutover.requests.failed", None, ["failed"]),
        ("report.swarm.services_left", 1, ["services_left"]),
        ("report.swarm.nodes_left", None, ["nodes_left"]),
        ("found.root_files", 100, ["root_files"]),
        ("found.root_files", None, ["root_files"]),
        ("found.nodes.1.ready", False, ["nodes"]),
        ("found.nodes.0.gpus", 0, ["gpus"]),
        ("found.nodes", None, ["nodes", "gpus", "cost"]),
        ("found.nodes", FOUND["nodes"] * 2, ["nodes", "cost"]),
        ("found.workflows", [], ["workflow"]),
        ("found.workflows", None, ["workflow"]),
        ("found.workflows", [f"/repo/{OLD}"], ["workflow"]),
        ("found.workflows", [f"/repo/{Wanted().workflow}", f"/repo/{OLD}"], ["workflow"]),
        ("found.workflows", [f"/repo/not{Wanted().workflow}"], ["workflow"]),
        ("found.shares.edge.backend", 99.9, ["share"]),
        ("found.shares.edge", {"backend": 100.0}, ["share"]),
        ("found.shares.other", {"backend": 100.0, "frontend": 0.0}, ["share"]),
        ("found.shares", None, ["share"]),
        ("found.endpoints.edge.0.ok", False, ["endpoints"]),
        ("found.endpoints.other", [{"name": "backend", "ok": False}], ["endpoints"]),
        ("found.endpoints.edge", [], ["endpoints"]),
        ("found.endpoints", None, ["endpoints"]),
        ("found.queries.edge.0.ok", False, ["rag"]),
        ("found.queries.edge", [], ["rag"]),
        ("found.queries", None, ["rag"]),
        ("found.run.build_s", 600.0, ["build_time"]),
        ("found.run.build_s", None, ["build_time"]),
        ("found.run.deploy_s", 900.0, ["deploy_time"]),
        ("found.run.deploy_s", None, ["deploy_time"]),
        ("found.run", None, ["build_time"]),
    ],
)
def test_one_bad_or_missing_figure_misses_its_criterion_and_no_other(path: str, value: t.Any, keys: list[str]) -> None:
    world = changed(path, value)
    assert missed(world) == keys
    for key in keys:
        verdict = verdicts(world)[key]
        assert verdict["line"].startswith("MISSED")
        assert ("not measured" in verdict["line"]) == (verdict["figure"] is None)


def test_without_a_run_of_the_workflow_phase_3_is_the_deployment() -> None:
    world = changed("found.run", None)
    assert verdicts(world)["deploy_time"]["figure"] == 60
    world["report"]["phases"]["platform"]["seconds"] = 900
    assert missed(world) == ["build_time", "deploy_time"]


def test_nothing_at_all_is_missed_and_each_line_says_what_to_do() -> None:
    world = {"report": {}, "found": {"why": {"nodes": "the API does not answer"}}}
    assert missed(world) == list(CRITERIA)
    for key, verdict in verdicts(world).items():
        assert verdict["figure"] is None and "not measured" in verdict["line"]
        assert any(word in verdict["told"] for word in ("set evidence_", "evidence_artifacts")), key
    assert "the API does not answer; set evidence_kubeconfig" in verdicts(world)["nodes"]["told"]


def test_where_and_when_a_figure_was_measured_is_told() -> None:
    found = verdicts(GOOD)
    assert found["nodes"]["told"] == "the cluster's API, now"
    assert found["failed"]["told"] == "report.json: cutover.requests.failed, recorded 23 November 2026, 10:31 UTC"
    assert found["share"]["told"] == "the edge on edge: the weights of 2 services, now"
    assert found["cost"]["told"] == "the cluster's API and the inventory, now; requests take 25 % of the CPU"
    assert found["cost"]["line"].startswith("met     Cost, node-hours a day: 48 (wanted: at most 48")
    assert [key for key, verdict in found.items() if not verdict["live"]] == [
        *("phases", "protected", "requests", "failed", "build_time", "deploy_time", "services_left", "nodes_left")
    ]
    running = changed("report.phases.cutover.ended", None)
    assert verdicts(running)["failed"]["told"].endswith("recorded while the phase went on")


def test_what_is_at_fault_is_named() -> None:
    world = changed("found.nodes.1.ready", False)
    world["found"]["nodes"][0]["gpus"] = 0
    world["found"]["shares"]["edge"]["frontend"] = 50.0
    found = verdicts(world)
    assert found["nodes"]["told"].endswith("not Ready: b")
    assert found["gpus"]["told"].endswith("without: a")
    assert found["share"]["told"].endswith("; frontend 50 %")


def test_machines_that_are_kept_beside_the_cluster_cost_too() -> None:
    assert missed(GOOD, WANTED._replace(machines_beside=1)) == ["cost"]
    assert verdicts(GOOD, WANTED._replace(machines_before=0))["cost"]["figure"] is None


def test_a_waiver_excuses_what_was_not_measured_and_nothing_else() -> None:
    wanted = WANTED._replace(waived={"build_time": "there is no GitHub here", "nodes": "why not"})
    world = changed("found.run", None)
    world["found"]["nodes"][0]["ready"] = False
    found = verdicts(world, wanted)
    assert (found["build_time"]["status"], found["nodes"]["status"]) == ("waived", "missed")
    assert found["build_time"]["line"].startswith("waived  Time to build: not measured")
    assert "there is no GitHub here" in found["build_time"]["line"]
    with pytest.raises(ValueError, match="evidence_waived names builds, which is no criterion"):
        judge(REPORT, FOUND, WANTED._replace(waived={"builds": ""}))


def test_more_gpus_than_planned_are_no_fault() -> None:
    assert missed(GOOD, WANTED._replace(gpu_nodes=0)) == []


@given(st.lists(st.booleans(), max_size=8), st.lists(st.booleans(), max_size=8))
def test_an_endpoint_is_well_only_where_it_is_so_through_every_edge(one: list[bool], other: list[bool]) -> None:
    def through(well: list[bool]) -> list[dict[str, t.Any]]:
        return [{"name": str(number), "ok": good} for number, good in enumerate(well)]

    world = changed("found.endpoints", {"one": through(one), "other": through(other)})
    assert (verdicts(world)["endpoints"]["status"] == "met") == (bool(one + other) and all(one) and all(other))


def test_the_filter_takes_thresholds_as_templates_give_them() -> None:
    judged = FilterModule().filters()["evidence_verdicts"](
        REPORT,
        FOUND,
        nodes="2",
        gpu_nodes="2",
        machines_before="2",
        services=["backend"],
        requests="1000",
        build_below_s="600",
    )
    assert {verdict["status"] for verdict in judged} == {"met"}


@pytest.mark.parametrize("report", [{"phases": 1}, None, [], {"cutover": 1}])
def test_the_filter_tells_what_is_no_report(report: t.Any) -> None:
    with pytest.raises(AnsibleFilterError, match="not the content of a report.json"):
        FilterModule().filters()["evidence_verdicts"](report)


def test_the_filter_names_a_waiver_of_nothing() -> None:
    with pytest.raises(AnsibleFilterError, match="evidence_waived names builds"):
        FilterModule().filters()["evidence_verdicts"]({}, {}, waived={"builds": "no"})
