"""report.json from a whole migration, and from every part of one."""

from __future__ import annotations

import itertools
import json
import pathlib
import typing as t

import jsonschema
import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.folder import read_evidence
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.report import build_report
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.steps import weight_steps

SCHEMA = json.loads((pathlib.Path(__file__).parent / "report.schema.json").read_text())
PARTS = ["journal.jsonl", "hosts", "repository.json", "cluster.json", "platform.json", "cutover.json"]


def report_of(folder: pathlib.Path) -> dict[str, t.Any]:
    report = json.loads(json.dumps(build_report("lab", read_evidence(str(folder), write=False)), allow_nan=False))
    jsonschema.validate(report, SCHEMA)
    return t.cast("dict[str, t.Any]", report)


@pytest.fixture(scope="session")
def whole(fabricated: pathlib.Path) -> dict[str, t.Any]:
    """The report of everything."""
    return report_of(fabricated)


def remove(path: pathlib.Path) -> None:
    for below in sorted(path.rglob("*"), reverse=True):
        below.rmdir() if below.is_dir() else below.unlink()
    path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)


def append(path: pathlib.Path, *records: dict[str, t.Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        handle.writelines(json.dumps(record) + "\n" for record in records)


def shift(number: int, step: str, weight: int, event: str = "ok", **data: t.Any) -> dict[str, t.Any]:
    return {
        "id": f"s{number}",
        "time": f"2026-11-23T10:20:{number:02d}.000Z",
        "phase": "cutover",
        "operation": "traffic_shift",
        "subject": "backend",
        "step": step,
        "event": event,
        "data": {"service": "backend", "weight": weight, **data},
    }


def test_a_migration_that_went_well(artifacts: pathlib.Path) -> None:
    report = report_of(artifacts)
    assert report["environment"] == "lab"
    phases = report["phases"]
    assert {phase["ended"] == phase["recorded"] for phase in phases.values()} == {True}
    assert phases["cutover"]["ended"] == "2026-11-23T10:10:40Z"
    assert {name: {key: phase[key] for key in ("status", "seconds")} for name, phase in phases.items()} == {
        "repository": {"status": "ok", "seconds": 9.0},
        "cluster": {"status": "ok", "seconds": 148.0},
        "platform": {"status": "ok", "seconds": 100.0},
        "cutover": {"status": "ok", "seconds": 376.0},
    }
    assert report["repository"] == {
        "root_files_before": 318,
        "root_files_after": 41,
        "moved": 277,
        "protected_changed": 0,
    }
    assert report["cluster"]["nodes"][0] == {"name": "node-1", "ready": True, "gpus": 1, "version": "v1.20.2+k3s1"}
    assert len(report["platform"]["endpoints"]) == 7
    assert report["swarm"] == {"services_left": 0, "nodes_left": 0}
    lines = (artifacts / "hosts/edge-1/prober/samples.jsonl").read_text().splitlines()
    assert report["cutover"]["requests"]["total"] == sum(json.loads(line)["total"] for line in lines)
    assert report["cutover"]["requests"]["failed"] == 0
    assert 0 < report["cutover"]["requests"]["p50_ms"] < report["cutover"]["requests"]["p99_ms"] < 100
    assert len(report["cutover"]["steps"]) == 28
    assert report["cutover"]["steps"][0] == {"service": "unified-memory", "weight": 5, "in_effect_ms": 400, "failed": 0}


@pytest.mark.parametrize("kept", [kept for size in (0, 1, 5) for kept in itertools.combinations(PARTS, size)])
def test_what_is_missing_is_null_and_what_is_there_is_not(
    artifacts: pathlib.Path, whole: dict[str, t.Any], kept: tuple[str, ...]
) -> None:
    for part in PARTS:
        if part not in kept:
            remove(artifacts / part)
    report = report_of(artifacts)
    nothing = report_of(artifacts / "nowhere")
    assert report["repository"] == (whole if "repository.json" in kept else nothing)["repository"]
    assert report["cluster"] == (whole if "cluster.json" in kept else nothing)["cluster"]
    assert report["platform"] == (whole if "platform.json" in kept else nothing)["platform"]
    assert report["swarm"] == (whole if "cutover.json" in kept else nothing)["swarm"]
    assert report["phases"] == (whole if "journal.jsonl" in kept else nothing)["phases"]
    assert report["cutover"]["requests"] == (whole if "hosts" in kept else nothing)["cutover"]["requests"]


def test_nothing_at_all_is_null_throughout(tmp_path: pathlib.Path) -> None:
    def leaves(value: t.Any) -> t.Iterator[t.Any]:
        if isinstance(value, dict):
            for inner in value.values():
                yield from leaves(inner)
        else:
            yield value

    report = report_of(tmp_path)
    assert set(leaves({key: value for key, value in report.items() if key != "environment"})) == {None}
    assert list(tmp_path.iterdir()) == [], "reading writes nothing"


def test_requests_before_the_cluster_phase_and_after_the_cutover_do_not_count(artifacts: pathlib.Path) -> None:
    before = report_of(artifacts)["cutover"]["requests"]
    samples = artifacts / "hosts/edge-1/prober/samples.jsonl"
    outside = [1795428000 + second for second in (-500, 0, 10, 642, 9000)]
    lost = {"service": "backend", "total": 9, "failed": 9, "sides": {}, "latency_ms": {}}
    append(samples, *({"t": second, **lost} for second in outside))
    assert report_of(artifacts)["cutover"]["requests"] == before
    append(samples, {"t": 1795428000 + 500, **lost})
    assert report_of(artifacts)["cutover"]["requests"]["failed"] == 9


def test_figures_that_a_phase_left_out_are_null(artifacts: pathlib.Path) -> None:
    (artifacts / "repository.json").write_text('{"moved": 3, "backup": "x.tar"}')
    (artifacts / "cluster.json").write_text('{"nodes": [{"name": "n", "ready": false, "note": "old"}]}')
    report = report_of(artifacts)
    assert report["repository"] == {
        "root_files_before": None,
        "root_files_after": None,
        "moved": 3,
        "protected_changed": None,
    }
    assert report["cluster"]["nodes"] == [{"name": "n", "ready": False, "gpus": None, "version": None}]


@pytest.mark.parametrize(("found", "status"), [(200, 200), (503, 503), (-1, None), (None, None), ("none", None)])
def test_an_endpoint_that_did_not_answer_has_no_status(
    artifacts: pathlib.Path, found: t.Any, status: int | None
) -> None:
    (artifacts / "platform.json").write_text(
        json.dumps({"endpoints": [{"name": "a", "url": "http://a/", "status": found}]})
    )
    assert report_of(artifacts)["platform"]["endpoints"] == [{"name": "a", "url": "http://a/", "status": status}]


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_an_output_that_cannot_be_read_names_the_file_and_the_mend(artifacts: pathlib.Path, text: str) -> None:
    (artifacts / "cluster.json").write_text(text)
    with pytest.raises(ReplatformError, match=r"cluster\.json .*: run phase cluster again"):
        read_evidence(str(artifacts), write=False)


def test_a_cutover_that_has_begun_has_no_steps_yet_rather_than_unknown_ones(tmp_path: pathlib.Path) -> None:
    start = {"id": "1", "time": "2026-11-23T10:20:00.000Z", "phase": "cutover", "operation": "phase", "event": "start"}
    append(tmp_path / "journal.jsonl", start)
    assert report_of(tmp_path)["cutover"]["steps"] == []


@pytest.mark.parametrize(
    ("records", "steps"),
    [
        pytest.param(
            [shift(1, "weight", 5, "start"), shift(2, "weight", 5, in_effect_ms=700, failed=0)],
            [(5, 700, 0)],
            id="one step",
        ),
        pytest.param(
            [shift(1, "weight", 5, in_effect_ms=700, failed=1), shift(2, "weight", 5, in_effect_ms=0, failed=2)],
            [(5, 700, 3)],
            id="taken again by a resumed run",
        ),
        pytest.param(
            [shift(1, "weight", 5, "start"), shift(2, "settle", 5), shift(3, "watch", 5, failed=0)],
            [(5, None, 0)],
            id="killed in the step, confirmed by the run that resumed",
        ),
        pytest.param(
            [shift(1, "weight", 5, in_effect_ms=7, failed=0), shift(2, "watch", 5, failed=1)],
            [(5, 7, 1)],
            id="confirmed once more",
        ),
        pytest.param(
            [shift(1, "weight", 5, failed=0), shift(2, "weight", 0, failed=4), shift(3, "weight", 5, failed=0)],
            [(5, None, 0), (0, None, 4), (5, None, 0)],
            id="rolled back and shifted anew",
        ),
        pytest.param([shift(1, "weight", 5, "failed"), shift(2, "precheck", 5)], [], id="nothing took effect"),
        pytest.param([{**shift(1, "weight", 5), "data": None}], [(None, None, None)], id="a record without figures"),
    ],
)
def test_steps_of_the_traffic_shift(records: list[dict[str, t.Any]], steps: list[tuple[t.Any, ...]]) -> None:
    found = weight_steps(records)
    assert [(step.weight, step.in_effect_ms, step.failed) for step in found] == steps
    assert {step.service for step in found} <= {"backend"}


def test_services_that_move_side_by_side_do_not_hide_each_other() -> None:
    records = [shift(number, "weight", 5, failed=0) for number in range(4)]
    for number, record in enumerate(records):
        record["data"]["service"] = f"service-{number % 2}"
    assert [(step.service, step.weight) for step in weight_steps(records)] == [("service-0", 5), ("service-1", 5)]
