"""A service with a volume moves there and back by the real role, under its own writes."""

from __future__ import annotations

import json
import os
import signal
import threading

import pytest

from . import stores, volumes
from .volume_stage import STORE, Stage
from .volume_world import World

pytestmark = pytest.mark.slow

SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"


@pytest.fixture(scope="module", autouse=True)
def rsync_fixture():
    with pytest.MonkeyPatch.context() as patch:
        volumes.program(patch)
        yield


@pytest.fixture(name="begin")
def begin_fixture(tmp_path):
    """A stage whose service runs on the side that is named, with its name led there."""
    made = Stage(tmp_path)

    def begin(side):
        World(tmp_path).write(swarm=0, k3s=0, led=side == "k3s")
        World(tmp_path).scale(side, 1, check=False)
        stores.until((tmp_path / "acknowledged").exists, "the service writes")
        return made

    yield begin
    made.end()


@pytest.fixture(name="stage")
def stage_fixture(begin):
    return begin("swarm")


def stands(stage):
    now = World(stage.folder).read()
    return now["swarm"], now["k3s"], now["led"]


def with_files(**changes):
    return {**STORE, "files": {**STORE["files"], **changes}}


def test_to_k3s_and_a_second_run_changes_nothing(stage):
    World(stage.folder).write(claim=False)
    stage.approve()
    status, said = stage.play()
    assert status == 0, said
    assert stands(stage) == (0, 1, True)
    assert not list((stage.folder / "approvals").iterdir())
    status, said = stage.play()
    assert (status, "changed=0 " in said) == (0, True), said
    stage.judge()


def test_back_to_the_swarm(begin):
    stage = begin("k3s")
    (stage.folder / "swarm" / "lines").write_text("1\n")
    stage.record(proven=str(stage.folder / "k3s"))
    stage.approve("swarm")
    status, said = stage.play("swarm")
    assert status == 0, said
    assert stands(stage) == (1, 0, False)
    stage.judge()


def test_check_mode_shows_the_steps_and_changes_nothing(stage):
    stage.approve()
    status, said = stage.play(options=["--check", "--diff"])
    assert status == 0, said
    for step in ("begin from=", "copy from=", "open_window window_s=120 approved_by=ada", "prove folder="):
        assert f"+{step}" in said
    assert stands(stage) == (1, 0, False)
    assert not list((stage.folder / "k3s").iterdir())
    assert not list((stage.folder / "state").iterdir())


REFUSED = [
    (STORE, {"approved": False}, "-e service=wiki -e window=120 -e to=k3s -e by=<who you are>"),
    (STORE, {"holders": ["localhost", "beside"]}, "node-1 and node-2 each hold files in a volume shop_wiki_data"),
    (STORE, {"k3s": 1, "led": True}, "wiki is wanted on K3s, where its name leads, and on the Swarm too"),
    (with_files(window=0), {}, "files.window grant the seconds for which it may be stopped (cutover_stores)"),
    (with_files(window=60), {}, "is stopped for up to 60 s (files.window)"),
    (STORE, {"holders": []}, "no node of data_handover_nodes has volume shop_wiki_data"),
    (STORE, {"holders": ["beside"]}, "its files are on node-2, and claim wiki-data-wiki-0 is on node-1"),
    (STORE, {"swarm": 2}, "only a singleton is stopped and moved"),
    (with_files(volume="else"), {}, "no StatefulSet of that name with a claim template else"),
]


@pytest.mark.parametrize(("store", "world", "refused"), REFUSED if SOAK else REFUSED[:4])
def test_what_is_refused_with_nothing_changed(tmp_path, store, world, refused):
    stage = Stage(tmp_path)
    if world.get("approved", True):
        stage.approve()
    World(tmp_path).write(**world)
    (tmp_path / "swarm" / "page").write_text("words")
    before = World(tmp_path).read()
    status, said = stage.play(store=store)
    assert (status, refused in said) == (2, True), said
    assert World(tmp_path).read() == before
    assert not list((tmp_path / "k3s").iterdir())
    assert not list((tmp_path / "state").glob("volumes/*.json"))


@pytest.mark.parametrize(("to", "led", "refused"), [("k3s", False, True), ("k3s", True, False), ("swarm", True, True)])
def test_a_window_that_nobody_has_approved_can_be_refused_beforehand(tmp_path, to, led, refused):
    """Where the service is on the other side already, none is needed."""
    stage = Stage(tmp_path)
    World(tmp_path).write(swarm=0 if led else 1, k3s=1 if led else 0, led=led)
    status, said = stage.play(to, entry="windows")
    assert (status, f"-e to={to} -e by=<who you are>" in said) == ((2, True) if refused else (0, False)), said
    stage.approve(to)
    status, said = stage.play(to, entry="windows")
    assert (status, "changed=0 " in said) == (0, True), said
    status, said = stage.play(to, store={**STORE, "files": {}}, entry="windows")
    assert (status, "needs files.volume, files.window;" in said) == (2, True), said


@pytest.mark.parametrize(("opened", "open_ones"), [(0.0, "[]"), (1795431199.4, '["wiki"]')])
def test_a_window_that_was_left_open_is_told_beforehand(tmp_path, opened, open_ones):
    stage = Stage(tmp_path)
    World(tmp_path).write(swarm=0)
    stage.approve()
    stage.record(opened=opened)
    status, said = stage.play(entry="windows", options=["-v"])
    assert (status, f'"data_handover_open": {open_ones}' in said) == (0, True), said


@pytest.mark.parametrize(
    ("fault", "said_then"),
    [
        ({"ready": False}, "the pod is not ready (kubectl -n shop describe pod wiki-0)"),
        ({"slow": True}, "the window of 120 s is over"),
    ],
)
def test_a_step_that_fails_brings_the_service_back(stage, fault, said_then):
    World(stage.folder).write(**fault)
    stage.approve()
    status, said = stage.play()
    assert status == 2
    assert "wiki is not handed over: " in said
    assert said_then in said
    assert "The service runs on the Swarm, where its name leads." in said
    assert stands(stage) == (1, 0, False)
    World(stage.folder).write(ready=True, slow=False)
    status, said = stage.play()
    assert (status, stands(stage)) == (0, (0, 1, True)), said
    stage.judge()


def records(stage):
    return [(one["step"], one["event"]) for one in volumes.journal(stage.folder / "state")]


# What is seen when the controller is killed: a record of the journal, or how the world stands.
DEATHS = {
    "copying": lambda stage: ("copy", "start") in records(stage),
    "opened": lambda stage: ("open_window", "ok") in records(stage),
    "stopped": lambda stage: stands(stage) == (0, 0, False),
    "proven": lambda stage: ("prove", "ok") in records(stage),
    "started": lambda stage: stands(stage) == (0, 1, False),
    "led": lambda stage: stands(stage) == (0, 1, True),
}


ALL = [(death, late) for death in DEATHS for late in (False, True)]


@pytest.mark.parametrize(("death", "late"), ALL if SOAK else [("stopped", False), ("started", False), ("proven", True)])
def test_killed_and_run_again(stage, death, late):
    (stage.folder / "swarm" / "much").write_bytes(os.urandom(1 << 24))
    stage.approve()
    run = stage.start()
    while run.poll() is None and not DEATHS[death](stage):
        threading.Event().wait(0.02)
    assert run.poll() is None, (stage.folder / "said").read_text()
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    World(stage.folder).settle("swarm")
    World(stage.folder).settle("k3s")
    record = stage.folder / "state" / "volumes" / "wiki.json"
    if late and record.exists():
        record.write_text(json.dumps({**json.loads(record.read_text()), "opened": 1.0}))
    status, said = stage.play()
    assert status == 0, said
    assert stands(stage) == (0, 1, True)
    stage.judge()
