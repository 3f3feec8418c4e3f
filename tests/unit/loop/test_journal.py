"""The journal file: whatever was cut off or runs beside it, every whole record is found again."""

from __future__ import annotations

import json
import multiprocessing
import os
import pathlib
import re
import stat
import threading
import time

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils import journal as subject
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.merge import merge_into
from ansible_collections.sophia.replatform.plugins.module_utils.journal import Journal, read_journal, utc_now
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
ON_DISK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


def fresh(tmp_path: pathlib.Path) -> str:
    path = tmp_path / "journal.jsonl"
    path.unlink(missing_ok=True)
    return str(path)


def write_many(path: str, subject_name: str, count: int) -> None:
    journal = Journal(path, "cluster", "count", subject_name)
    for number in range(count):
        journal.write("step", "ok", {"number": number, "ballast": "x" * 5000})


@ON_DISK
@given(records=st.lists(st.tuples(st.text(), st.dictionaries(st.text(), JSON, max_size=3)), max_size=5))
def test_what_is_written_is_read(tmp_path: pathlib.Path, records: list[tuple[str, dict[str, object]]]) -> None:
    path = fresh(tmp_path)
    journal = Journal(path, "platform", "deploy", "backend")
    for step, data in records:
        journal.write(step, "ok", data)
    assert read_journal(path) == journal.records
    assert [(record["step"], record["data"]) for record in journal.records] == records


@ON_DISK
@given(data=st.data())
def test_a_torn_end_costs_one_record_at_most_and_no_later_one(tmp_path: pathlib.Path, data: st.DataObject) -> None:
    path = fresh(tmp_path)
    before = Journal(path, "cluster", "join", "node ä")
    before.write("one", "start")
    kept = os.path.getsize(path)
    before.write("two", "start", {"note": "ünïcode"})
    os.truncate(path, data.draw(st.integers(kept, os.path.getsize(path))))
    after = Journal(path, "cluster", "join", "node ä")
    after.write("three", "ok")
    found = read_journal(path)
    assert found[0] == before.records[0]
    assert found[-1] == after.records[0]
    assert len(found) <= 3


@pytest.mark.parametrize("line", ["", "{", "[]", "3", "null", "\x00\x00", '{"a": 1}{"b": 2}', "\ufffd"])
def test_lines_that_are_no_records_are_left_out(tmp_path: pathlib.Path, line: str) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text(line + '\n{"id": "1"}\n', encoding="utf-8")
    assert read_journal(str(path)) == [{"id": "1"}]


def test_bytes_that_are_no_text_are_left_out(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'\xff\xfe\x00\n{"id": "1"}\n')
    assert read_journal(str(path)) == [{"id": "1"}]


def test_a_missing_file_is_an_empty_journal(tmp_path: pathlib.Path) -> None:
    assert read_journal(str(tmp_path / "none.jsonl")) == []


def test_records_have_the_fields_that_reports_are_made_from(tmp_path: pathlib.Path) -> None:
    journal = Journal(str(tmp_path / "j"), "cutover", "drain", "node-1")
    first, second = journal.write("leave", "start"), journal.write("leave", "ok", {"tasks": 3})
    assert set(first) == {"id", "time", "phase", "operation", "subject", "step", "event", "data"}
    assert (second["phase"], second["operation"], second["subject"]) == ("cutover", "drain", "node-1")
    assert first["id"] != second["id"]
    assert first["time"] <= second["time"]


def test_times_sort_as_text_and_name_utc() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", utc_now())


def test_the_callers_data_can_change_afterwards() -> None:
    data = {"weight": 5}
    journal = Journal(None, "cutover", "traffic_shift")
    journal.write("weight", "start", data)
    data["weight"] = 50
    assert journal.records[0]["data"] == {"weight": 5}


def test_without_a_path_nothing_is_written(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Journal(None, "cluster", "count").write("one", "ok")
    assert list(tmp_path.iterdir()) == []


def test_the_file_and_its_folder_are_closed_to_others(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "state" / "journal.jsonl"
    Journal(str(path), "cluster", "count").write("one", "ok")
    assert stat.S_IMODE(path.stat().st_mode) & 0o027 == 0
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o027 == 0


def test_a_path_in_the_working_folder_needs_no_folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Journal("journal.jsonl", "cluster", "count").write("one", "ok")
    assert len(read_journal("journal.jsonl")) == 1


def test_each_record_is_on_disk_before_write_returns(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(subject.os, "fsync", lambda fd: synced.append(os.fstat(fd).st_size))
    path = str(tmp_path / "journal.jsonl")
    Journal(path, "cluster", "count").write("one", "ok")
    assert synced == [os.path.getsize(path)]


def test_a_disk_that_takes_a_part_only_is_written_to_again(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(subject.os, "write", lambda fd, data: real(fd, data[:7]))
    path = str(tmp_path / "journal.jsonl")
    journal = Journal(path, "cluster", "count")
    journal.write("one", "ok")
    monkeypatch.undo()
    assert read_journal(path) == journal.records


def test_a_journal_that_cannot_be_written_says_so_in_one_line(tmp_path: pathlib.Path) -> None:
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(ReplatformError, match=r"the journal .*journal\.jsonl cannot be written: Is a directory"):
        Journal(str(tmp_path / "journal.jsonl"), "cluster", "count").write("one", "ok")


def test_writers_side_by_side_lose_nothing_and_mix_nothing(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "journal.jsonl")
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_many, args=(path, f"w{number}", 40)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    lines = pathlib.Path(path).read_text().splitlines()
    assert len(lines) == 120
    by_writer: dict[str, list[int]] = {}
    for record in map(json.loads, lines):
        by_writer.setdefault(record["subject"], []).append(record["data"]["number"])
    assert by_writer == {f"w{number}": list(range(40)) for number in range(3)}


def test_a_writer_that_is_killed_leaves_what_it_had_finished_and_one_that_follows_goes_on(
    tmp_path: pathlib.Path,
) -> None:
    path = str(tmp_path / "journal.jsonl")
    for number in range(3):
        writer = multiprocessing.get_context("fork").Process(target=write_many, args=(path, f"w{number}", 100_000))
        writer.start()
        while sum(record["subject"] == f"w{number}" for record in read_journal(path)) < 5:
            time.sleep(0.002)
        writer.kill()
        writer.join()
    Journal(path, "cluster", "count", "last").write("step", "ok")
    found = read_journal(path)
    assert found[-1]["subject"] == "last"
    for number in range(3):
        counted = [record["data"]["number"] for record in found if record["subject"] == f"w{number}"]
        assert counted == list(range(len(counted)))
        assert len(counted) >= 5


def test_a_merge_beside_a_writer_loses_no_record(tmp_path: pathlib.Path) -> None:
    path, other = str(tmp_path / "journal.jsonl"), str(tmp_path / "other.jsonl")
    writer = threading.Thread(target=write_many, args=(path, "w", 150))
    writer.start()
    merges = 0
    while writer.is_alive() or merges == 0:
        Journal(other, "cluster", "count", "o").write("step", "ok")
        merge_into(path, [other])
        merges += 1
    writer.join()
    found = read_journal(path)
    assert [record["data"]["number"] for record in found if record["subject"] == "w"] == list(range(150))
    assert sum(record["subject"] == "o" for record in found) == merges
