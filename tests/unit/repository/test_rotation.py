# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import hashlib
import json
import os

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.repository import backup, rotation

HEAD = "0123456789ab"


def name(number, prefix="a-"):
    return f"{prefix}202601{number:02}T000000Z-{HEAD}"


def make(store, folder, *, verified=True, good=True, repository="/a"):
    path = store / folder
    path.mkdir()
    (path / backup.MANIFEST).write_text(json.dumps({"repository": repository}) + "\n")
    (path / backup.TAR).write_bytes(b"tar")
    (path / backup.BUNDLE).write_bytes(b"bundle")
    if verified:
        known = {"sha256": hashlib.sha256(b"tar").hexdigest(), "bundle_sha256": hashlib.sha256(b"bundle").hexdigest()}
        (path / backup.VERIFIED).write_text(json.dumps(known))
    if not good:
        (path / backup.TAR).write_bytes(b"tad")


# One letter a backup, oldest first: g good, b spoilt since, u never verified, p half-written.
@pytest.mark.parametrize(
    ("there", "keep", "gone"),
    [
        ("", 2, []),
        ("gg", 2, []),
        ("ggg", 0, []),
        ("ggg", -1, []),
        ("gggg", 2, [1, 2]),
        ("gggg", 1, [1, 2, 3]),
        ("ugugg", 2, [2]),
        ("gpggp", 2, [1]),
        ("gggb", 1, [1, 2]),
        ("gggb", 2, [1, 2]),
        ("gbbb", 1, []),
        ("gbgb", 1, [1, 2]),
        ("gbgbb", 2, [1, 2]),
        ("bbgu", 1, [1, 2]),
        ("bbbb", 1, []),
        ("uuuu", 1, []),
    ],
)
def test_which_may_go(tmp_path, there, keep, gone):
    for number, kind in enumerate(there, start=1):
        ending = ".partial" if kind == "p" else ""
        make(tmp_path, name(number) + ending, verified=kind != "u", good=kind != "b")
    assert rotation.doomed(str(tmp_path), "a-", keep, repository="/a") == [name(number) for number in gone]


@pytest.mark.parametrize("file", [backup.TAR, backup.BUNDLE])
@pytest.mark.parametrize("change", ["spoilt", "gone"])
def test_good_is_what_tar_and_bundle_say(tmp_path, file, change):
    for number in (1, 2, 3):
        make(tmp_path, name(number))
    assert rotation.doomed(str(tmp_path), "a-", 1) == [name(1), name(2)]
    if change == "spoilt":
        (tmp_path / name(3) / file).write_bytes(b"other")
    else:
        (tmp_path / name(3) / file).unlink()
    assert rotation.doomed(str(tmp_path), "a-", 1) == [name(1)]


def test_one_that_an_open_ledger_names_stays(tmp_path):
    for number in (1, 2, 3):
        make(tmp_path, name(number))
    assert rotation.doomed(str(tmp_path), "a-", 1, needed=[str(tmp_path / name(1))]) == [name(2)]


@pytest.mark.parametrize("prefix", ["a-", "a b\n-", "a*-", "\udce9-"])
def test_other_repositories_are_left_alone(tmp_path, prefix):
    for other in (prefix, f"{prefix}b-", "ab-"):
        for number in (1, 2, 3):
            make(tmp_path, name(number, other))
    make(tmp_path, name(4, prefix), repository="/another/a")
    (tmp_path / "a-notes").mkdir()
    gone = rotation.doomed(str(tmp_path), prefix, 2, repository="/a")
    assert gone == [name(1, prefix)]
    before = set(os.listdir(tmp_path))
    rotation.rotate(str(tmp_path), gone)
    assert before - set(os.listdir(tmp_path)) == {name(1, prefix)}


def test_nothing_is_hashed_while_there_is_nothing_to_delete(tmp_path):
    for number in (1, 2):
        make(tmp_path, name(number))
    assert rotation.doomed(str(tmp_path), "a-", 2, is_good=lambda found: pytest.fail("hashed")) == []
    assert rotation.doomed(str(tmp_path / "none"), "a-", 2) == []


def test_a_kill_while_deleting_leaves_what_the_next_run_removes(tmp_path, monkeypatch):
    make(tmp_path, name(1))

    def die(folder):
        os.unlink(os.path.join(folder, backup.TAR))
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(rotation.shutil, "rmtree", die)
        rotation.rotate(str(tmp_path), [name(1)])
    assert os.listdir(tmp_path) == [name(1) + ".partial"]
    assert backup.find_backup(str(tmp_path), {}) is None
    backup.drop_partial(str(tmp_path), "a-")
    assert os.listdir(tmp_path) == []
