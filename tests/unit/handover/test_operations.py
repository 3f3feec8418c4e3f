"""The rim with a cluster that answers by script: what is read, in which order, and what is run against which instance."""

from __future__ import annotations

import json
import ssl
import threading
import types

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils import operation
from ansible_collections.sophia.replatform.plugins.module_utils.errors import (
    DeadlineError,
    RefusedError,
    ReplatformError,
)
from ansible_collections.sophia.replatform.plugins.module_utils.handover import (
    cluster,
    operations,
    places,
    postgres_scripts,
)
from ansible_collections.sophia.replatform.plugins.module_utils.handover.shell import BrokenError, LostError

PARAMS = {
    "name": "postgres",
    "source": "192.0.2.14:5432",
    "state": "copied",
    "overwrite": False,
    "user": "shop",
    "database": "shop",
    "password_file": "/run/secrets/password",
    "grace": 10,
    "journal": None,
    "phase": "cutover",
    "deadline": 30,
}


class Pods:
    """Two databases behind one pod; a script is known by the constant it is, an instance by the address it is run against."""

    def __init__(self, old_rows=3, new_rows=0, switched=False, old_up=True, only_new=(), left=0):
        self.rows = {"old": old_rows, "new": new_rows}
        self.only_new = {name: True for name in only_new}
        self.left = left
        self.read_only = {"old": False, "new": False}
        self.switched = switched
        self.old_up = old_up
        self.ran = []

    def selects_pods(self, _service):
        return self.switched

    def pod_of(self, service):
        return f"{service}-0"

    def run(self, pod, script, *arguments):
        assert pod == "postgres-k3s-0"
        assert arguments[:4] == ("shop", "shop", "/run/secrets/password", "false")
        name = next(key for key, value in vars(postgres_scripts).items() if value == script)
        side = "old" if arguments[4:] == ("192.0.2.14", "5432") else "new"
        if side == "old" and not self.old_up:
            raise ReplatformError("connection refused")
        self.ran.append((name, side))
        return getattr(self, name.lower())(side)

    def status(self, side):
        answer = {"version": 15, "read_only": self.read_only[side], "writers": 0, "clients": 0}
        return json.dumps({**answer, "since_reload_s": 1.5, "busy": False})

    def content(self, side):
        return json.dumps(["public.rows", self.rows[side], str(self.rows[side])]) + "\n"

    def names(self, _side):
        return '"public.rows"\n'

    def outline(self, side):
        has = {"public.rows": self.rows[side] > 0, **self.only_new}
        return "".join(json.dumps([name, used]) + "\n" for name, used in has.items())

    def stop_writes(self, side):
        self.read_only[side] = True
        return ""

    def copy(self, _side):
        self.rows["new"] = self.rows["old"] - self.left
        return "482\n"


def perform(pods, check_mode=False, **params):
    op = operations.PostgresHandover(pods, {**PARAMS, **params})
    return operation.perform(op, "postgres_handover", "postgres", {**PARAMS, **params}, check_mode)


def test_rows_are_compared_only_after_writes_have_stopped():
    pods = Pods()
    result = perform(pods)
    assert [step["name"] for step in result["steps"]] == ["stop_writes", "copy"]
    assert result["steps"][1]["bytes"] == 482
    names = [name for name, _side in pods.ran]
    assert names.index("STOP_WRITES") < names.index("CONTENT")
    assert pods.read_only == {"old": True, "new": False}
    assert not perform(pods)["changed"]


def test_check_mode_only_reads():
    pods = Pods()
    assert perform(pods, check_mode=True)["changed"]
    assert {name for name, _side in pods.ran} == {"STATUS", "NAMES", "OUTLINE"}
    assert pods.rows["new"] == 0


def test_a_table_with_rows_that_the_old_one_lacks_is_refused_before_writes_stop():
    pods = Pods(only_new=["public.other"])
    with pytest.raises(RefusedError, match=r"only the new instance has public\.other, with rows"):
        perform(pods)
    assert ("STOP_WRITES", "old") not in pods.ran


def test_one_copy_of_a_run_is_enough():
    pods = Pods(left=1)
    with pytest.raises(RefusedError, match=r"after the copy public\.rows differ"):
        perform(pods)
    assert pods.ran.count(("COPY", "old")) == 1


def test_an_old_instance_that_is_down_is_refused_before_the_switch_and_fine_after_it():
    with pytest.raises(RefusedError, match="does not answer"):
        perform(Pods(old_up=False))
    assert not perform(Pods(old_up=False, switched=True), state="idle")["changed"]
    assert not perform(Pods(old_up=False, switched=True), state="idle", source=None)["changed"]


def test_a_pod_that_answers_nothing_is_no_old_instance_that_is_down():
    class Dead(Pods):
        def run(self, *_args):
            raise ReplatformError("no such container")

    with pytest.raises(ReplatformError, match="no such container"):
        perform(Dead(), state="idle")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("psql: error: connection refused\n\tIs the server running?\n", "psql: error: connection refused"),
        ("ERROR:  no\nHINT:  Use another.\n", "ERROR:  no"),
        ("one\ntwo\n\n", "two"),
        ("", ""),
    ],
)
def test_the_line_that_says_what_went_wrong(text, line):
    assert places.first_error(text) == line


def test_a_lock_that_can_not_be_made_is_told_in_one_line(tmp_path):
    with pytest.raises(ReplatformError, match="could not open the lock .*: run as root"), operation.alone(
        f"{tmp_path}/no/lock", 1
    ):
        pass


def test_a_second_run_waits_for_the_first(tmp_path):
    lock = str(tmp_path / "lock")
    entered, leave = threading.Event(), threading.Event()

    def first():
        with operation.alone(lock, 1):
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    assert entered.wait(10)
    with pytest.raises(DeadlineError, match="another run"), operation.alone(lock, 0.6):
        pass
    with operation.alone(lock, 0.6, check_mode=True):
        pass
    leave.set()
    thread.join()
    with operation.alone(lock, 5):
        pass


class Shell:
    """In a pod that is lost so many times, and then answers what it has been given, or raises it."""

    def __init__(self, lost, answer):
        self.lost = lost
        self.answer = answer
        self.runs = self.closed = 0

    def run(self, *_script):
        self.runs += 1
        if self.runs <= self.lost:
            raise LostError("lost")
        if isinstance(self.answer, ReplatformError):
            raise self.answer
        return self.answer

    def close(self):
        self.closed += 1


def run_in(shell, monkeypatch):
    """What a cluster makes of it, with a new connection to that shell whenever it makes one."""
    monkeypatch.setattr(cluster, "PAUSE_S", 0)
    monkeypatch.setattr(cluster, "Shell", lambda *_args: shell)
    monkeypatch.setattr(cluster, "_Exec", lambda *_args: None)
    at = cluster.Cluster.__new__(cluster.Cluster)
    at.api, at.namespace, at.timeout_s, at._shells = None, "shop", 60, {}
    return at.run("pod", "true")


def test_a_lost_connection_is_tried_again_but_not_for_ever(monkeypatch):
    shell = Shell(2, "answer")
    assert run_in(shell, monkeypatch) == "answer"
    assert (shell.runs, shell.closed) == (3, 2)
    shell = Shell(cluster.TRIES, "")
    with pytest.raises(ReplatformError, match="lost"):
        run_in(shell, monkeypatch)
    assert shell.runs == shell.closed == cluster.TRIES


def test_a_shell_that_has_ended_is_not_tried_again(monkeypatch):
    shell = Shell(0, BrokenError("it has ended"))
    with pytest.raises(BrokenError):
        run_in(shell, monkeypatch)
    assert (shell.runs, shell.closed) == (1, 1)


class Stream:
    """What the Kubernetes client makes of an exec that has ended, for the reason O(why), or of a connection that fails."""

    def __init__(self, why=b"", fault=None):
        self.why = why
        self.fault = fault

    def write_stdin(self, _data):
        if self.fault:
            raise self.fault

    def update(self, timeout):
        assert timeout > 0

    def read_stdout(self, timeout):
        return b""

    read_stderr = read_stdout

    def read_channel(self, channel):
        return self.why if channel == 3 else b""

    def is_open(self):
        return False

    def close(self):
        pass


@pytest.mark.parametrize(
    ("stream", "runs", "said"),
    [
        (Stream(b'{"message": "exit code 137"}'), 1, "pod has ended while a script ran there: .*exit code 137"),
        (Stream(), cluster.TRIES, "the connection to pod pod was lost while a script ran there"),
        (Stream(fault=BrokenPipeError("broken pipe")), cluster.TRIES, "could not run a script in pod pod: broken pipe"),
        (Stream(fault=ssl.SSLError("bad record")), cluster.TRIES, "could not run a script in pod pod: .*bad record"),
    ],
)
def test_a_new_connection_is_made_where_one_was_lost(monkeypatch, stream, runs, said):
    made = []
    monkeypatch.setattr(cluster.kubernetes.stream, "stream", lambda *_args, **_options: made.append(1) or stream)
    monkeypatch.setattr(cluster, "PAUSE_S", 0)
    at = cluster.Cluster.__new__(cluster.Cluster)
    at.namespace, at.timeout_s, at._shells = "shop", 60, {}
    at.api = types.SimpleNamespace(connect_get_namespaced_pod_exec=None)
    with pytest.raises(ReplatformError, match=said):
        at.run("pod", "true")
    assert len(made) == runs
    assert not at._shells


def test_a_script_that_fails_is_not_tried_again(monkeypatch):
    shell = Shell(0, ReplatformError("a script failed: no"))
    with pytest.raises(ReplatformError, match="no"):
        run_in(shell, monkeypatch)
    assert (shell.runs, shell.closed) == (1, 0)
