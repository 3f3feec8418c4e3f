"""volume_handover between two real folders, by the real rsync, under a service that writes numbers."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import stat
import struct
import subprocess

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import (
    DeadlineError,
    RefusedError,
    ReplatformError,
)
from ansible_collections.sophia.replatform.plugins.module_utils.handover import (
    rsync,
    volume_run,
    volume_tree,
    volume_writers,
)

from . import stores, volumes


@pytest.fixture(scope="module", autouse=True)
def rsync_fixture():
    with pytest.MonkeyPatch.context() as patch:
        volumes.program(patch)
        yield


@pytest.fixture(name="pair")
def pair_fixture(tmp_path):
    return volumes.Pair(tmp_path)


def names(result):
    return [step["name"] for step in result["steps"]]


def test_there_and_back_and_nothing_is_lost_or_doubled(pair):
    service = pair.start(pair.swarm)
    assert names(pair.run("checked")) == []
    ahead = pair.run("ahead")
    assert names(ahead)[:3] == ["begin", "copy", "compare"]
    assert names(pair.run("open")) == ["open_window"]
    service.end()
    equal = pair.run("equal")
    assert names(equal)[-2:] == ["compare", "prove"]
    assert not pair.run("equal")["changed"]
    service = pair.start(pair.k3s)
    assert pair.run("equal")["reason"].startswith("wiki runs on")
    assert names(pair.run("closed")) == ["close_window"]
    assert not pair.run("closed")["changed"]
    pair.run("ahead", back=True)
    service.end()
    assert names(pair.run("equal", back=True))[-1] == "prove"
    service = pair.start(pair.swarm)
    service.end()
    said = volumes.numbers(pair.acknowledged)
    assert said == list(range(1, len(said) + 1))
    assert volumes.numbers(pair.swarm / "lines") == said


def odd(folder):
    """All that a folder may hold."""
    (folder / "two words\nand a line").write_text("odd")
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "file").write_text("deep")
    os.link(folder / "deep" / "er" / "file", folder / "hard")
    os.link(folder / "hard", folder / "harder")
    (folder / "out").symlink_to("/etc/passwd")
    (folder / "broken").symlink_to("../nowhere")
    (folder / "to a folder").symlink_to("/usr")
    os.mkfifo(folder / "pipe", 0o640)
    os.mknod(folder / "null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    with open(folder / "sparse", "wb") as file:
        file.seek(1 << 24)
        file.write(b"end")
    (folder / "owned").write_bytes(b"\0\xff")
    os.chown(folder / "owned", 4711, 4712)
    os.chown(folder / "broken", 4711, 4712, follow_symlinks=False)
    (folder / "setuid").write_text("s")
    (folder / "setuid").chmod(0o4711)
    os.setxattr(folder / "owned", "user.colour", b"blue")
    # As acl(5) has them: version 2; the owner, user 4711, the group, the mask and others.
    acl = [(1, 6, -1), (2, 6, 4711), (4, 4, -1), (16, 6, -1), (32, 0, -1)]
    packed = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *one) for one in acl)
    os.setxattr(folder / "setuid", "system.posix_acl_access", packed)
    (folder / os.fsdecode(b"\xff\xfe")).write_text("no text")
    folder.chmod(0o2770)


def test_all_that_a_folder_may_hold(pair):
    odd(pair.swarm)
    assert names(pair.run("equal")) == ["begin", "copy", "compare", "prove"]
    assert (pair.k3s / "out").readlink() == pathlib.Path("/etc/passwd")
    assert (pair.k3s / "sparse").stat().st_blocks < 1000
    assert (pair.k3s / "hard").stat().st_ino == (pair.k3s / "deep" / "er" / "file").stat().st_ino
    assert os.getxattr(pair.k3s / "setuid", "system.posix_acl_access")
    assert not pair.run("equal")["changed"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "owned").write_bytes(b"\0\xfe"), "'owned': sha256"),
        (lambda folder: (folder / "owned").write_bytes(b"\0"), "'owned': sha256, size"),
        (lambda folder: (folder / "owned").chmod(0o600), "'owned': mode"),
        (lambda folder: os.chown(folder / "broken", 0, 0, follow_symlinks=False), "'broken': owner"),
        (lambda folder: os.removexattr(folder / "owned", "user.colour"), "'owned': attributes"),
        (lambda folder: (folder / "broken").unlink(), "'broken': missing"),
        (lambda folder: (folder / "new\nline").mkdir(), "'new\\nline': not in the source"),
        (lambda folder: ((folder / "out").unlink(), (folder / "out").symlink_to("/etc/group")), "'out': target"),
        (lambda folder: ((folder / "pipe").unlink(), (folder / "pipe").mkdir(0o640)), "'pipe': mode, type"),
        (lambda folder: ((folder / "harder").unlink(), (folder / "harder").write_text("deep")), "same as"),
    ],
)
def test_every_difference_is_seen_and_mended(pair, change, said):
    odd(pair.swarm)
    pair.run("equal")
    # As a copy that rsync takes for the same: of the same size and time.
    times = {path: path.lstat() for path in pair.k3s.iterdir()}
    change(pair.k3s)
    for path, before in times.items():
        if os.path.lexists(path):
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns), follow_symlinks=False)
    found = volume_tree.compare(str(pair.swarm), str(pair.k3s)).differences
    assert any(said in line for line in found), found
    assert "prove" in names(pair.run("equal"))
    assert not volume_tree.compare(str(pair.swarm), str(pair.k3s)).differences


def test_who_writes_is_seen_in_the_mounts(pair):
    assert volume_writers.writers(str(pair.swarm)) == ()
    service = pair.start(pair.swarm)
    (seen,) = volume_writers.writers(str(pair.swarm))
    assert seen.endswith(f"(process {service.process.pid})")
    assert volume_writers.writers(str(pair.k3s)) == ()
    with pytest.raises(DeadlineError, match="wait_for_writers"):
        pair.run("equal", deadline=1)
    assert not list(pair.k3s.iterdir())
    service.end()
    assert volume_writers.writers(str(pair.swarm)) == ()
    assert names(pair.run("equal"))[-1] == "prove"


def test_a_reader_is_no_writer(pair):
    script = 'mkdir -p "$2" && mount --bind -o ro "$1" "$2" && mount -o remount,bind,ro "$2" && echo on && read -r _'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", str(pair.swarm), str(pair.folder / "seen")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        assert reader.stdout.readline() == b"on\n"
        assert volume_writers.writers(str(pair.swarm)) == ()
        reader.communicate(b"\n")


def test_a_pass_outlives_a_run_that_was_killed_and_the_next_run_waits_for_it(pair):
    (pair.swarm / "much").write_bytes(os.urandom(1 << 26))
    pid = os.fork()
    if not pid:
        try:
            pair.run("ahead")
        finally:
            os._exit(1)
    stores.until(lambda: ("copy", "start") in [(one["step"], one["event"]) for one in pair.journal()], "it copies")
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    pair.run("ahead")
    assert names(pair.run("equal"))[-1] == "prove"
    assert (pair.k3s / "much").read_bytes() == (pair.swarm / "much").read_bytes()
    assert [path.name for path in pair.k3s.iterdir()] == ["much"]


def test_a_pass_is_ended_with_the_window(pair, tmp_path, monkeypatch):
    (pair.swarm / "much").write_bytes(os.urandom(1 << 26))
    at_once = rsync.COMMAND
    monkeypatch.setattr(rsync, "COMMAND", (*at_once, "--bwlimit=1m"))

    looks = []

    def look():
        looks.append("look")
        if len(looks) > 1:
            raise DeadlineError("the window is over")

    lock = str(tmp_path / "lock")
    with pytest.raises(DeadlineError, match="the window is over"):
        rsync.copy(str(pair.swarm), str(pair.k3s), lock, False, look, lambda _: None)
    monkeypatch.setattr(rsync, "COMMAND", at_once)
    # No process of it holds the lock any more.
    assert rsync.copy(str(pair.swarm), str(pair.k3s), lock, False, lambda: None, lambda _: None)["files"] == 1


def test_a_window_that_is_over_is_not_worked_in(pair):
    (pair.swarm / "file").write_text("words")
    pair.run("open")
    record = pair.folder / "record.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "opened": 1.0}))
    with pytest.raises(RefusedError, match="the window of 60 s is over: start the service again where it was"):
        pair.run("equal")
    assert not list(pair.k3s.iterdir())
    assert names(pair.run("closed")) == ["close_window"]


def test_a_window_that_is_over_does_not_end_what_was_proven_in_it(pair):
    """The run was killed with nothing left to do but to start it on the other side."""
    pair.run("ahead")
    pair.run("open")
    assert "prove" in names(pair.run("equal"))
    record = pair.folder / "record.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "opened": 1.0}))
    assert names(pair.run("equal")) == ["compare"]


@pytest.mark.parametrize("state", ["checked", "ahead"])
def test_a_disk_that_is_too_small_is_found_before(pair, monkeypatch, state):
    (pair.swarm / "file").write_text("words")
    monkeypatch.setattr(volume_run, "SPARE", 1 << 60)
    with pytest.raises(RefusedError, match=r"bytes free and needs \d+: give it more room"):
        pair.run(state)
    assert not list(pair.k3s.iterdir())


def test_what_is_in_the_way(pair, tmp_path):
    (pair.swarm / "file").write_text("words")
    (pair.k3s / "mine").write_text("words")
    with pytest.raises(RefusedError, match="holds 1 entries that were not copied"):
        pair.run("ahead")
    with pytest.raises(RefusedError, match="is not there, or is no folder"):
        pair.run("ahead", target=str(tmp_path / "none"))
    with pytest.raises(ReplatformError, match="lie in each other"):
        pair.run("ahead", target=str(pair.swarm / "below"))
    (pair.folder / "record.json").write_text("half")
    with pytest.raises(ReplatformError, match="can't be read"):
        pair.run("ahead")
    (pair.folder / "record.json").unlink()
    assert "prove" in names(pair.run("equal", overwrite=True))
    assert not (pair.k3s / "mine").exists()


def test_check_mode_tells_and_changes_nothing(pair):
    (pair.swarm / "file").write_text("words")
    assert names(pair.run("ahead", check=True)) == ["begin", "copy", "compare"]
    assert names(pair.run("equal", check=True)) == ["begin", "copy", "compare", "prove"]
    assert sorted(path.name for path in pair.folder.iterdir()) == ["k3s", "swarm"]


def test_what_rsync_says_is_told(pair):
    with pytest.raises(ReplatformError, match=r"rsync ended with status \d+: rsync: "):
        rsync.pending(str(pair.folder / "none"), str(pair.k3s))


def test_a_long_pass_tells_how_far_it_is(pair, monkeypatch):
    (pair.swarm / "much").write_bytes(os.urandom(1 << 25))
    monkeypatch.setattr(volume_run, "TELL_S", 0.0)
    pair.run("ahead")
    told = [one["data"] for one in pair.journal() if one["event"] == "progress"]
    assert told[-1] == {"bytes": 1 << 25, "percent": 100}
