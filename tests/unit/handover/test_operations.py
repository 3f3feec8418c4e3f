"""The rim with a cluster that answers by script: what is read, in which order, and what is run against which instance."""

from __future__ import annotations

import json
import threading

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils import operation
from ansible_collections.sophia.replatform.plugins.module_utils.errors import (
    DeadlineError,
    RefusedError,
    ReplatformError,
)
from ansible_collections.sophia.replatform.plugins.module_utils.handover import cluster, operations, postgres_scripts

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

    def __init__(self, old_rows=3, new_rows=0, switched=False, old_up=True):
        self.rows = {"old": old_rows, "new": new_rows}
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
        assert arguments[:3] == ("shop", "shop", "/run/secrets/password")
        name = next(key for key, value in vars(postgres_scripts).items() if value == script)
        side = "old" if arguments[3:] == ("192.0.2.14", "5432") else "new"
        if side == "old" and not self.old_up:
            raise ReplatformError("connection refused")
        self.ran.append((name, side))
        return getattr(self, name.lower())(side)

    def status(self, side):
        answer = {"version": 15, "read_only": self.read_only[side], "writers": 0, "clients": 0}
        return json.dumps({**answer, "since_reload_s": 1.5, "busy": False})

    def content(self, side):
        return json.dumps(["public.rows", self.rows[side], str(self.rows[side])]) + "\n"

    def stop_writes(self, side):
        self.read_only[side] = True
        return ""

    def copy(self, _side):
        self.rows["new"] = self.rows["old"]
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
    assert {name for name, _side in pods.ran} == {"STATUS"}
    assert pods.rows["new"] == 0


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
    assert cluster.first_error(text) == line


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


def unreachable(times, monkeypatch):
    """A cluster whose connection is lost so many times; what it answers then, and how often it was asked."""
    monkeypatch.setattr(cluster, "PAUSE_S", 0)
    at = cluster.Cluster.__new__(cluster.Cluster)
    asked = []

    def run_once(*_args):
        asked.append(1)
        if len(asked) <= times:
            raise cluster._ConnectionLostError("lost")
        return "answer"

    monkeypatch.setattr(at, "_run_once", run_once)
    return at, asked


def test_a_lost_connection_is_tried_again_but_not_for_ever(monkeypatch):
    at, asked = unreachable(2, monkeypatch)
    assert at.run("pod", "true") == "answer"
    assert len(asked) == 3
    at, asked = unreachable(cluster.TRIES, monkeypatch)
    with pytest.raises(ReplatformError, match="lost"):
        at.run("pod", "true")
    assert len(asked) == cluster.TRIES


def test_a_script_that_fails_is_not_tried_again(monkeypatch):
    at, asked = unreachable(0, monkeypatch)

    def fails(*_args):
        asked.append(1)
        raise ReplatformError("a script failed: no")

    monkeypatch.setattr(at, "_run_once", fails)
    with pytest.raises(ReplatformError, match="no"):
        at.run("pod", "false")
    assert len(asked) == 1
