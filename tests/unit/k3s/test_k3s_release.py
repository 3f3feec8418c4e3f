"""Module k3s_release beside a release's site on loopback: what is put in place, what is refused, and what is asked of the site."""

from __future__ import annotations

import hashlib
import http.client
import http.server
import io
import json
import os
import pathlib
import stat
import typing as t

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.sophia.replatform.plugins.modules import k3s_release as module
from local_http import LocalHttp

VERSION = "v1.35.6+k3s1"
IMAGES = b"images" * 1000
SUMS = "sha256sum-amd64.txt"


def binary(version: str) -> bytes:
    return f"#!/bin/sh\n[ \"$1\" != --version ] || echo 'k3s version {version} (abc)'\n".encode()


def sum_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Site(http.server.BaseHTTPRequestHandler):
    files: t.ClassVar[dict[str, bytes]]
    asked: t.ClassVar[list[str]]

    def do_GET(self) -> None:
        name = self.path.rsplit("/", 1)[-1]
        self.asked.append(f"{self.command} {name}")
        content = self.files.get(name)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        if content and self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET

    def log_message(self, *_words: t.Any) -> None:
        pass


class World:
    """A site that holds a release, a host's folder, and the module."""

    def __init__(self, folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.files = {"k3s": binary(VERSION), "images.tar": IMAGES}
        self.list_sums()
        self.asked: list[str] = []
        self.site = LocalHttp(Site, {"files": self.files, "asked": self.asked})
        self.binary, self.images = folder / "bin/k3s", folder / "agent/images/images.tar"

    def list_sums(self) -> None:
        self.files[SUMS] = "".join(f"{sum_of(self.files[name])}  {name}\n" for name in ("k3s", "images.tar")).encode()

    def run(self, check_mode: bool = False, **given: t.Any) -> dict[str, t.Any]:
        arguments = {
            "url": self.site.url + "/v1",
            "version": VERSION,
            "sums": SUMS,
            "files": [
                {"name": "images.tar", "path": str(self.images)},
                {"name": "k3s", "path": str(self.binary), "runs": True},
            ],
            **given,
            "_ansible_check_mode": check_mode,
        }
        self.asked.clear()
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        return json.loads(self.capsys.readouterr().out)

    def there(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()}


@pytest.fixture(name="world")
def fixture_world(tmp_path, capsys):
    world = World(tmp_path, capsys)
    yield world
    world.site.stop()


def test_both_files_are_put_in_place_and_the_second_call_fetches_neither(world):
    answer = world.run()
    assert answer["changed_paths"] == [str(world.images), str(world.binary)]
    assert (world.images.read_bytes(), world.binary.read_bytes()) == (IMAGES, binary(VERSION))
    assert [stat.S_IMODE(path.stat().st_mode) for path in (world.images, world.binary)] == [0o644, 0o755]
    assert world.there() == {"bin/k3s", "agent/images/images.tar"}
    answer = world.run()
    assert (answer["changed"], world.asked) == (False, [f"GET {SUMS}"])


def test_the_list_is_not_fetched_where_every_sum_is_given(world):
    given = {"k3s": sum_of(binary(VERSION)).upper(), "images.tar": sum_of(IMAGES)}
    assert world.run(checksums=given)["changed"]
    assert world.asked == ["GET images.tar", "GET k3s"]


def test_check_mode_asks_for_the_files_and_writes_nothing(world):
    answer = world.run(check_mode=True)
    assert answer["changed_paths"] == [str(world.images), str(world.binary)]
    assert world.asked == [f"GET {SUMS}", "HEAD images.tar", "HEAD k3s"]
    assert world.there() == set()
    assert world.run()["diff"] == answer["diff"]


def test_a_file_with_another_sum_is_refused_and_the_old_one_stays(world):
    world.run()
    world.files["k3s"] = binary("v1.35.7+k3s1") + b"#"
    answer = world.run(checksums={"k3s": "0" * 64})
    assert answer["failed"] and "it was not installed" in answer["msg"] and "0" * 64 in answer["msg"]
    assert world.binary.read_bytes() == binary(VERSION)
    assert world.there() == {"bin/k3s", "agent/images/images.tar"}


def test_a_binary_of_another_release_is_refused_and_never_has_the_name(world):
    world.files["k3s"] = binary("v1.35.7+k3s1")
    world.list_sums()
    answer = world.run()
    assert "its binary is of v1.35.7+k3s1, and k3s_version is v1.35.6+k3s1" in answer["msg"]
    assert (answer["changed_paths"], world.there()) == ([str(world.images)], {"agent/images/images.tar"})


@pytest.mark.parametrize("missing", [SUMS, "k3s"])
@pytest.mark.parametrize("check_mode", [True, False])
def test_a_release_that_is_not_there_is_named_with_its_answer(world, missing, check_mode):
    del world.files[missing]
    answer = world.run(check_mode=check_mode)
    assert f"/v1/{missing} answered 404" in answer["msg"] and "k3s_release_url" in answer["msg"]
    assert "bin/k3s" not in world.there()


def test_a_site_that_does_not_answer_is_named(world):
    answer = world.run(url="http://127.0.0.1:1/v1")
    assert "http://127.0.0.1:1/v1/sha256sum-amd64.txt answered -1" in answer["msg"]


def test_a_list_that_lacks_a_file_is_refused(world):
    world.files[SUMS] = b"<html>"
    assert "does not list 'images.tar'" in world.run()["msg"]


def test_a_file_that_waits_with_the_right_sum_is_not_fetched_again(world):
    waiting = world.folder / "waiting"
    waiting.mkdir()
    (waiting / "k3s").write_bytes(binary(VERSION))
    (waiting / "images.tar").write_bytes(b"half")
    answer = world.run(check_mode=True, waiting=str(waiting))
    assert (answer["changed"], world.asked) == (True, [f"GET {SUMS}", "HEAD images.tar"])
    world.run(waiting=str(waiting))
    assert world.asked == [f"GET {SUMS}", "GET images.tar"]
    assert (world.images.read_bytes(), world.binary.read_bytes()) == (IMAGES, binary(VERSION))


def test_a_mode_alone_is_mended_without_fetching(world):
    world.run()
    world.binary.chmod(0o700)
    assert world.run(check_mode=True)["changed_paths"] == [str(world.binary)]
    assert stat.S_IMODE(world.binary.stat().st_mode) == 0o700
    assert world.run()["changed_paths"] == [str(world.binary)]
    assert stat.S_IMODE(world.binary.stat().st_mode) == 0o755
    assert not world.run()["changed"]


def test_what_a_killed_call_left_is_written_over(world):
    world.binary.parent.mkdir()
    (world.binary.parent / ".k3s.new").write_bytes(b"half")
    world.run()
    assert os.listdir(world.binary.parent) == ["k3s"]


def test_a_full_disk_is_told_in_one_line_and_leaves_nothing_half(world, monkeypatch):
    def full(source: t.BinaryIO, target: t.BinaryIO) -> str:
        target.write(b"x")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "copied", full)
    answer = world.run()
    assert answer["msg"] == f"{world.images} can not be written: [Errno 28] No space left on device"
    assert world.there() == set()


@pytest.mark.parametrize(
    "broken", [ConnectionResetError(104, "Connection reset by peer"), http.client.IncompleteRead(b"x")]
)
@pytest.mark.parametrize("name", [SUMS, "images.tar"])
def test_a_site_that_breaks_off_is_named_and_not_the_disk(world, monkeypatch, name, broken):
    asked = module.asked

    class BreaksOff(io.BytesIO):
        def read(self, *_size: t.Any) -> t.NoReturn:
            raise broken

    monkeypatch.setattr(
        module, "asked", lambda its, file, *rest: BreaksOff() if file == name else asked(its, file, *rest)
    )
    answer = world.run()
    assert f"/v1/{name} broke off" in answer["msg"] and "can not be written" not in answer["msg"]
    assert world.there() == set()


def test_a_file_that_can_not_run_is_refused_in_one_line_and_never_has_the_name(world):
    world.files["k3s"] = b"\x7fELF of another machine"
    world.list_sums()
    answer = world.run()
    assert "its binary does not say of which release it is" in answer["msg"] and "Exec format error" in answer["msg"]
    assert (answer["changed_paths"], world.there()) == ([str(world.images)], {"agent/images/images.tar"})


def test_a_link_to_the_right_file_is_judged_by_the_file_in_check_mode_too(world):
    world.run()
    elsewhere = world.folder / "elsewhere"
    world.binary.rename(elsewhere)
    world.binary.symlink_to(elsewhere)
    assert (world.run(check_mode=True)["changed"], world.run()["changed"]) == (False, False)
    elsewhere.chmod(0o700)
    assert (world.run(check_mode=True)["changed"], world.run()["changed"]) == (True, True)
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o755 and world.binary.is_symlink()
