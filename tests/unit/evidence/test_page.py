"""report.html: one file that needs nothing from outside, and says only what was measured."""

from __future__ import annotations

import html.parser
import json
import pathlib
import re
import typing as t

import jinja2
import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.folder import read_evidence
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.page import headline, page_data, tiles
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.report import build_report
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.verdicts import Wanted, judge

TEMPLATE = pathlib.Path(__file__).parents[3] / "roles/evidence/templates/report.html.j2"
EMPTY = {"meta", "path", "rect", "use", "hr", "br"}


class Reader(html.parser.HTMLParser):
    """Checks that elements are closed in order, and gathers words and links."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.links: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]
        void = tag in EMPTY and not (tag == "rect" and dict(attrs).get("class") == "box")
        if not void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "title"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def render(folder: pathlib.Path, environment: str = "lab") -> tuple[str, Reader]:
    evidence = read_evidence(str(folder), write=False)
    report = build_report(environment, evidence)
    jinja = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    page = jinja.from_string(TEMPLATE.read_text()).render(page_data(report, evidence))
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return page, reader


@pytest.fixture(scope="module")
def good(fabricated: pathlib.Path) -> tuple[str, Reader]:
    """The page of a migration that went well."""
    return render(fabricated)


def test_it_needs_nothing_from_outside(good: tuple[str, Reader]) -> None:
    page, reader = good
    assert {link for link in reader.links if not link.startswith("#")} == {
        *("journal.jsonl", "report.json", "repository.json", "cluster.json", "platform.json", "cutover.json"),
        *("hosts/edge-1/journal.jsonl", "hosts/edge-1/prober/failures.jsonl"),
    }
    assert not re.search(r"url\(|@import|<script|<link|<img|javascript:", page)
    assert len(page) < 500_000


def test_it_shows_the_figures(good: tuple[str, Reader]) -> None:
    text = good[1].text
    for words in (
        "The platform has moved from Docker Swarm to K3s. No request failed.",
        "5 of 5",
        "7 of 7",
        "318",
        "41",
        "Cluster 2 min 28 s",
        "v1.20.2+k3s1",
        "GPUs are simulated",
        "mcp-ai-memory",
        "edge-1",
    ):
        assert words in text, words


def verified(folder: pathlib.Path, **more: t.Any) -> None:
    verdicts = judge({}, {}, Wanted(waived={"build_time": "no <GitHub> here"}))
    verdicts[0].update(status="met", shown="4", told="report.json: phases")
    nodes = [{"name": "node-1", "ready": True, "gpus": 1, "version": "v1", "model": "GH200"}]
    found = {"time": "2026-11-24T08:00:00Z", "verdicts": verdicts, "nodes": nodes, **more}
    (folder / "verify.json").write_text(json.dumps(found))


def test_it_shows_the_verdicts_as_verify_found_them(artifacts: pathlib.Path) -> None:
    assert "Not judged yet: run playbooks/verify.yml" in render(artifacts)[1].text
    verified(artifacts)
    page, reader = render(artifacts)
    assert "Success criteria: 1 of 16 met" in reader.text
    assert "As verify found them on 24 November 2026, 08:00 UTC" in reader.text
    assert "Time to build waived not measured · wanted: below 10 min no <GitHub> here" in reader.text
    assert "<GitHub>" not in page
    assert "GH200" in reader.text
    assert "verify.json" in reader.links


def test_a_verification_of_no_nodes_has_no_models(artifacts: pathlib.Path) -> None:
    verified(artifacts, nodes=None)
    assert "Model" not in render(artifacts)[1].text


def test_it_says_who_approved(good: tuple[str, Reader]) -> None:
    page, reader = good
    words = "frontend approved 100 % on K3s (gate on-call) at 2026-11-23T10:09:50.000Z Ada <on call>"
    assert words in reader.text
    assert "<on call>" not in page


def test_only_files_that_are_meant_for_people_are_named(artifacts: pathlib.Path) -> None:
    for name in ("kubeconfig", "token", "hosts/edge-1/other.json"):
        (artifacts / name).write_text("secret")
    (artifacts / "audit-before.md").write_text("# Audit")
    links = render(artifacts)[1].links
    assert "audit-before.md" in links
    assert not {"kubeconfig", "token", "hosts/edge-1/other.json"} & set(links)


def test_it_draws_the_move(good: tuple[str, Reader]) -> None:
    paths = [attrs for tag, attrs in good[1].found if tag == "path"]
    assert {attrs["class"] for attrs in paths} == {"old", "new", "volume", "p50", "p99"}
    assert all(attrs["d"] for attrs in paths)
    assert sum(attrs["class"] == "new" for attrs in paths) == 1 + 7, "all traffic, and each service"


def test_nothing_at_all_makes_a_page_that_claims_nothing(tmp_path: pathlib.Path) -> None:
    page, reader = render(tmp_path)
    assert "Nothing has been migrated yet." in reader.text
    assert "No request failed" not in reader.text
    assert "<path" not in page
    assert not re.search(r"\b[1-9]\d* (of|requests|files|services)", reader.text)


@pytest.mark.parametrize(
    "part", ["journal.jsonl", "hosts", "repository.json", "cluster.json", "platform.json", "cutover.json"]
)
def test_a_page_can_be_made_without_any_one_part(artifacts: pathlib.Path, part: str) -> None:
    (artifacts / part).rename(artifacts / "away")
    render(artifacts)


def test_what_others_wrote_is_shown_and_not_run(artifacts: pathlib.Path) -> None:
    evil = '<script>alert("1")</script>'
    (artifacts / "cluster.json").write_text(json.dumps({"nodes": [{"name": evil, "ready": True, "note": evil}]}))
    sample = {"t": 1795428300, "service": evil, "total": 1, "failed": 1, "sides": {}, "latency_ms": {}}
    failure = {"t": 1795428300, "service": evil, "reason": evil}
    for name, line in (("samples", sample), ("failures", failure)):
        with (artifacts / f"hosts/edge-1/prober/{name}.jsonl").open("a") as handle:
            handle.write(json.dumps(line) + "\n")
    page, reader = render(artifacts, environment=evil)
    assert "<script" not in page
    assert reader.text.count(evil) >= 5


def test_failures_stand_out(artifacts: pathlib.Path) -> None:
    samples = artifacts / "hosts/edge-1/prober/samples.jsonl"
    lost = {"t": 1795428400, "service": "backend", "total": 3, "failed": 3, "sides": {}, "latency_ms": {}}
    with samples.open("a") as handle:
        handle.write(json.dumps(lost) + "\n")
    page, reader = render(artifacts)
    assert "3 requests failed." in reader.text
    assert page.count('class="failed"') == 1
    assert [attrs["class"] for tag, attrs in reader.found if tag == "h1"] == ["bad"]


def report_with(statuses: t.Sequence[str | None], failed: int | None = 0) -> dict[str, t.Any]:
    names = ("repository", "cluster", "platform", "cutover")
    return {
        "phases": {name: {"status": status, "seconds": None} for name, status in zip(names, statuses)},
        "repository": dict.fromkeys(("root_files_before", "root_files_after", "moved", "protected_changed")),
        "cluster": {"nodes": None},
        "platform": {"endpoints": None},
        "cutover": {
            "requests": {"total": None, "failed": failed, "p50_ms": None, "p99_ms": None},
            "steps": None,
            "held_ms": None,
        },
        "swarm": {"services_left": None, "nodes_left": None},
    }


@pytest.mark.parametrize(
    ("statuses", "failed", "tone", "text"),
    [
        (["ok"] * 4, 0, "good", "The platform has moved from Docker Swarm to K3s. No request failed."),
        (["ok"] * 4, 1, "bad", "The platform has moved from Docker Swarm to K3s. 1 request failed."),
        (["ok"] * 4, None, "good", "The platform has moved from Docker Swarm to K3s."),
        (["ok", "ok", None, None], 0, "good", "Done so far: repository, cluster. No request failed."),
        (["ok", "running", None, None], 0, "busy", "Phase cluster is under way. No request failed."),
        (["ok", "running", None, None], 2000, "bad", "Phase cluster is under way. 2,000 requests failed."),
        (["ok", "failed", "running", None], 0, "bad", "The migration stopped in phase cluster. No request failed."),
        ([None] * 4, None, "busy", "Nothing has been migrated yet."),
    ],
)
def test_the_headline_says_where_it_stands(
    statuses: list[str | None], failed: int | None, tone: str, text: str
) -> None:
    assert headline(report_with(statuses, failed)) == {"tone": tone, "text": text}


def test_tiles_of_nothing_measured_are_dashes_without_a_colour() -> None:
    shown = tiles(report_with([None] * 4, failed=None))
    assert {tile["value"] for tile in shown} == {"–"}
    assert {tile["tone"] for tile in shown} == {""}
