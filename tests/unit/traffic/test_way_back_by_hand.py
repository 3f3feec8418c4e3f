"""The way back by hand needs nobody who hears of it. Nothing here runs a Traefik."""

from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.deadman import Controller
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.watch import Watched

from .obedient import Obedient, in_place_of_all

STICKY = {"session_affinity": {"cookie_name": "c"}}


@pytest.fixture()
def obedient(tmp_path, monkeypatch):
    edge = Obedient(tmp_path)
    in_place_of_all(edge, monkeypatch)
    return edge


def test_sessions_are_drained_with_nobody_there_and_no_room_for_a_record(obedient, monkeypatch):
    obedient.watches = [Watched, Watched]
    obedient.shift(**STICKY)
    monkeypatch.setattr(Controller, "lost", lambda _self: "nobody reads the module's output any more")
    result = obedient.shift(state="rolled_back", journal="/dev/full", **STICKY)
    assert [step["name"] for step in result["steps"]] == ["weight", "drain"]
    assert (obedient.weight, obedient.store.read().tail) == (0, False)
