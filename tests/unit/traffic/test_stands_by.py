"""The dead-man stands by until a weight is safe, or is no longer in the file: whoever is killed in between. Nothing here runs a Traefik."""

from __future__ import annotations

import json

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic import deadman, operation
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.watch import Watched

from .obedient import Obedient, in_place_of_all


@pytest.fixture()
def obedient(tmp_path, monkeypatch):
    edge = Obedient(tmp_path)
    in_place_of_all(edge, monkeypatch)
    monkeypatch.setattr(deadman, "_start", lambda *_arguments: None)
    (tmp_path / "deadman.py").touch()
    edge.script = str(tmp_path / "deadman.py")
    return edge


def orders(edge):
    path = edge.state_dir / "app.deadman.json"
    return json.loads(path.read_text())["weight"] if path.exists() else None


def test_from_a_breach_until_weight_0_is_written(obedient, monkeypatch):
    stood_by = []

    def look(*_arguments):
        stood_by.append((obedient.weight, orders(obedient)))
        return True

    monkeypatch.setattr(operation, "any_answers", look)
    obedient.watches = [Watched, lambda: Watched("5 of 9 failed", breached=True)]
    with pytest.raises(RefusedError, match="5 of 9 failed"):
        obedient.shift(dead_man=obedient.script)
    assert stood_by == [(100, 50)] and (obedient.weight, orders(obedient)) == (0, None)


def test_from_a_failed_watch_to_the_next(obedient, monkeypatch):
    stood_by = []
    observe = operation.ShiftOperation.observe

    def look(self):
        if (obedient.dynamic_dir / "app.yml").exists():
            stood_by.append((obedient.weight, orders(obedient)))
        return observe(self)

    monkeypatch.setattr(operation.ShiftOperation, "observe", look)
    obedient.watches = [lambda: Watched("5 of 9 failed"), Watched, Watched]
    obedient.shift(dead_man=obedient.script, threshold=2)
    assert set(stood_by) == {(0, None), (50, 0), (50, None), (100, None)}


def test_until_an_error_is_dealt_with(obedient):
    obedient.watches = [Watched, lambda: setattr(obedient, "silent_looks", 1) or Watched("5 of 9 failed")]
    with pytest.raises(ReplatformError, match="50 .* was written back and is in effect"):
        obedient.shift(dead_man=obedient.script)
    assert orders(obedient) is None
