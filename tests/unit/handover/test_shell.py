"""One shell that runs a script after the other: a real one, over pipes."""

from __future__ import annotations

import os
import select
import subprocess

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import shell


class Pipes:
    """The connection to a shell of this host, which gives no more than O(most) bytes at once."""

    def __init__(self, most=1 << 16):
        self.most = most
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([shell.COMMAND], stdin=pipe, stdout=pipe, stderr=pipe)

    def send(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def receive(self, seconds):
        both = (self.process.stdout, self.process.stderr)
        ready, _none, _nothing = select.select(both, [], [], seconds)
        pieces = [os.read(one.fileno(), self.most) if one in ready else b"" for one in both]
        if ready and not any(pieces):
            raise shell.LostError("it has ended")
        return tuple(pieces)

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture(params=[1, 7, 1 << 16])
def pipes(request):
    made = Pipes(request.param)
    yield made
    made.close()


def at(pipes, timeout_s=60):
    return shell.Shell(pipes, "pod postgres-0", timeout_s)


def test_a_script_after_the_other_in_one_shell(pipes):
    one = at(pipes)
    assert one.run('echo "$1 $2"; echo hint >&2', "a", "b 'c'\nd") == "a b 'c'\nd\n"
    assert one.run("printf 'no end of line'") == "no end of line"
    assert one.run(":") == ""
    parents = {one.run("read -r _ _ _ parent _ </proc/$PPID/stat; echo $parent") for _time in range(2)}
    assert parents == {f"{pipes.process.pid}\n"}


def test_a_script_finds_no_input(pipes):
    assert at(pipes).run("cat; echo end") == "end\n"


def test_what_a_script_says_when_it_fails_or_does_not_end(pipes):
    one = at(pipes)
    with pytest.raises(ReplatformError, match=r"^a script in pod postgres-0 failed: error: no$"):
        one.run("echo hint >&2; echo error: no >&2; exit 1")
    with pytest.raises(ReplatformError, match="failed: status 3"):
        one.run("exit 3")
    with pytest.raises(ReplatformError, match=r"has not ended within 0\.1 s"):
        at(pipes, 0.1).run("read -r _ </dev/zero")
    assert one.run("echo still here") == "still here\n"


def test_what_a_script_has_left_behind_does_not_hold_up_the_next_one(pipes, tmp_path):
    one, go = at(pipes), tmp_path / "go"
    os.mkfifo(go)
    one.run('{ read -r _ <"$1"; echo late; echo error: late >&2; } &', str(go))
    go.write_text("on\n")
    with pytest.raises(ReplatformError, match=r"failed: (status 1|error: late)$"):
        one.run("exit 1")
    # What is late comes with the run before, or ahead of this one's word, or behind it.
    assert one.run("echo again") in ("again\n", "late\nagain\n", "again\nlate\n")


def test_what_is_cut_off_on_its_way_is_not_run(pipes, tmp_path, monkeypatch):
    send = pipes.send
    monkeypatch.setattr(pipes, "send", lambda text: (send(text[:-9]), pipes.process.stdin.close()))
    with pytest.raises(shell.LostError):
        at(pipes).run('touch "$1"', str(tmp_path / "ran"))
    pipes.process.wait(10)
    assert not (tmp_path / "ran").exists()


def test_bytes_that_are_no_text(pipes):
    assert at(pipes).run("printf '\\377'") == "\ufffd"


def test_one_that_says_nothing_any_more(pipes, monkeypatch):
    monkeypatch.setattr(shell, "_SILENT_S", 0)
    monkeypatch.setattr(pipes, "receive", lambda _seconds: (b"", b""))
    with pytest.raises(shell.BrokenError, match=r"pod postgres-0 has not ended within 0\.1 s"):
        at(pipes, 0.1).run(":")


def test_a_connection_that_is_lost(pipes):
    with pytest.raises(shell.LostError):
        at(pipes).run("read -r _ _ _ parent _ </proc/$PPID/stat; kill -KILL $parent")
