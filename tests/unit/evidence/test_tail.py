"""Fetching files that grow: whatever happens to either side, the copy ends equal to the original."""

from __future__ import annotations

import os
import pathlib
import stat
import typing as t

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.evidence import tail
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PATTERNS = ["journal.jsonl", "prober/*.jsonl"]
ON_DISK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
CHANGE = st.one_of(
    st.tuples(st.just("append"), st.binary(max_size=40)),
    st.tuples(st.just("replace"), st.binary(max_size=40)),
    st.tuples(st.just("truncate"), st.integers(0, 40)),
)


def fetch(host: pathlib.Path, copy: pathlib.Path, limit: int = 1 << 20) -> int:
    """The two halves played against each other; returns the bytes that travelled."""
    sent = 0
    for _call in range(10_000):
        have = {str(path.relative_to(copy)): tail.describe(str(path)) for path in copy.rglob("*.jsonl")}
        answer = tail.read_tails(str(host), PATTERNS, have, limit)
        sent += sum(tail.write_tail(str(copy), one) for one in answer["files"])
        if not answer["more"]:
            return sent
    raise AssertionError("the fetch never ends")


def write(path: pathlib.Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def folders(tmp_path: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    base = tmp_path / str(len(list(tmp_path.iterdir())))
    (base / "host").mkdir(parents=True)
    return base / "host", base / "copy"


@ON_DISK
@given(st.lists(CHANGE, max_size=6), st.integers(1, 30))
def test_the_copy_follows_the_original(tmp_path: pathlib.Path, changes: list[tuple[str, t.Any]], limit: int) -> None:
    host, copy = folders(tmp_path)
    content = b""
    for kind, value in changes:
        content = content + value if kind == "append" else value if kind == "replace" else content[:value]
        write(host / "journal.jsonl", content)
        fetch(host, copy, limit)
        copied = copy / "journal.jsonl"
        assert (copied.read_bytes() if copied.exists() else b"") == content


def test_only_what_is_new_travels(tmp_path: pathlib.Path) -> None:
    host, copy = folders(tmp_path)
    write(host / "journal.jsonl", b"a" * 1000)
    write(host / "prober/1.jsonl", b"b" * 1000)
    assert fetch(host, copy) == 2000
    assert fetch(host, copy) == 0
    write(host / "prober/1.jsonl", b"b" * 1000 + b"c" * 7)
    assert fetch(host, copy) == 7
    assert (copy / "prober/1.jsonl").read_bytes() == b"b" * 1000 + b"c" * 7


def test_one_call_reads_no_more_than_the_limit(tmp_path: pathlib.Path) -> None:
    host, _copy = folders(tmp_path)
    for number in range(3):
        write(host / f"prober/{number}.jsonl", b"x" * 70)
    answer = tail.read_tails(str(host), PATTERNS, {}, 100)
    assert answer["more"]
    assert sum(len(tail.unpack(one["content"])) for one in answer["files"]) == 100


def test_a_host_made_anew_replaces_the_copy_though_its_file_is_longer(tmp_path: pathlib.Path) -> None:
    host, copy = folders(tmp_path)
    write(host / "journal.jsonl", b"first host\n")
    fetch(host, copy)
    write(host / "journal.jsonl", b"another host, with a longer journal\n")
    fetch(host, copy)
    assert (copy / "journal.jsonl").read_bytes() == b"another host, with a longer journal\n"


def test_a_folder_that_is_missing_has_no_files(tmp_path: pathlib.Path) -> None:
    assert tail.read_tails(str(tmp_path / "none"), PATTERNS, {}, 100) == {"files": [], "more": False}


def test_only_files_that_match_are_read(tmp_path: pathlib.Path) -> None:
    host, copy = folders(tmp_path)
    for name in ("token", "secret.jsonl", "prober/config.json", "prober/a/b.jsonl", "prober/.hidden.jsonl"):
        write(host / name, b"secret")
    (host / "prober/folder.jsonl").mkdir()
    write(host / "journal.jsonl", b"{}\n")
    fetch(host, copy)
    assert [path.name for path in copy.rglob("*")] == ["journal.jsonl"]


@pytest.mark.parametrize(
    "name",
    ["../journal.jsonl", "/etc/passwd", "a/../../b", "a/b/c", "", ".ssh", "a\n", "a\x00b", "prober/", "~/x", "a/.b"],
)
def test_a_host_cannot_write_beside_its_folder(tmp_path: pathlib.Path, name: str) -> None:
    with pytest.raises(ReplatformError, match="is not taken"):
        tail.write_tail(str(tmp_path), {"name": name, "offset": 0, "content": tail.pack(b"x")})
    assert list(tmp_path.iterdir()) == []


def test_a_copy_that_was_changed_meanwhile_is_not_appended_to(tmp_path: pathlib.Path) -> None:
    write(tmp_path / "journal.jsonl", b"12345")
    with pytest.raises(ReplatformError, match="fetch again"):
        tail.write_tail(str(tmp_path), {"name": "journal.jsonl", "offset": 3, "content": tail.pack(b"x")})
    assert (tmp_path / "journal.jsonl").read_bytes() == b"12345"


def test_copies_and_their_folders_are_closed_to_others(tmp_path: pathlib.Path) -> None:
    host, copy = folders(tmp_path)
    write(host / "prober/1.jsonl", b"x")
    fetch(host, copy)
    for path in [copy, copy / "prober", copy / "prober/1.jsonl"]:
        assert stat.S_IMODE(os.stat(path).st_mode) & 0o027 == 0, path


@given(st.binary())
def test_packing_loses_nothing(content: bytes) -> None:
    assert tail.unpack(tail.pack(content)) == content
