"""Each step of module host_files, what it refuses, and the module as a whole."""

from __future__ import annotations

import json
import os
import pathlib
import stat

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.sophia.replatform.plugins.module_utils import host_files
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.modules import host_files as module
from hypothesis import given
from hypothesis import strategies as st


def mode_of(path: pathlib.Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def write(path: pathlib.Path, content: str, mode: int = 0o600, **options) -> host_files.Change | None:
    return host_files.write(
        str(path), content, mode, **{"force": True, "secret": False, "check_mode": False, **options}
    )


@given(st.lists(st.sampled_from(["", "a\n", "b\n"]), min_size=1), st.sampled_from([0o600, 0o644]))
def test_a_file_has_what_was_written_last_and_is_touched_only_for_a_change(tmp_path_factory, contents, mode):
    path = tmp_path_factory.mktemp("t") / "config.yaml"
    before = None
    for content in contents:
        assert (write(path, content, mode) is not None) == (content != before)
        node = path.lstat().st_ino
        assert write(path, content, mode) is None and path.lstat().st_ino == node
        assert (path.read_text(), mode_of(path)) == (content, mode)
        before = content
    assert os.listdir(path.parent) == ["config.yaml"]


def test_check_mode_shows_the_same_diff_and_writes_nothing(tmp_path):
    path = tmp_path / "f"
    foretold = write(path, "new\n", check_mode=True)
    assert not path.exists() and foretold == write(path, "new\n")
    assert (foretold["before_header"], foretold["before"], foretold["after"]) == (f"{path} (not there)", "", "new\n")


def test_a_mode_alone_is_mended_without_a_new_file(tmp_path):
    path = tmp_path / "f"
    path.write_text("x")
    path.chmod(0o666)
    node = path.lstat().st_ino
    change = write(path, "x", 0o640)
    assert (change["before"].split(",")[0], change["after"].split(",")[0]) == ("mode 0666", "mode 0640")
    assert (mode_of(path), path.lstat().st_ino) == (0o640, node)


def test_without_force_a_file_keeps_its_content_and_gets_its_mode(tmp_path):
    path = tmp_path / "f"
    path.write_text("old")
    path.chmod(0o644)
    assert write(path, "new", force=False) is not None
    assert (path.read_text(), mode_of(path)) == ("old", 0o600)
    assert write(path, "new", force=False) is None


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "elsewhere").write_text("kept")
    path = tmp_path / "f"
    path.symlink_to("elsewhere")
    assert write(path, "new") is not None
    assert not path.is_symlink() and path.read_text() == "new" and (tmp_path / "elsewhere").read_text() == "kept"


def test_what_a_killed_run_has_left_is_written_over(tmp_path):
    (tmp_path / ".f.new").symlink_to("/etc/hostname")
    write(tmp_path / "f", "new")
    assert os.listdir(tmp_path) == ["f"] and (tmp_path / "f").read_text() == "new"


def test_a_reader_never_sees_a_secret_in_a_file_of_another_mode(tmp_path, monkeypatch):
    seen = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (seen.append(mode_of(pathlib.Path(a))), replace(a, b)))
    write(tmp_path / "f", "secret")
    assert seen == [0o600]


def test_links_folders_and_removals(tmp_path):
    name, folder = tmp_path / "kubectl", tmp_path / "a/b"
    assert host_files.link(str(name), "k3s", False) and host_files.link(str(name), "k3s", False) is None
    assert host_files.link(str(name), "other", False)["before"] == "a link to k3s\n" and os.readlink(name) == "other"
    assert host_files.make_directory(str(folder), 0o755, False) and mode_of(folder) == 0o755
    assert host_files.make_directory(str(folder), 0o755, False) is None
    assert host_files.remove(str(name), True, True) and name.is_symlink()
    assert host_files.remove(str(name), True, False) and host_files.remove(str(name), True, False) is None


@pytest.mark.parametrize(
    ("act", "line"),
    [
        (lambda path: write(path / "folder", "x"), "is not a file"),
        (lambda path: host_files.link(str(path / "file"), "k3s", False), "is not a link"),
        (lambda path: host_files.make_directory(str(path / "file"), 0o755, False), "is not a folder"),
        (lambda path: host_files.remove(str(path / "folder"), True, False), "is a folder"),
    ],
)
def test_what_is_in_the_way_is_refused(tmp_path, act, line):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(RefusedError, match=line):
        act(tmp_path)


@pytest.fixture
def logged(monkeypatch) -> list[str]:
    """What the module writes into the host's journal."""
    lines: list[str] = []
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda self, msg, log_args=None: lines.append(f"{msg} {log_args}"))
    return lines


@pytest.fixture
def call(capsys, logged):

    def run(check_mode: bool = False, **arguments):
        logged.clear()
        with patch_module_args({**arguments, "_ansible_check_mode": check_mode}), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return run


def test_the_module_in_check_mode_then_in_earnest_then_again(tmp_path, call, logged):
    arguments = {
        "directories": [f"{tmp_path}/d"],
        "files": [
            {"path": f"{tmp_path}/d/config", "content": "a: 1\n", "mode": "0600"},
            {"path": f"{tmp_path}/d/token", "mode": "0600"},
        ],
        "secrets": {f"{tmp_path}/d/token": "K10abc::server:s3cr3t\n"},
        "links": {f"{tmp_path}/kubectl": "k3s"},
        "absent": [f"{tmp_path}/gone"],
    }
    (tmp_path / "gone").write_text("s3cr3t")
    foretold = call(check_mode=True, **arguments)
    assert os.listdir(tmp_path) == ["gone"]
    done = call(**arguments)
    assert done["changed_paths"] == foretold["changed_paths"] and done["diff"] == foretold["diff"]
    assert [pathlib.Path(path).name for path in done["changed_paths"]] == ["d", "config", "token", "kubectl", "gone"]
    assert logged and "s3cr3t" not in json.dumps([foretold, done, logged])
    assert (tmp_path / "d/token").read_text() == "K10abc::server:s3cr3t\n"
    assert call(**arguments)["changed"] is False


def test_the_module_refuses_before_it_writes(tmp_path, call):
    files = [{"path": f"{tmp_path}/a", "content": "x"}, {"path": f"{tmp_path}", "content": "x"}]
    assert "is not a file" in call(files=files)["msg"]
    assert "is not made of octal digits" in call(files=[{**files[0], "mode": "rw"}])["msg"]
    assert "needs its text in content or" in call(files=[{"path": f"{tmp_path}/a"}])["msg"]
    assert "and not in both" in call(files=files[:1], secrets={f"{tmp_path}/a": "x"})["msg"]
    assert os.listdir(tmp_path) == []
