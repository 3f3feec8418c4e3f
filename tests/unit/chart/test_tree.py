from __future__ import annotations

import contextlib
import json
import os

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.chart import tree
from ansible_collections.sophia.replatform.plugins.module_utils.chart.errors import ChartError

OLD = {"Chart.yaml": "old\n", "charts/a/values.yaml": "a\n", "charts/b/values.yaml": "b\n"}
NEW = {"Chart.yaml": "new\n", "charts/a/values.yaml": "a\n", "charts/c/d/values.yaml": "c\n"}


def hold(root, wanted):
    change = tree.plan(str(root), wanted)
    tree.apply(str(root), change)
    return change


def content(root):
    found = {
        str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in root.rglob("*") if path.is_file()
    }
    assert json.loads(found.pop(tree.RECORD))["files"] == sorted(set(found) - {"mine.yaml"})
    return found


def test_a_folder_comes_to_hold_what_is_wanted(tmp_path):
    root = tmp_path / "chart"
    assert hold(root, OLD)
    assert content(root) == OLD
    assert not tree.plan(str(root), OLD)
    change = hold(root, NEW)
    assert content(root) == NEW
    assert not (root / "charts" / "b").exists()
    assert [(item["before_header"], item["after_header"]) for item in change.diff()] == [
        ("Chart.yaml", "Chart.yaml"),
        ("charts/b/values.yaml", "(none)"),
        ("(none)", "charts/c/d/values.yaml"),
    ]
    assert change.diff()[0]["before"] == "old\n" and change.diff()[0]["after"] == "new\n"
    assert oct((root / "Chart.yaml").stat().st_mode & 0o777) == "0o640"


def test_planning_changes_nothing(tmp_path):
    assert tree.plan(str(tmp_path / "chart"), NEW)
    assert not (tmp_path / "chart").exists()


def test_what_others_wrote_is_left_alone(tmp_path):
    hold(tmp_path, OLD)
    (tmp_path / "mine.yaml").write_text("mine\n", encoding="utf-8")
    hold(tmp_path, NEW)
    assert content(tmp_path) == {**NEW, "mine.yaml": "mine\n"}
    with pytest.raises(ChartError, match="mine.yaml is there and was not made by this module"):
        tree.plan(str(tmp_path), {**NEW, "mine.yaml": "other\n"})


def test_a_change_by_hand_is_undone(tmp_path):
    hold(tmp_path, OLD)
    (tmp_path / "Chart.yaml").write_bytes(b"\xff")
    (tmp_path / "charts/a/values.yaml").unlink()
    hold(tmp_path, OLD)
    assert content(tmp_path) == OLD


class Killed(Exception):
    """A run that ends where it is."""


@pytest.mark.parametrize("call", ["replace", "unlink", "open", "rmdir", "fsync"])
@pytest.mark.parametrize("at", range(8))
def test_a_run_that_was_killed_is_finished_by_the_next(tmp_path, monkeypatch, call, at):
    hold(tmp_path, OLD)
    (tmp_path / "mine.yaml").write_text("mine\n", encoding="utf-8")
    change = tree.plan(str(tmp_path), NEW)
    real, count = getattr(os, call), iter(range(100))

    def until(*args, **kwargs):
        if next(count) == at:
            raise Killed
        return real(*args, **kwargs)

    monkeypatch.setattr(os, call, until)
    with contextlib.suppress(Killed):
        tree.apply(str(tmp_path), change)
    monkeypatch.undo()
    for wanted in (NEW, OLD):
        hold(tmp_path, wanted)
        assert content(tmp_path) == {**wanted, "mine.yaml": "mine\n"}
        assert not list(tmp_path.rglob("*.partial"))


def test_a_leftover_alone_is_a_change(tmp_path):
    hold(tmp_path, OLD)
    (tmp_path / "charts/a/values.yaml.partial").write_text("half", encoding="utf-8")
    assert hold(tmp_path, OLD)
    assert content(tmp_path) == OLD


@pytest.mark.parametrize("place", ["charts", "Chart.yaml"])
def test_links_are_refused(tmp_path, place):
    (tmp_path / "elsewhere").mkdir()
    root = tmp_path / "chart"
    root.mkdir()
    (root / place).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ChartError, match=f"{place} is a link"):
        tree.plan(str(root), OLD)


def test_a_folder_in_the_way(tmp_path):
    (tmp_path / "Chart.yaml").mkdir()
    with pytest.raises(ChartError, match="Chart.yaml is in the way"):
        tree.plan(str(tmp_path), OLD)


@pytest.mark.parametrize(
    "record", ["x", "[]", '{"files": ["../outside"]}', '{"files": ["/etc/passwd"]}', '{"files": [1]}']
)
def test_a_damaged_record_is_not_followed(tmp_path, record):
    (tmp_path / tree.RECORD).write_text(record, encoding="utf-8")
    with pytest.raises(ChartError, match="is damaged"):
        tree.plan(str(tmp_path), OLD)


def test_a_folder_that_can_not_be_made(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ChartError, match="path: "):
        hold(tmp_path / "file" / "chart", OLD)
