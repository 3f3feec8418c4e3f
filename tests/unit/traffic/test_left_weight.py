"""A run that ends leaves no weight behind that has not passed its watch: nobody looks at it any more. Nothing here runs a Traefik."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import (
    DeadlineError,
    RefusedError,
    ReplatformError,
)
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import parse
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.strangers import Strangers
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.watch import Watched

from .obedient import Obedient, in_place_of_all

PUT_BACK = "the last safe weight 50 of service 'app' was written back and is in effect"


@pytest.fixture()
def obedient(tmp_path, monkeypatch):
    edge = Obedient(tmp_path)
    in_place_of_all(edge, monkeypatch)
    return edge


def fails(before=lambda: None, breached=False):
    """A watch that fails after something has happened."""

    def watch():
        before()
        return Watched("5 of 9 failed", breached=breached)

    return watch


def put_back(edge):
    lines = (edge.state_dir / "journal.jsonl").read_text().splitlines()
    records = [record for record in map(json.loads, lines) if record["step"] == "put_back"]
    return [(r["event"], r["data"]["weight"], r["data"]["from_weight"]) for r in records]


def test_a_deadline_that_passes_in_a_watch_that_fails(obedient):
    obedient.watches = [Watched, fails(lambda: setattr(obedient, "now", 601))]
    with pytest.raises(DeadlineError, match=f"'watch' is still to be done.*; {PUT_BACK}"):
        obedient.shift()
    assert obedient.weight == 50 and put_back(obedient) == [("ok", 50, 100)]
    assert PUT_BACK in json.loads((obedient.state_dir / "app.progress.json").read_text())["reason"]


def test_a_breach_for_which_no_time_is_left_goes_all_the_way_back(obedient):
    obedient.watches = [Watched, fails(lambda: setattr(obedient, "now", 601), breached=True)]
    with pytest.raises(DeadlineError, match="weight 0 of service 'app' was written back and is in effect"):
        obedient.shift()
    assert obedient.weight == 0 and put_back(obedient) == [("ok", 0, 100)]


def test_an_api_that_does_not_answer_between_two_watches(obedient):
    obedient.watches = [Watched, fails(lambda: setattr(obedient, "silent_looks", 1))]
    with pytest.raises(ReplatformError, match=f"the API does not answer; {PUT_BACK}"):
        obedient.shift()
    assert obedient.weight == 50


def test_an_api_that_stays_away_is_told_of(obedient):
    obedient.watches = [Watched, fails(lambda: setattr(obedient, "silent_looks", 1000))]
    with pytest.raises(ReplatformError, match="50 .* was written back, but this is NOT VERIFIED"):
        obedient.shift()
    assert obedient.weight == 50 and put_back(obedient) == [("failed", 50, 100)]


def test_a_strangers_file_that_breaks_in_a_watch_that_fails(obedient):
    theirs = obedient.dynamic_dir / "theirs.yml"
    obedient.watches = [Watched, fails(lambda: theirs.write_text("http: ["))]
    with pytest.raises(RefusedError, match=f"theirs.yml can not be read.*; {PUT_BACK}; .* set aside: {theirs}"):
        obedient.shift()
    assert obedient.weight == 50 and not theirs.exists()


def test_a_way_back_that_is_not_verified_tells_what_was_set_aside_for_it(obedient):
    theirs = obedient.dynamic_dir / "theirs.yml"
    obedient.watches = [Watched, Watched]
    obedient.shift()
    theirs.write_text("http: [")
    obedient.blocked = True
    with pytest.raises(ReplatformError, match=f"NOT VERIFIED: .*; put back .* or set aside: {theirs}$"):
        obedient.shift(state="rolled_back")
    assert not theirs.exists()


def test_a_weight_that_was_found_unwatched(obedient):
    obedient.watches = [Watched]
    obedient.shift(max_weight=50)
    obedient.store.write(replace(obedient.store.read(), weight=100))
    with pytest.raises(DeadlineError, match=PUT_BACK):
        obedient.shift(deadline=0)
    assert obedient.weight == 50


def test_a_primary_side_that_does_not_answer_gets_nothing_back(obedient):
    obedient.watches = [Watched, fails(lambda: setattr(obedient, "now", 601))]
    obedient.primary_answers = False
    with pytest.raises(DeadlineError, match="stays at weight 100: no server of its primary side 'swarm' answers"):
        obedient.shift()
    assert obedient.weight == 100


@pytest.mark.parametrize("changes", [{"state": "present"}, {"max_weight": 50}], ids=["present", "at the safe weight"])
def test_what_is_safe_or_not_ours_to_move_stays(obedient, changes):
    obedient.watches = [Watched]
    obedient.shift(max_weight=50)
    before = (obedient.dynamic_dir / "app.yml").read_text()
    (obedient.dynamic_dir / "theirs.yml").write_text("http: [")
    with pytest.raises(RefusedError):
        obedient.shift(**changes)
    assert (obedient.dynamic_dir / "app.yml").read_text() == before and put_back(obedient) == []


@pytest.mark.parametrize(
    "error", [OSError("read-only"), ReplatformError("no room")], ids=["OSError", "ReplatformError"]
)
def test_a_strangers_file_that_can_not_be_mended_never_keeps_our_way_back_from_being_written(
    obedient, monkeypatch, error
):
    def mend(*_arguments):
        raise error

    obedient.watches = [Watched, Watched]
    obedient.shift()
    monkeypatch.setattr(Strangers, "mend", mend)
    (obedient.dynamic_dir / "theirs.yml").write_text("http: [")
    obedient.blocked = True
    with pytest.raises(ReplatformError, match=f"NOT VERIFIED: .*weight 0, but .*could not be mended: {error}"):
        obedient.shift(state="rolled_back")
    assert obedient.weight == 0


def test_the_copy_for_a_person_is_what_is_served_at_every_safe_weight(obedient):
    def same():
        return (obedient.state_dir / "app.last-good").read_text() == (obedient.dynamic_dir / "app.yml").read_text()

    obedient.shift(state="present")
    assert same()
    obedient.watches = [Watched, fails(), Watched]
    sessions = {"session_affinity": {"cookie_name": "c"}}
    obedient.shift(**sessions)
    assert same() and not obedient.store.read().tail
    obedient.shift(state="present", rule="Host(`new.lab`)", **sessions)
    assert same() and "new.lab" in (obedient.state_dir / "app.last-good").read_text()
    obedient.shift(state="promoted", rule="Host(`new.lab`)", **sessions)
    assert same() and obedient.store.read().primary.servers == ()


def test_the_copy_for_a_person_has_no_weight_that_is_not_safe(obedient):
    good = []

    def look():
        good.append(parse((obedient.state_dir / "app.last-good").read_text(), "app.last-good").weight)
        return Watched()

    obedient.watches = [look]
    obedient.shift(step_weights=[100])
    assert good == [0]
