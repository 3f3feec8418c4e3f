# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.filter.delivery import delivery_plan
from ansible_collections.sophia.replatform.plugins.module_utils.delivery import files
from hypothesis import given as examples
from hypothesis import strategies as st

ABSENT = {"kind": "none", "sha256": "", "through": "", "dirty": False}


def there(text, **more):
    return {"kind": "file", "sha256": files.digest(text), "through": "", "dirty": False, **more}


@pytest.mark.parametrize(
    "here, known, outcome",
    [
        (ABSENT, {}, "write"),
        (ABSENT, {"a": files.digest("old")}, "write"),
        (there("new"), {}, "nothing"),
        (there("new"), {"a": files.digest("old")}, "nothing"),
        (there("old"), {"a": files.digest("old")}, "write"),
        (there("theirs"), {"a": files.digest("old")}, "write"),
        (there("theirs", dirty=True), {"a": files.digest("old")}, "was changed by hand and is not committed"),
        (there("theirs"), {}, "is there and is not this role's"),
        ({**ABSENT, "kind": "other"}, {}, "is no plain file"),
        ({**ABSENT, "through": "docs"}, {}, "through the link docs"),
    ],
)
def test_what_may_be_written(here, known, outcome):
    plan = files.plan({"a": "new"}, known, {"a": here})
    assert plan["write"] == (["a"] if outcome == "write" else [])
    assert [outcome in line for line in plan["faults"]] == ([] if outcome in ("write", "nothing") else [True])
    assert plan["remove"] == plan["kept"] == []


@pytest.mark.parametrize(
    "here, outcome",
    [(ABSENT, "nothing"), (there("old"), "remove"), (there("theirs"), "kept"), (there("old", through="x"), "kept")],
)
def test_only_what_is_as_it_was_written_is_removed(here, outcome):
    plan = files.plan({}, {"a": files.digest("old")}, {"a": here})
    assert plan["remove"] == (["a"] if outcome == "remove" else [])
    assert [one["path"] for one in plan["kept"]] == (["a"] if outcome == "kept" else [])
    assert plan["write"] == plan["faults"] == []


def test_a_manifest_comes_back_and_foreign_ones_do_not():
    assert files.read_manifest(files.manifest({"b": "2", "a": "1"})) == {
        "a": files.digest("1"),
        "b": files.digest("2"),
    }
    assert files.read_manifest("") == {}
    for text in ("[]", "{", '{"format": 2, "files": {}}', '{"format": 1, "files": {"/etc/passwd": "x"}}'):
        assert files.read_manifest(text) is None
    assert files.read_manifest('{"format": 1, "files": {"../x": "y"}}') is None


def test_folders_go_when_nothing_else_is_in_them():
    listing = {"a": ["b", "other"], "a/b": ["c"], "a/b/c": ["x"], "d": ["y"]}
    assert files.emptied(["a/b/c/x", "d/y"], listing) == ["a/b/c", "a/b", "d"]


PATHS = st.sampled_from(["a", "d/b", "d/e/c", "d/e/f"])


@examples(
    wanted=st.dictionaries(PATHS, st.text(max_size=3), min_size=1),
    before=st.dictionaries(PATHS, st.text(max_size=3)),
    foreign=st.dictionaries(PATHS, st.text(max_size=3)),
)
def test_two_runs_and_a_way_back(tmp_path_factory, wanted, before, foreign):
    """On a real folder: whatever was written before, the second run has nothing to do, and the way back leaves what others
    wrote, and nothing else."""
    root = tmp_path_factory.mktemp("root")

    def put(contents):
        plan = delivery_plan(contents, str(root))
        if plan["faults"]:
            return plan
        for path in plan["remove"]:
            (root / path).unlink()
        for folder in plan["new_folders"]:
            (root / folder).mkdir()
        if plan["manifest"]["write"]:
            (root / plan["manifest"]["path"]).write_text(plan["manifest"]["content"])
        for path in plan["write"]:
            (root / path).write_bytes(contents[path].encode())
        if plan["manifest"]["remove"]:
            (root / plan["manifest"]["path"]).unlink()
        for folder in plan["folders"]:
            (root / folder).rmdir()
        return plan

    def look():
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    for path, text in foreign.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(text.encode())
    others = look()
    if before:
        put(before)
    plan = put(wanted)
    assert all(look()[path] == text for path, text in others.items())
    if plan["faults"]:
        assert {line.split()[0] for line in plan["faults"]} <= set(foreign)
        return
    assert {path: look().get(path) for path in wanted} == {path: text.encode() for path, text in wanted.items()}
    again = put(wanted)
    assert not again["changes"] and not again["new_folders"]
    put({})
    assert look() == others
