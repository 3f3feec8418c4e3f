"""What modules have seen, made figures: each is there with its value, or None with a reason."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.sophia.replatform.plugins.filter.evidence import FilterModule, amount
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.capacity import shares
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.delivered import read_run
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.live import look
from hypothesis import given
from hypothesis import strategies as st

LABELS = {"gpu-type": "GH200"}
NODE = {
    "metadata": {"name": "a", "labels": LABELS},
    "status": {
        "allocatable": {"cpu": "4", "memory": "8Gi", "nvidia.com/gpu": "1"},
        "conditions": [{"type": "Ready", "status": "True"}],
        "nodeInfo": {"kubeletVersion": "v1.35.6+k3s1"},
    },
}


def container(cpu: str, memory: str = "0", **more: t.Any) -> dict[str, t.Any]:
    return {"resources": {"requests": {"cpu": cpu, "memory": memory}}, **more}


def pod(*containers: t.Any, phase: str = "Running", node: str = "a", **spec: t.Any) -> dict[str, t.Any]:
    return {"spec": {"nodeName": node, "containers": list(containers), **spec}, "status": {"phase": phase}}


ANSWERS = {"name": "backend", "host": "backend.example", "path": "/health"}
QUERY = {"name": "found", "service": "backend", "query": {"path": "/q", "contains": "kept"}}
WEIGHTS = [
    {
        "name": "backend@file",
        "status": "enabled",
        "weighted": {"services": [{"name": "backend-swarm", "weight": 1}, {"name": "backend-k3s@file", "weight": 3}]},
    },
    {"name": "backend-k3s@file", "status": "enabled", "loadBalancer": {}},
    {"name": "broken@file", "status": "disabled", "weighted": {"services": [{"name": "broken-k3s", "weight": 1}]}},
    {"name": "frontend-k3s-x@file", "status": "enabled", "weighted": {"services": [{"name": "a-k3s-x", "weight": 1}]}},
]
TCP_WEIGHTS = [
    {
        "name": "feed@file",
        "status": "enabled",
        "weighted": {"services": [{"name": "feed-swarm", "weight": 9}, {"name": "feed-k3s", "weight": 1}]},
    },
]
NOTHING: dict[str, t.Any] = {"skipped": True, "skipped_reason": "No items in the list", "results": []}
SEEN: dict[str, t.Any] = {
    "nodes": {"resources": [NODE]},
    "pods": {"resources": [pod(container("1", "2Gi"))]},
    "audit": {"audit": {"root_files": 41}},
    "workflows": {"files": [{"path": "/r/.github/workflows/b.yml"}, {"path": "/r/.github/workflows/a.yml"}]},
    "edges": {
        "edge": {
            "endpoints": {"results": [{"ansible_loop_var": "one", "one": ANSWERS, "status": 200}]},
            "connections": {
                "results": [{"ansible_loop_var": "one", "one": {"name": "feed", "port": 9010}, "open": True}]
            },
            "weights": {"results": [{"item": "http", "json": WEIGHTS}, {"item": "tcp", "json": TCP_WEIGHTS}]},
            "queries": {"results": [{"item": QUERY, "status": 200, "content": "was kept"}]},
        }
    },
}


def seen(**changes: t.Any) -> dict[str, t.Any]:
    return {**copy.deepcopy(SEEN), **changes}


def test_every_figure_is_taken() -> None:
    assert look(SEEN, "k3s", amount) == {
        "nodes": [{"name": "a", "ready": True, "gpus": 1, "version": "v1.35.6+k3s1", "model": "GH200"}],
        "asked": {"cpu": 0.25, "memory": 0.25},
        "root_files": 41,
        "workflows": ["/r/.github/workflows/a.yml", "/r/.github/workflows/b.yml"],
        "run": None,
        "endpoints": {"edge": [{"name": "backend", "ok": True}, {"name": "feed", "ok": True}]},
        "shares": {"edge": {"backend": 75.0, "frontend-k3s-x": 0.0, "feed": 10.0}},
        "queries": {"edge": [{"name": "found", "service": "backend", "ok": True}]},
        "why": {},
    }


@pytest.mark.parametrize("name", ["nodes", "pods", "audit", "workflows"])
@pytest.mark.parametrize(
    ("result", "why"),
    [
        ({"failed": True, "msg": "no\n such   host"}, "no such host"),
        ({"failed": True}, "it failed without a reason"),
        ({"failed": True, "msg": "x" * 300}, "x" * 199 + "…"),
        ({"unreachable": True, "msg": "gone"}, "gone"),
        ({"skipped": True}, ""),
        ({}, ""),
    ],
)
def test_a_result_that_is_none_leaves_a_reason(name: str, result: t.Any, why: str) -> None:
    found = look(seen(**{name: result}), "k3s", amount)
    figure = {"pods": "asked", "audit": "root_files"}.get(name, name)
    assert found[figure] is None
    assert found["why"] == {name: why}


@pytest.mark.parametrize(
    ("name", "figure"),
    [("endpoints", "endpoints"), ("connections", "endpoints"), ("weights", "shares"), ("queries", "queries")],
)
def test_an_edge_that_could_not_be_asked_makes_the_figure_none(name: str, figure: str) -> None:
    lost = {"unreachable": True, "msg": "timed out"}
    for result in (lost, {"results": [{"item": {}, **lost}]}):
        found = look(seen(edges={**SEEN["edges"], "two": {**SEEN["edges"]["edge"], name: result}}), "k3s", amount)
        assert found[figure] is None
        assert found["why"] == {figure: "two: timed out"}
    found = look(seen(edges={"edge": {}}), "k3s", amount)
    assert found["why"][figure] == "edge: it was not asked"
    assert look(seen(edges={}), "k3s", amount)[figure] is None


@pytest.mark.parametrize(
    "answer", [{"status": 500, "content": "kept"}, {"status": 200}, {"status": -1, "failed": True}]
)
def test_a_query_needs_its_status_and_its_words(answer: t.Any) -> None:
    world = seen()
    world["edges"]["edge"]["queries"]["results"] = [{"item": QUERY, **answer}]
    assert look(world, "k3s", amount)["queries"]["edge"][0]["ok"] is False


@pytest.mark.parametrize("status", [-1, None, 301, 503])
def test_an_endpoint_has_to_answer_200(status: t.Any) -> None:
    world = seen()
    world["edges"]["edge"]["endpoints"]["results"][0]["status"] = status
    assert [one["ok"] for one in look(world, "k3s", amount)["endpoints"]["edge"]] == [False, True]


@pytest.mark.parametrize("said", [{"open": False}, {"msg": "there is no Python"}])
def test_a_tcp_service_has_to_keep_a_connection(said: t.Any) -> None:
    world = seen()
    [item] = world["edges"]["edge"]["connections"]["results"]
    del item["open"]
    item.update(said)
    assert [one["ok"] for one in look(world, "k3s", amount)["endpoints"]["edge"]] == [True, False]


def test_services_may_all_be_of_one_kind() -> None:
    for kind, left in (("endpoints", "feed"), ("connections", "backend")):
        world = seen()
        world["edges"]["edge"][kind] = NOTHING
        found = look(world, "k3s", amount)
        assert found["endpoints"] == {"edge": [{"name": left, "ok": True}]} and found["why"] == {}
    world["edges"]["edge"] |= {"endpoints": NOTHING, "queries": NOTHING}
    found = look(world, "k3s", amount)
    assert found["why"] == {name: "edge: it was not asked" for name in ("endpoints", "queries")}


def test_an_api_that_does_not_answer_leaves_a_reason() -> None:
    world = seen()
    weights = world["edges"]["edge"]["weights"]
    weights["failed"] = True
    weights["results"][1] = {"item": "tcp", "failed": True, "msg": "refused"}
    found = look(world, "k3s", amount)
    assert found["shares"] is None and found["why"] == {"shares": "edge: refused"}


def test_the_filter_tells_what_are_no_results() -> None:
    with pytest.raises(AnsibleFilterError, match="not the results"):
        FilterModule().filters()["evidence_found"]({"audit": {"x": 1}})


@pytest.mark.parametrize(
    ("pods", "cpu"),
    [
        ([], 0.0),
        ([pod(container("1"), container("500m"))], 0.375),
        ([pod(container("1"), initContainers=[container("3"), container("2")])], 0.75),
        ([pod(container("1"), initContainers=[container("1", restartPolicy="Always")])], 0.5),
        ([pod(container("1"), initContainers=[container("1", restartPolicy="Always"), container("2")])], 0.75),
        ([pod(container("1"), overhead={"cpu": "1"})], 0.5),
        ([pod(container("1"), phase="Pending")], 0.25),
        ([pod(container("1"), phase="Succeeded"), pod(container("1"), phase="Failed")], 0.0),
        ([pod(container("1"), node="")], 0.0),
        ([pod({}), pod({"resources": {}}, initContainers=None)], 0.0),
    ],
)
def test_requests_are_summed_up_as_the_scheduler_does(pods: list[t.Any], cpu: float) -> None:
    assert shares([NODE], pods, amount)["cpu"] == cpu


def test_no_nodes_have_no_share() -> None:
    assert shares([], [], amount) == {"cpu": None, "memory": None}


def job(name: str, start: str, end: str, conclusion: str = "success") -> dict[str, t.Any]:
    clock = {"started_at": f"2026-11-23T10:{start}Z", "completed_at": f"2026-11-23T10:{end}Z"}
    return {"name": name, "conclusion": conclusion, "html_url": "https://github.example/run", **clock}


JOBS = [
    job("Validate", "00:00", "01:00"),
    job("Build web for amd64", "01:10", "05:00"),
    job("Build web for arm64", "01:20", "07:00"),
    job("Publish", "07:10", "08:10"),
    job("Deploy", "08:20", "10:20"),
]


def test_a_run_is_as_long_as_its_jobs_were() -> None:
    found = read_run({"jobs": JOBS})
    assert (found["build_s"], found["deploy_s"]) == (420, 120)
    assert found["time"] == "2026-11-23T10:10:20Z"
    assert found["url"] == "https://github.example/run"


@pytest.mark.parametrize(
    ("jobs", "build", "deploy"),
    [
        (JOBS[:-1], 420, None),
        ([JOBS[0], JOBS[-1]], None, 120),
        (JOBS[:3], None, None),
        (JOBS[3:], None, 120),
        ([*JOBS[:-1], job("Deploy", "08:20", "10:20", "failure")], None, None),
        ([*JOBS[:-1], {**JOBS[-1], "completed_at": None}], 420, None),
        ([JOBS[0], {**JOBS[1], "started_at": None}, *JOBS[2:]], None, 120),
        ([], None, None),
    ],
)
def test_a_run_that_is_not_whole_has_no_time(jobs: list[t.Any], build: t.Any, deploy: t.Any) -> None:
    found = read_run({"jobs": jobs})
    assert (found["build_s"], found["deploy_s"]) == (build, deploy)
    assert found["why"]


def test_a_job_that_failed_is_named() -> None:
    found = read_run({"jobs": [*JOBS[:-1], job("Deploy", "08:20", "10:20", "failure")]})
    assert found["why"] == "jobs that did not end well: Deploy: failure"


@given(st.recursive(st.none() | st.integers() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3)))
def test_what_is_no_run_says_so(answer: t.Any) -> None:
    for one in (answer, {"jobs": answer}):
        found = read_run(one)
        assert found["build_s"] is None and found["why"]
