"""Merging journals: each record once, by time, however often and in which order it is done."""

from __future__ import annotations

import json
import os
import pathlib
import stat

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.merge import merge, merge_into, write_whole
from ansible_collections.sophia.replatform.plugins.module_utils.journal import read_journal
from hypothesis import given
from hypothesis import strategies as st

RECORD = st.builds(
    lambda number, second: {"id": str(number), "time": f"2026-11-23T10:00:{second:02d}.000Z"},
    st.integers(0, 30),
    st.integers(0, 59),
)
JOURNAL = st.lists(RECORD, max_size=12, unique_by=lambda record: record["id"])


@given(st.lists(JOURNAL, max_size=4))
def test_each_id_stands_once_and_times_do_not_go_back(journals: list[list[dict[str, str]]]) -> None:
    merged = merge(*journals)
    ids = [record["id"] for record in merged]
    assert sorted(ids) == sorted({record["id"] for journal in journals for record in journal})
    assert [record["time"] for record in merged] == sorted(record["time"] for record in merged)


@given(JOURNAL, JOURNAL)
def test_merging_again_changes_nothing(one: list[dict[str, str]], other: list[dict[str, str]]) -> None:
    once = merge(one, other)
    assert merge(once, other) == once
    assert merge(once, one, other, once) == once


def test_records_of_one_time_keep_their_order() -> None:
    same = [{"id": name, "time": "2026-11-23T10:00:00.000Z"} for name in "zmb"]
    assert merge(same[:2], same[2:]) == same


def test_records_without_an_id_are_told_apart_by_all_they_say() -> None:
    assert merge([{"time": "1", "a": 1}, {"time": "1", "a": 2}], [{"a": 1, "time": "1"}]) == [
        {"time": "1", "a": 1},
        {"time": "1", "a": 2},
    ]


def test_a_start_without_an_end_stays() -> None:
    killed = {"id": "1", "time": "2026-11-23T10:00:00.000Z", "step": "drain", "event": "start"}
    again = {"id": "2", "time": "2026-11-23T10:05:00.000Z", "step": "drain", "event": "start"}
    ended = {"id": "3", "time": "2026-11-23T10:06:00.000Z", "step": "drain", "event": "ok"}
    assert merge([again, ended], [killed]) == [killed, again, ended]


def test_journals_are_merged_into_the_file_and_a_second_time_leaves_it_alone(tmp_path: pathlib.Path) -> None:
    own, host = tmp_path / "journal.jsonl", tmp_path / "host.jsonl"
    own.write_text('{"id": "1", "time": "3"}\n{"id": "2", "ti')
    host.write_text('{"id": "3", "time": "1"}\n{"id": "1", "time": "3"}\n')
    merged = merge_into(str(own), [str(host), str(tmp_path / "missing.jsonl")])
    assert [record["id"] for record in merged] == ["3", "1"]
    assert read_journal(str(own)) == merged
    before = own.stat()
    assert merge_into(str(own), [str(host)]) == merged
    assert own.stat().st_ino == before.st_ino


def test_what_is_written_whole_is_closed_to_others_and_leaves_nothing_beside_it(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "report.json"
    write_whole(str(path), "one")
    write_whole(str(path), json.dumps({"two": "ä"}, ensure_ascii=False))
    assert json.loads(path.read_text(encoding="utf-8")) == {"two": "ä"}
    assert stat.S_IMODE(path.stat().st_mode) & 0o027 == 0
    assert os.listdir(tmp_path) == ["report.json"]


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReplatformError, match="cannot be merged into .*Not a directory|File exists"):
        merge_into(str(tmp_path / "file" / "journal.jsonl"), [])
