"""What has moved, and whose old side can't serve any more, is not brought back by a breach or an error. Nothing here runs a Traefik."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import (
    DeadlineError,
    RefusedError,
    ReplatformError,
)
from ansible_collections.sophia.replatform.plugins.module_utils.traffic import operation
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.deadman import DeadMan
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.watch import Watched

from .obedient import Obedient, in_place_of_all

MORE = {"canary": {"name": "k3s", "servers": ["127.0.0.1:2", "127.0.0.1:3"]}}
SERVING = {"min_weight": 100, **MORE}
STAYS = "'app' stays at weight 100: by min_weight its primary side can not serve more; see to its canary side"


@pytest.fixture()
def moved(tmp_path, monkeypatch):
    """An edge with all of the service on a canary of one server."""
    edge = Obedient(tmp_path)
    in_place_of_all(edge, monkeypatch)
    edge.watches = [Watched, Watched]
    edge.shift()
    return edge


def breach():
    return Watched("5 of 9 failed", breached=True)


def test_a_breach_with_a_server_more(moved):
    moved.watches = [breach]
    with pytest.raises(RefusedError, match=f"5 of 9 failed; 2 checks failed; {STAYS}") as raised:
        moved.shift(**SERVING)
    assert moved.weight == 100 and str(raised.value).count("stays") == 1
    moved.watches = [Watched]
    assert moved.shift(**SERVING)["weight"] == 100 and moved.shift(**SERVING)["steps"] == []


def test_a_server_more_that_does_not_answer(moved, monkeypatch):
    monkeypatch.setattr(operation, "probe_all", lambda urls, _health: dict.fromkeys(urls, "it does not answer"))
    with pytest.raises(RefusedError, match=f"it does not answer; 2 checks failed; {STAYS}"):
        moved.shift(**SERVING)
    assert moved.weight == 100 and moved.store.read().canary.servers == ("http://127.0.0.1:2",)


def test_an_error_with_a_server_more(moved):
    def late():
        moved.now = 601
        return Watched("5 of 9 failed")

    moved.watches = [late]
    with pytest.raises(DeadlineError, match=STAYS):
        moved.shift(**SERVING)
    assert moved.weight == 100


def test_the_dead_man_has_nothing_to_put_back(moved, monkeypatch):
    armed = []
    monkeypatch.setattr(DeadMan, "arm", lambda _self, before, _step: armed.append(before.weight))
    moved.watches = [Watched]
    moved.shift(**SERVING)
    assert armed == []
    moved.watches = [Watched]
    moved.shift(canary={"name": "k3s", "servers": ["127.0.0.1:4"]})
    assert armed == [0]


def test_one_that_was_killed_before_it_had_passed_there_goes_back(moved):
    moved.store.write_safe(replace(moved.store.read(), weight=50))
    moved.watches = [breach]
    with pytest.raises(RefusedError, match="5 of 9 failed"):
        moved.shift(min_weight=100)
    assert moved.weight == 0


def test_one_that_has_only_now_come_there_goes_back(moved):
    moved.shift(state="rolled_back")
    moved.watches = [Watched, breach]
    with pytest.raises(RefusedError, match="5 of 9 failed"):
        moved.shift(min_weight=100)
    assert moved.weight == 0


def test_a_lowest_weight_in_the_middle_is_what_a_breach_above_it_leaves(moved):
    moved.shift(state="rolled_back")
    moved.watches = [Watched]
    moved.shift(max_weight=50)
    moved.watches = [breach]
    with pytest.raises(RefusedError, match="'app' stays at weight 50.*; the last safe weight 50 .* is in effect"):
        moved.shift(min_weight=50)
    assert moved.weight == 50


def test_no_more_is_held_up_than_is_wanted_at_most(moved):
    moved.watches = [Watched]
    moved.shift(max_weight=50)
    moved.watches = [breach]
    with pytest.raises(RefusedError, match="'app' stays at weight 50"):
        moved.shift(max_weight=50, **SERVING)
    assert moved.weight == 50


def test_what_is_asked_for_is_done(moved):
    moved.watches = [Watched]
    assert moved.shift(min_weight=100, max_weight=50)["weight"] == 50
    moved.watches = [Watched]
    moved.shift()
    with pytest.raises(RefusedError, match=f"'app': at edge-2 5xx; {STAYS}"):
        moved.shift(state="rolled_back", min_weight=100, reason="at edge-2 5xx")
    assert moved.weight == 100
    assert moved.shift(state="rolled_back", min_weight=100)["weight"] == 0


def test_a_way_back_for_a_breach_tells_of_it_and_has_no_breach_of_its_own(moved):
    (step,) = moved.shift(state="rolled_back", reason="at edge-2 5xx")["steps"]
    assert (step["weight"], step["reason"]) == (0, "at edge-2 5xx") and "back_ms" not in step


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"min_weight": 101}, "min_weight must be from 0 to 100"),
        ({"reason": "x"}, "reason is for state rolled_back, not for shifted; leave it out"),
    ],
)
def test_options_that_can_not_be_meant(moved, changes, says):
    with pytest.raises(ReplatformError, match=says):
        moved.shift(**changes)
    assert moved.weight == 100


def test_for_anothers_breach_one_above_its_lowest_weight_goes_down_to_it(moved):
    with pytest.raises(RefusedError, match="'app' stays at weight 50.*; the last safe weight 50 .* is in effect"):
        moved.shift(state="rolled_back", min_weight=50, reason="at edge-2 5xx")
    assert moved.weight == 50
