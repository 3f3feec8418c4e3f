"""The guard's judgement, its place and its verdicts, without an edge."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic import guard_way_back
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.guard import Guard, Orders
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.guard_judge import Judge, Seen
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.guard_place import Place
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.guard_run import run
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.guard_way_back import WayBack
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.metrics import Counts
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import Route, Side
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.store import Store
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.verdicts import Verdicts
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.watch import Plan

from .conftest import until

PLAN = Plan(interval=10, threshold=3)
LONG_AGO = Seen(Counts(1000, 900))


def judged(*looks, plan=PLAN, start=LONG_AGO):
    """What is said at each look, 0.3 s apart."""
    judge = Judge(plan, 0.0, start)
    return [judge.look(0.3 * number, seen) for number, seen in enumerate(looks, 1)]


def test_three_bad_looks_in_a_row_are_a_breach():
    said = judged(*(Seen(Counts(1000 + 20 * n, 900 + 10 * n)) for n in (1, 2, 3)))
    assert said[:2] == ["", ""] and "request-success-rate 50.00 %" in said[2]


def test_what_failed_before_and_a_side_that_nobody_asks_are_no_breach():
    assert judged(*[LONG_AGO] * 200) == [""] * 200
    assert judged(*(Seen(Counts(1000 + 20 * n, 900)) for n in range(200))) == [""] * 200


def test_a_server_that_does_not_answer_is_a_breach_without_any_request():
    assert judged(*[Seen(LONG_AGO.canary, probe="it is dead")] * 3)[2] == "it is dead"


def test_what_the_prober_and_a_prometheus_say_counts_too():
    clients = [Seen(LONG_AGO.canary, Counts(20 * n, 10 * n)) for n in (1, 2, 3)]
    assert judged(*clients)[2].startswith("by the prober, request-success-rate")
    assert judged(
        Seen(LONG_AGO.canary, query="q is 3", query_row=2), Seen(LONG_AGO.canary, query="q is 3", query_row=3)
    ) == ["", "q is 3"]


def test_two_percent_are_found_at_the_ends_of_three_intervals():
    plan = Plan(interval=3, threshold=3)
    # Two of a hundred each 3 s: never plain at once.
    looks = [Seen(Counts(1000 + 10 * n, 900 + n // 5)) for n in range(1, 40)]
    said = judged(*looks, plan=plan)
    first = next(number for number, reason in enumerate(said, 1) if reason)
    assert first == 30 and "98.00 % of 100 requests" in said[29]


def test_one_bad_interval_between_good_ones_is_forgiven():
    plan = Plan(interval=3, threshold=2)
    failed = 0
    looks = []
    for number in range(1, 61):
        failed += 2 if number in (5, 25, 45) else 0
        looks.append(Seen(Counts(1000 + 10 * number, 900 + failed)))
    assert judged(*looks, plan=plan) == [""] * 60


def test_a_second_guard_takes_the_place_of_the_first(tmp_path):
    place, order = Place(str(tmp_path)), []
    place.claim("one")
    begun = threading.Event()

    def first():
        with place.taken("one", 60):
            begun.set()
            until(lambda: not place.wants("one"))
            order.append("one ends")

    thread = threading.Thread(target=first)
    thread.start()
    begun.wait(60)
    assert place.guarded_by() == "one"
    place.claim("two")
    assert place.guarded_by() == ""
    with place.taken("two", 60):
        order.append("two begins")
        assert place.guarded_by() == "two"
    thread.join()
    assert order == ["one ends", "two begins"] and place.guarded_by() == ""


def test_a_guard_that_does_not_end_and_one_that_is_wanted_no_more_are_refused(tmp_path):
    place = Place(str(tmp_path))
    place.claim("one")
    with place.taken("one", 60):
        with pytest.raises(RefusedError, match="does not end"):
            place.give_up(0)
        place.claim("two")
        with pytest.raises(RefusedError, match="does not end"), place.taken("two", 0):
            pass
        place.claim("three")
        with pytest.raises(RefusedError, match="another guard has been begun"), place.taken("two", 60):
            pass
    place.give_up(0)


def test_what_keeps_a_guard_from_beginning_is_told_to_who_waits_for_it(tmp_path):
    options = {"state_dir": str(tmp_path), "patience": 60, "id": "one"}
    service = {"name": "app", "threshold": 0, "interval": 1}
    with pytest.raises(ReplatformError, match="threshold of 'app' must be at least 1"):
        run({**options, "state": "guarding", "services": [service]})
    with pytest.raises(ReplatformError, match="no guard on this edge: services: threshold of 'app'"):
        run({**options, "state": "asked"})
    with pytest.raises(ReplatformError, match="no guard has begun on this edge within 0 s"):
        run({**options, "state": "asked", "id": "two", "patience": 0})


def test_a_verdict_stays_until_it_is_forgotten(tmp_path):
    verdicts = Verdicts(str(tmp_path / "none"))
    assert verdicts.read() == []
    verdicts = Verdicts(str(tmp_path))
    verdicts.note("app", "slow")
    verdicts.note("app", "slow", "nobody answers")
    (found,) = verdicts.read()
    assert (found["service"], found["reason"], found["stays"]) == ("app", "slow", "nobody answers")
    verdicts.forget()
    assert verdicts.read() == []


@pytest.mark.parametrize("content", [b"", b"null\n", b"[1]", b'{"service": "app"}', b'{"what": 1}', b"\xff"])
def test_a_verdict_that_can_not_be_read_is_told_and_forgotten(tmp_path, content):
    (tmp_path / "app.verdict.json").write_bytes(content)
    options = {"state_dir": str(tmp_path), "patience": 1, "id": ""}
    for state in ("asked", "ended"):
        (found,) = run({**options, "state": state})["verdicts"]
        assert (found["service"], found["time"], found["returning"]) == ("app", "", False)
        assert "its verdict can not be read" in found["reason"] and "app.progress.json" in found["stays"]
    Verdicts(str(tmp_path)).forget()
    assert list(tmp_path.iterdir()) == []


class Killed(BaseException):
    pass


@pytest.mark.parametrize(
    ("ends", "weight", "stays", "returning"),
    [
        (None, 0, "", False),
        (RefusedError("3 checks failed"), 0, "", False),
        (ReplatformError("NOT VERIFIED"), 0, "NOT VERIFIED", True),
        (ReplatformError("no server answers"), 100, "no server answers", False),
        (KeyError("a mistake"), 100, "the guard has failed: KeyError('a mistake')", False),
        (Killed(), 100, "it is being brought back", True),
    ],
)
def test_only_what_is_back_is_told_to_be(tmp_path, monkeypatch, ends, weight, stays, returning):
    def drive(*_arguments, **_more):
        store.write(replace(route, weight=weight))
        if ends:
            raise ends

    store = Store("app", str(tmp_path), str(tmp_path))
    route = Route("app", "Host(`app`)", Side("swarm", ("http://127.0.0.1:9",)), Side("k3s", ("http://127.0.0.1:9",)))
    route = replace(route, weight=100)
    store.write(route)
    verdicts = Verdicts(str(tmp_path))
    back = WayBack({"app": PLAN}, lambda _name: store, "http://127.0.0.1:9", verdicts, None, "cutover")
    monkeypatch.setattr(guard_way_back, "drive", drive)
    with contextlib.suppress(Killed):
        back.take(route, "slow")
    (found,) = verdicts.read()
    assert (found["reason"], found["stays"], found["returning"]) == ("slow", stays, returning)


class Counting:
    """An edge that counts a breach of every service from its first look on."""

    def __init__(self):
        self.looks = 0

    def metrics_text(self):
        self.looks += 1
        line = 'traefik_service_requests_total{{code="{}",service="app-k3s@file"}} {}\n'
        return "process_start_time_seconds 1\n" + line.format(500, 50 * self.looks) + line.format(200, self.looks)


class Noted:
    """Ways back that are only noted."""

    def __init__(self):
        self.taken, self.left = [], []

    def take(self, route, reason):
        self.taken.append(route.name)

    def leave(self, route, reason, stays):
        self.left.append(stays)


def guarding(tmp_path, looks=12, weight=100, servers=("http://127.0.0.1:9",), **orders):
    store = Store("app", str(tmp_path), str(tmp_path))
    store.write(
        Route("app", "Host(`app`)", Side("swarm", servers), Side("k3s", ("http://127.0.0.1:9",)), weight=weight)
    )
    noted = Noted()
    guard = Guard("one", Place(str(tmp_path)), Orders({"app": PLAN}, **orders), Counting(), lambda _name: store, noted)
    for _look in range(looks):
        guard.look()
    guard.ended.reason = "enough"
    guard.run()
    return noted


def test_what_has_moved_and_breaks_goes_back(tmp_path):
    assert guarding(tmp_path).taken[:1] == ["app"]


@pytest.mark.parametrize("route", [{"weight": 0}, {"servers": ()}, {"side": "other"}])
def test_what_has_not_moved_or_has_nowhere_to_go_is_let_alone(tmp_path, route):
    noted = guarding(tmp_path, **route)
    assert noted.taken == [] and noted.left == []


def test_what_a_shift_works_on_is_let_alone(tmp_path):
    with Store("app", str(tmp_path), str(tmp_path)).locked(0):
        assert guarding(tmp_path).taken == []
    assert guarding(tmp_path).taken


def test_with_a_store_on_k3s_it_stays_and_is_said_once(tmp_path):
    noted = guarding(tmp_path, stores=("db",))
    assert noted.taken == [] and len(noted.left) == 1 and noted.left[0].startswith("db is on K3s")
    assert guarding(tmp_path, stores=("db",), returns=("app",)).taken


def test_while_a_store_is_handed_over_it_is_only_told(tmp_path):
    noted = guarding(tmp_path, hold=600)
    assert noted.taken == [] and noted.left == []
