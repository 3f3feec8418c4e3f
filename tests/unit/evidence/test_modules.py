"""The modules, from arguments to result."""

from __future__ import annotations

import json
import os
import pathlib
import typing as t

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.sophia.replatform.plugins.module_utils.evidence import tail
from ansible_collections.sophia.replatform.plugins.module_utils.journal import read_journal
from ansible_collections.sophia.replatform.plugins.modules import evidence_fetch, evidence_record, evidence_report

TEMPLATE = pathlib.Path(__file__).parents[3] / "roles/evidence/templates/report.html.j2"


def call(
    module: t.Any, capsys: pytest.CaptureFixture[str], check: bool = False, **arguments: t.Any
) -> dict[str, t.Any]:
    with patch_module_args({**arguments, "_ansible_check_mode": check}), pytest.raises(SystemExit):
        module.main()
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))


def files(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_record_appends_one_record(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "lab" / "journal.jsonl"
    answer = call(evidence_record, capsys, path=str(path), phase="cluster", event="start")
    assert answer["changed"] is False
    assert read_journal(str(path)) == [answer["record"]]
    shown = {key: answer["record"][key] for key in ("phase", "operation", "step", "event", "data")}
    assert shown == {"phase": "cluster", "operation": "phase", "step": "cluster", "event": "start", "data": {}}


def test_record_takes_what_it_is_given(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = {"operation": "dump", "subject": "postgres", "step": "restore", "data": {"rows": 3}}
    answer = call(evidence_record, capsys, path=str(tmp_path / "j"), phase="cutover", event="ok", **given)
    assert {key: answer["record"][key] for key in given} == given


@pytest.mark.parametrize("wrong", [{"phase": "phase2"}, {"event": "done"}])
def test_record_refuses_words_that_the_report_would_not_know(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], wrong: dict[str, str]
) -> None:
    answer = call(evidence_record, capsys, **{"path": str(tmp_path / "j"), "phase": "cluster", "event": "ok", **wrong})
    assert answer["failed"]
    assert "must be one of" in answer["msg"]
    assert files(tmp_path) == {}


def test_record_that_cannot_be_written_fails_in_one_line(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = call(evidence_record, capsys, path=str(tmp_path), phase="cluster", event="ok")
    assert answer["failed"]
    assert answer["msg"] == f"the journal {tmp_path} cannot be written: Is a directory"


def test_fetch_answers_with_what_the_copies_lack(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "journal.jsonl").write_text("one\ntwo\n")
    half = tmp_path / "half"
    half.write_text("one\n")
    answer = call(evidence_fetch, capsys, src=str(tmp_path), have={"journal.jsonl": tail.describe(str(half))})
    assert (answer["changed"], answer["more"]) == (False, False)
    assert [(one["name"], one["offset"], tail.unpack(one["content"])) for one in answer["files"]] == [
        ("journal.jsonl", 4, b"two\n")
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_fetch_of_what_may_not_be_read_fails_in_one_line(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "journal.jsonl").write_text("one\n")
    (tmp_path / "journal.jsonl").chmod(0)
    answer = call(evidence_fetch, capsys, src=str(tmp_path))
    assert "cannot be read: Permission denied" in answer["msg"]


def test_report_writes_all_three_files_and_is_never_changed(
    artifacts: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = {"artifacts": str(artifacts), "environment": "lab", "template": str(TEMPLATE)}
    answer = call(evidence_report, capsys, **arguments)
    assert answer["changed"] is False
    assert json.loads((artifacts / "report.json").read_text()) == answer["report"]
    assert (artifacts / "report.html").read_text().startswith("<!doctype html>")
    assert len(read_journal(str(artifacts / "journal.jsonl"))) == 8 + 57
    for name in ("journal.jsonl", "report.json", "report.html"):
        assert (artifacts / name).stat().st_mode & 0o027 == 0
    before = files(artifacts)
    assert call(evidence_report, capsys, **arguments)["report"] == answer["report"]
    assert files(artifacts) == before


def test_report_in_check_mode_writes_nothing(artifacts: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(artifacts)
    arguments = {"artifacts": str(artifacts), "environment": "lab", "template": str(TEMPLATE)}
    answer = call(evidence_report, capsys, check=True, **arguments)
    assert answer["report"]["phases"]["cutover"]["status"] == "ok"
    assert files(artifacts) == before


def test_report_of_a_torn_output_fails_in_one_line_and_keeps_the_last_report(
    artifacts: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (artifacts / "report.json").write_text("the last")
    (artifacts / "platform.json").write_text('{"endpoints": [')
    answer = call(evidence_report, capsys, artifacts=str(artifacts), environment="lab")
    assert answer["failed"]
    assert "run phase platform again" in answer["msg"]
    assert (artifacts / "report.json").read_text() == "the last"


def test_report_without_jinja_names_the_library(
    artifacts: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence_report, "JINJA_ERROR", "Traceback")
    arguments = {"artifacts": str(artifacts), "environment": "lab"}
    assert "jinja2" in call(evidence_report, capsys, template=str(TEMPLATE), **arguments)["msg"]
    assert "failed" not in call(evidence_report, capsys, **arguments), "report.json alone needs no Jinja"
