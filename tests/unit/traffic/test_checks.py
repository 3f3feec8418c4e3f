"""When a watch becomes a breach, and the small readers around it. Nothing here runs a Traefik."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
import time

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic import connections, prometheus, watch
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.analysis import Checks, Metric
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.beside import Beside
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.metrics import Counts, Snapshot, parse
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.prober_data import ProberData
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.progress import Progress
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import Route, Side
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.strangers import Strangers
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.watch import CHECK_S
from hypothesis import given
from hypothesis import strategies as st

METRICS = (Metric("request-success-rate", min=99), Metric("request-duration", max=500))
ROUTE = Route("app", "Host(`a`)", Side("swarm", ("http://a:1",)), Side("k3s", ("http://b:1",)))


def looks(checks, answers, every_s=0.4):
    """The number of the look that found a breach, None without one; O(answers) has total and failed of each look."""
    total = failed = 0
    checks.look(0.0, Counts())
    for number, (more, bad) in enumerate(answers, start=1):
        total, failed = total + more, failed + bad
        if checks.look(number * every_s, Counts(total, failed)):
            return number
    return None


@pytest.mark.parametrize(("rate", "failing"), [(5, 1.0), (20, 0.5), (100, 0.5), (100, 0.2)])
def test_a_canary_that_plainly_fails_is_found_within_three_seconds(rate, failing):
    # 2.1 s leave 0.9 s for writing weight 0.
    answers = [(rate * CHECK_S, rate * CHECK_S * failing)] * 7
    assert looks(Checks(METRICS, 3), answers, CHECK_S) is not None


def test_good_times_before_do_not_hide_bad_ones():
    assert looks(Checks(METRICS, 3), [(40, 0)] * 500 + [(40, 20)] * 4) in (503, 504)


def test_the_row_begins_anew_after_a_good_stretch():
    burst, calm = [(40, 20)], [(40, 0)] * 9
    assert looks(Checks(METRICS, 3), (burst + calm) * 20) is None
    assert looks(Checks(METRICS, 3), burst * 3) == 3


@given(st.lists(st.integers(0, 400), max_size=200))
def test_a_canary_within_its_limits_is_never_sent_back(totals):
    failed = 0.0
    answers = []
    for total in totals:
        share = total * 0.01 + failed
        answers.append((total, int(share)))
        failed = share - int(share)
    assert looks(Checks(METRICS, 1), answers) is None


def test_each_failed_probe_is_a_failed_check():
    checks = Checks(METRICS, 2)
    assert not checks.look(1, Counts(), "no answer")
    assert not checks.look(2, Counts())
    assert checks.look(3, Counts(), "no answer") and checks.reason == "no answer"


def test_slow_answers_are_found_before_the_end():
    slow = Counts(40, 0, {0.1: 20, 1.0: 40, float("inf"): 40})
    assert slow.slower_than(500) == pytest.approx(20 - 20 * 0.4 / 0.9)
    assert slow.slower_than(50) == pytest.approx(30)
    assert slow.slower_than(2000) == 0 and Counts(5).slower_than(1) == 0
    checks = Checks(METRICS, 1)
    checks.look(0, Counts())
    assert checks.look(0.4, slow) and "request-duration p99" in checks.reason


def test_traefik_says_when_it_last_took_a_change():
    assert parse("traefik_config_last_reload_success 1.79543e+09\n", []).last_reload_s == 1.79543e9
    assert parse("", []).last_reload_s == 0


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ({"status": "success", "data": {"resultType": "vector", "result": [{"value": [1, "2.5"]}]}}, 2.5),
        ({"status": "success", "data": {"resultType": "vector", "result": [{"value": [1, "NaN"]}]}}, None),
        ({"status": "success", "data": {"resultType": "vector", "result": []}}, None),
        ({"status": "success", "data": {"resultType": "scalar", "result": [1, "7"]}}, 7.0),
    ],
)
def test_an_answer_of_prometheus_is_one_number_or_none(answer, value):
    assert prometheus.read(answer, "q") == value


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"status": "error", "error": "bad"},
        {"status": "success", "data": {"resultType": "matrix", "result": []}},
        {"status": "success", "data": {"resultType": "vector", "result": [{"value": [1, "1"]}, {"value": [1, "2"]}]}},
    ],
)
def test_other_answers_are_refused(answer):
    with pytest.raises(ReplatformError, match="'q'"):
        prometheus.read(answer, "q")


def test_a_query_without_a_value_is_wrong_only_at_the_end(monkeypatch):
    answers = {"few": None, "many": 7.0}
    monkeypatch.setattr(prometheus, "ask", lambda _url, query: answers[query])
    queries = prometheus.Queries("u", [Metric("a", min=1, query="few"), Metric("b", max=9, query="many")], ROUTE, 1)
    assert queries.look() == "" and queries.values == {"a": None, "b": 7.0}
    assert queries.last() == "a has no value"
    answers.update(few=1.0, many=10.0)
    assert queries.look() == "b 10 is above 9"


def test_what_is_looked_at_beside_a_watch_stands_until_the_next_look_and_is_counted():
    looked, go = threading.Semaphore(0), threading.Semaphore(0)
    faults = iter(["gone", "gone", "", "again"])

    def look():
        looked.release()
        go.acquire()
        return next(faults, "again")

    beside, rows = Beside(look, 0.001), []
    with beside.running():
        looked.acquire()
        for _look in range(4):
            go.release()
            looked.acquire()  # the next look: the one before is written down
            rows.append((beside.row, beside.said))
        go.release()
    assert rows == [(1, "gone"), (2, "gone"), (0, ""), (1, "again")]


class FakeApi:
    """A Traefik whose canary answers all that it is asked, with what Traefik does not count as failed."""

    def __init__(self) -> None:
        self.total = 0.0

    def snapshot(self, _route):
        self.total += 10
        return Snapshot({"app-swarm": Counts(self.total), "app-k3s": Counts(self.total)}, {}, 1.0, 1.0)


def watched(folder, plan, alive=lambda: None):
    route = dataclasses.replace(ROUTE, weight=50, canary=Side("k3s", ()))
    return watch.Watch(route, FakeApi(), plan, Progress(str(folder / "progress.json"), "app"), "watch", alive).run()


def test_what_traefik_does_not_count_fails_the_watch_at_its_end(tmp_path):
    def ask():
        with (tmp_path / "requests-20261127T10.jsonl").open("a") as file:
            file.write(json.dumps({"t": time.time(), "service": "app", "total": 20, "failed": 1}) + "\n")

    plan = watch.Plan(interval=0.5, metrics=(Metric("request-success-rate", min=99.0),), prober_dir=str(tmp_path))
    assert watched(tmp_path, plan).reason == ""
    seen = watched(tmp_path, plan, ask)
    assert seen.reason.startswith("by the prober, request-success-rate 95.00 %")
    assert not seen.breached


def test_a_prober_that_writes_nothing_fails_the_watch(tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "_PROBER_WRITES_S", 0.3)
    plan = watch.Plan(interval=0.4, metrics=(), prober_dir=str(tmp_path))
    said = watched(tmp_path, plan).reason
    assert "the prober wrote nothing into" in said and ": restart it, or leave prober_dir out" in said


def test_answers_of_prometheus_in_a_row_are_a_breach_before_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "_QUERY_S", 0.2)
    monkeypatch.setattr(prometheus, "ask", lambda _url, _query: 7.0)
    metrics = (Metric("queue", max=5, query="q"),)
    seen = watched(tmp_path, watch.Plan(interval=60, threshold=3, metrics=metrics, prometheus_url="u"))
    assert seen.breached and seen.reason == "queue 7 is above 5"


def test_names_are_put_into_a_query():
    query = prometheus.fill_in("<service> <primary> <canary> [<interval>]", ROUTE, 2.5)
    assert query == "app@file app-swarm@file app-k3s@file [3s]"


# Recorded on x86-64, shortened: established to 127.0.0.1:8080, listening, and mapped IPv4 in TIME-WAIT.
TABLE = """  sl  local_address rem_address   st tx_queue rx_queue
   0: 0100007F:C350 0100007F:1F90 01 00000000:00000000
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000
   2: 0000000000000000FFFF00000100007F:C351 0000000000000000FFFF00000100007F:1F90 06 00000000:00000000
"""


def test_the_kernels_table_is_read():
    assert connections.read(TABLE) == {("127.0.0.1:50000", "127.0.0.1:8080"), ("127.0.0.1:50001", "127.0.0.1:8080")}
    assert connections.read(TABLE, {"01"}) == {("127.0.0.1:50000", "127.0.0.1:8080")}


def test_each_new_connection_counts_once():
    tables = [{("a:1", "127.0.0.1:80")}, {("a:1", "127.0.0.1:80"), ("a:2", "127.0.0.1:80"), ("a:3", "127.0.0.1:81")}]
    counter = connections.Counter(["127.0.0.1:80"], lambda: tables[-1])
    for _look in range(3):
        counter.look()
    assert counter.count(["127.0.0.1:80"]) == 2
    assert connections.established(["127.0.0.1:80"], lambda: tables[-1]) == 2


def test_the_prober_is_followed_from_now_on(tmp_path):
    old, new = tmp_path / "requests-20261127T10.jsonl", tmp_path / "requests-20261127T11.jsonl"
    told = {"t": int(time.time()), "service": "app", "total": 20, "failed": 1}
    line, late = json.dumps(told) + "\n", json.dumps({**told, "t": told["t"] - 1}) + "\n"
    old.write_text(line * 5)
    data = ProberData(str(tmp_path), "app")
    assert data.read() == Counts()
    with old.open("a") as file:
        file.write(line + late + '{"torn\n' + line[:10])
    new.write_text(line + line.replace("app", "other"))
    assert data.read() == Counts(40, 2)
    with old.open("a") as file:
        file.write(line[10:])
    assert data.read() == Counts(60, 3)


def test_progress_is_written_each_second_and_at_each_step(tmp_path):
    now = [0.0]
    progress = Progress(str(tmp_path / "p"), "app", lambda: now[0])
    seen = []
    for at, step in [(0.0, "watch"), (0.5, "watch"), (0.6, "weight"), (1.0, "weight"), (1.7, "weight")]:
        now[0] = at
        progress.say(step, 5, at=at)
        seen.append(json.loads((tmp_path / "p").read_text())["at"])
    assert seen == [0.0, 0.0, 0.6, 0.6, 1.7]
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_a_strangers_file_goes_back_to_what_was_taken_of_it(tmp_path):
    dynamic, kept = tmp_path / "dynamic", tmp_path / "kept"
    (dynamic / "sub").mkdir(parents=True)
    (dynamic / "sub/a.yml").write_text("a: 1")
    (dynamic / "gone.yml").write_text("a: 1")
    strangers = Strangers(str(dynamic), str(kept))
    now = time.time() + 3600
    strangers.keep(now)
    (dynamic / "gone.yml").unlink()
    strangers.keep(now)
    assert not (kept / "gone.yml").exists()
    (dynamic / "sub/a.yml").write_text("a: [")
    # What changed after our own change was written may be what Traefik refuses.
    strangers.keep(os.stat(dynamic / "sub/a.yml").st_ctime)
    assert (kept / "sub/a.yml").read_text() == "a: 1"
    (dynamic / "new.yml").write_text("b: [")
    assert strangers.mend(strangers.files()) == [str(dynamic / "new.yml"), str(dynamic / "sub/a.yml")]
    assert (dynamic / "sub/a.yml").read_text() == "a: 1" and not (dynamic / "new.yml").exists()
    assert (dynamic / "sub/a.yml.set-aside").read_text() == "a: [" and (dynamic / "new.yml.set-aside").exists()
    assert strangers.mend(strangers.files()) == []


@pytest.mark.parametrize("full", [False, True], ids=["", "full disk"])
def test_a_strangers_file_keeps_its_mode_and_owner_and_each_that_was_set_aside(tmp_path, monkeypatch, full):
    dynamic, kept = tmp_path / "dynamic", tmp_path / "kept"
    dynamic.mkdir()
    kept.mkdir()
    users = dynamic / "users.yml"
    users.write_text("good")
    users.chmod(0o600)
    if not os.geteuid():
        os.chown(users, 1234, 1235)
    was = users.stat()
    strangers = Strangers(str(dynamic), str(kept))
    if full:

        def no_room(*_arguments, **_more):
            raise ReplatformError("no room")

        monkeypatch.setattr(
            "ansible_collections.sophia.replatform.plugins.module_utils.traffic.strangers.taking_its_place", no_room
        )
    for content in ("first [", "second ["):
        (kept / "users.yml").write_text("good")
        users.write_text(content)
        assert strangers.mend([str(users)]) == [str(users)]
        now = users.stat()
        assert (now.st_mode, now.st_uid, now.st_gid) == (was.st_mode, was.st_uid, was.st_gid)
        assert users.read_text() == "good"
    asides = [dynamic / "users.yml.set-aside", dynamic / "users.yml.set-aside.2"]
    assert [(aside.read_text(), aside.stat().st_mode) for aside in asides] == [
        ("first [", was.st_mode),
        ("second [", was.st_mode),
    ]


def test_only_what_changed_after_the_last_reload_is_unread(tmp_path):
    (tmp_path / "a.yml").write_text("a: 1")
    strangers = Strangers(str(tmp_path), str(tmp_path / "kept"))
    changed = os.stat(tmp_path / "a.yml").st_ctime
    waited = []
    assert strangers.unread(changed + 1, waited.append) == [] and waited == []
    assert strangers.unread(changed - 1, waited.append) == [str(tmp_path / "a.yml")] and len(waited) == 1
    assert strangers.unread(0.0, waited.append) == []
