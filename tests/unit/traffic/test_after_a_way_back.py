"""However a way back has ended, no weight that was safe before it is trusted afterwards. Nothing here runs a Traefik."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import DeadlineError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic import deadman
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.operation import ShiftOperation
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.store import Store
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.watch import Watched

from .obedient import Obedient, in_place_of_all


class Killed(BaseException):
    pass


def dies(*_arguments):
    raise Killed


def ends():
    raise ReplatformError("the controller is gone")


@pytest.fixture()
def obedient(tmp_path, monkeypatch):
    edge = Obedient(tmp_path)
    in_place_of_all(edge, monkeypatch)
    monkeypatch.setattr(deadman, "_start", lambda *_arguments: None)
    (tmp_path / "deadman.py").touch()
    edge.watches = [Watched]
    edge.shift(max_weight=50)
    return edge


def killed_before_it_is_written(edge, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(
            "ansible_collections.sophia.replatform.plugins.module_utils.traffic.kept_room.replace_in_it", dies
        )
        edge.shift(state="rolled_back")
    edge.shift(state="rolled_back")


def killed_once_it_is_written(edge, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(ShiftOperation, "_note_back", dies)
        edge.shift(state="rolled_back")
    edge.shift(state="rolled_back")


def not_verified(edge, _monkeypatch):
    edge.silent_looks = 1000
    with pytest.raises(ReplatformError, match="NOT VERIFIED"):
        edge.shift(state="rolled_back")
    edge.silent_looks = 0
    edge.shift(state="rolled_back")


def without_time_for_a_step(edge, _monkeypatch):
    def breached():
        edge.now = 601
        return Watched("fails", breached=True)

    edge.watches = [breached]
    with pytest.raises(DeadlineError, match="weight 0 of service 'app' was written back and is in effect"):
        edge.shift()
    edge.now = 0.0


def by_another_hand(edge, _monkeypatch):
    """As the dead-man does, after a run with other servers of the canary."""
    edge.store.write(replace(edge.store.read(), weight=0))


WAYS = [killed_before_it_is_written, killed_once_it_is_written, not_verified, without_time_for_a_step]


@pytest.mark.parametrize("goes_back", [*WAYS, by_another_hand])
def test_an_error_at_the_next_weight_and_its_dead_man_lead_to_none(obedient, monkeypatch, goes_back):
    goes_back(obedient, monkeypatch)
    assert obedient.weight == 0
    seen = []

    def fails():
        seen.append((obedient.weight, json.loads((obedient.state_dir / "app.deadman.json").read_text())["weight"]))
        ends()

    obedient.watches = [fails]
    with pytest.raises(
        ReplatformError, match="the last safe weight 0 of service 'app' was written back and is in effect"
    ):
        obedient.shift(step_weights=[5], dead_man=str(obedient.state_dir.parent / "deadman.py"))
    assert seen == [(5, 0)] and obedient.weight == 0


@pytest.mark.parametrize("goes_back", WAYS)
def test_the_weight_of_before_is_watched_when_a_run_was_killed_at_it(obedient, monkeypatch, goes_back):
    goes_back(obedient, monkeypatch)
    obedient.store.write(replace(obedient.store.read(), weight=50))
    obedient.watches = [Watched]
    assert [step["name"] for step in obedient.shift(max_weight=50)["steps"]] == ["watch"]


def test_an_error_while_requests_are_copied_raises_no_weight(obedient):
    obedient.shift(state="rolled_back")
    # A weight that was set by hand leaves its note.
    obedient.store.write_safe(replace(obedient.store.read(), weight=50))
    obedient.watches = [ends]
    with pytest.raises(ReplatformError, match="the last safe weight 0"):
        obedient.shift(mirror_weight=10)
    assert obedient.weight == 0 and obedient.store.read().mirror == 0


def test_the_copy_for_a_person_stays_until_the_way_back_is_verified(obedient):
    store = Store("app", str(obedient.dynamic_dir), str(obedient.state_dir))
    good = (obedient.state_dir / "app.last-good").read_text()
    store.write_back(replace(store.read(), weight=0))
    assert store.read_safe(store.read()) is None and (obedient.state_dir / "app.last-good").read_text() == good
