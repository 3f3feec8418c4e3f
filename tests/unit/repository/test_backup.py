# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import gzip
import os
import stat

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.repository import backup


@pytest.fixture
def made(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "a").write_bytes(b"a" * 3000)
    (root / "run").write_bytes(b"")
    (root / "run").chmod(0o755)
    os.symlink("a", root / "link")
    os.link(root / "a", root / "same")
    folder = tmp_path / "store" / "one"
    folder.parent.mkdir()
    backup.write_backup(str(root), ["a", "link", "run", "same"], str(folder), {"base": "c0"}, bundle)
    return root, folder


def bundle(path):
    with open(path, "wb") as handle:
        handle.write(b"bundle")


def verify(folder):
    return backup.verify_backup(str(folder), lambda _path: None)


def test_every_member_is_read_back(made):
    _root, folder = made
    assert verify(folder)["members"] == 4
    assert backup.find_backup(str(folder.parent), {"base": "c0"}).verified == verify(folder)


def test_a_manifest_says_what_there_was(made):
    root, folder = made
    header, members = backup.read_manifest(str(folder))
    found = {member.pop("path"): member for member in members}
    assert header == {"base": "c0", "members": 4}
    assert found == {name: backup.hash_file(str(root / name)) for name in ("a", "link", "run", "same")}
    assert (found["run"]["mode"], found["link"]["target"]) == ("0755", "a")


def test_the_same_tree_makes_the_same_bytes(made, tmp_path):
    root, folder = made
    backup.write_backup(str(root), ["a", "link", "run", "same"], str(tmp_path / "two"), {"base": "c0"}, bundle)
    assert (tmp_path / "two" / backup.TAR).read_bytes() == (folder / backup.TAR).read_bytes()


def test_only_its_owner_may_read_it(made):
    assert stat.S_IMODE(made[1].stat().st_mode) == 0o700


@pytest.mark.parametrize("change", ["flip", "cut", "manifest", "fewer"])
def test_what_differs_is_found(made, change):
    _root, folder = made
    tar = folder / backup.TAR
    manifest = folder / backup.MANIFEST
    if change == "flip":
        content = bytearray(gzip.decompress(tar.read_bytes()))
        content[600] ^= 1
        tar.write_bytes(gzip.compress(bytes(content)))
    elif change == "cut":
        tar.write_bytes(tar.read_bytes()[:-20])
    elif change == "manifest":
        manifest.write_text(manifest.read_text().replace('"0755"', '"0644"'))
    else:
        manifest.write_text(manifest.read_text() + '{"path": "more"}\n')
    with pytest.raises(ReplatformError, match="could not be read back"):
        verify(folder)
    assert backup.find_backup(str(folder.parent), {"base": "c0"}) is None


def test_a_backup_of_another_state_is_not_taken(made):
    assert backup.find_backup(str(made[1].parent), {"base": "c1"}) is None
    assert backup.find_backup(str(made[1].parent / "none"), {}) is None


def test_a_half_written_backup_is_dropped_and_a_whole_one_is_not(made):
    _root, folder = made
    (folder.parent / "one-2.partial").mkdir()
    assert backup.find_backup(str(folder.parent), {"base": "c0"}).folder == str(folder)
    backup.drop_partial(str(folder.parent), "one-")
    assert os.listdir(folder.parent) == ["one"]
