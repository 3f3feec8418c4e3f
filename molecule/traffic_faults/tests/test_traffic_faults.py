"""After the faults: each was found, traffic was back in time, a run that was killed left the last safe weight, and what broke later went back too."""

from __future__ import annotations

import datetime
import json
import typing as t

import pytest

EDGE = "docker://replatform-lab-sophia-production-instance"
STATE = "/var/lib/replatform"
THEIRS = "/etc/replatform/edge/dynamic/theirs.yml"
FAULTS = ("two of a hundred are 500", "slow", "crashes", "freezes", "fails while a file of another hand is broken")
UNDER_GUARD = " (under guard)"
testinfra_hosts = [EDGE]


def seconds(time: str) -> float:
    """Since the epoch, as the prober counts them."""
    return datetime.datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp()


@pytest.fixture(name="journal")
def journal_fixture(host: t.Any) -> list[dict[str, t.Any]]:
    """What was recorded of the cutover, in order."""
    lines = host.file(f"{STATE}/journal.jsonl").content_string.splitlines()
    return [record for record in map(json.loads, lines) if record["phase"] == "cutover"]


@pytest.fixture(name="all_backs")
def all_backs_fixture(journal: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """The ways back after a breach."""
    return [record for record in journal if record["event"] == "ok" and "back_ms" in record["data"]]


@pytest.fixture(name="backs")
def backs_fixture(all_backs: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Those that a shift went."""
    return [record for record in all_backs if not record["data"]["reason"].endswith(UNDER_GUARD)]


def test_every_fault_was_found_in_a_watch(backs: list[dict[str, t.Any]]) -> None:
    assert len(backs) == len(FAULTS)
    assert all(record["data"]["weight"] == 0 and record["data"]["passed"] for record in backs)


def test_the_crash_came_at_half_of_the_traffic(backs: list[dict[str, t.Any]]) -> None:
    assert backs[FAULTS.index("crashes")]["data"]["from_weight"] == 50


@pytest.mark.parametrize("number", range(len(FAULTS)), ids=FAULTS)
def test_clients_stayed_above_what_is_asked_for(
    host: t.Any, journal: list[dict[str, t.Any]], backs: list[dict[str, t.Any]], number: int
) -> None:
    """From the first share of the failing side to the way back, by what the prober was answered, second by second."""
    lines = host.check_output("cat /var/lib/replatform/prober/requests-*.jsonl").splitlines()
    moves = [seconds(record["time"]) for record in journal if (record["step"], record["event"]) == ("weight", "start")]
    after = seconds(backs[number - 1]["time"]) if number else 0.0
    begin, end = min(move for move in moves if move > after), seconds(backs[number]["time"])
    seen = [one for one in map(json.loads, lines) if begin <= one["t"] <= end]
    total, failed = (sum(one[key] for one in seen) for key in ("total", "failed"))
    print(f"{FAULTS[number]}: {failed} of {total} requests failed")
    assert total > 1000 and failed / total < 0.01


@pytest.mark.parametrize("number", range(len(FAULTS)), ids=FAULTS)
def test_traffic_was_back_within_three_seconds(backs: list[dict[str, t.Any]], number: int) -> None:
    assert backs[number]["data"]["back_ms"] <= 3000


def test_a_broken_file_of_another_hand_was_set_aside(host: t.Any, backs: list[dict[str, t.Any]]) -> None:
    assert backs[-1]["data"]["strangers_set_aside"] == [THEIRS]
    assert "X-Theirs" in host.file(THEIRS).content_string
    assert host.file(f"{THEIRS}.set-aside").content_string == "http: [\n"


def test_who_put_the_weight_back_after_a_kill(journal: list[dict[str, t.Any]]) -> None:
    (alone,) = [record for record in journal if "no sign of the controller" in str(record["data"].get("reason"))]
    assert "was written back and is in effect" in alone["data"]["reason"]
    (fired,) = [record for record in journal if record["step"] == "dead_man" and record["data"].get("restored")]
    assert fired["event"] == "ok" and fired["data"]["weight"] == 0


def test_the_next_run_went_on_to_the_end(host: t.Any, journal: list[dict[str, t.Any]]) -> None:
    moves = [record["data"] for record in journal if record["step"] == "weight" and record["event"] == "ok"]
    assert [move["weight"] for move in moves[-4:-1]] == [10, 50, 100]
    assert host.run("systemctl list-units 'replatform-deadman-*' --no-legend").stdout == ""


def test_the_guard_brought_back_what_broke_after_it_had_moved(host: t.Any, all_backs: list[dict[str, t.Any]]) -> None:
    (back,) = (record["data"] for record in all_backs if record["data"]["reason"].endswith(UNDER_GUARD))
    assert back == all_backs[-1]["data"]
    assert (back["from_weight"], back["weight"], back["passed"]) == (100, 0, True)
    assert back["back_ms"] <= 3000
    verdict = json.loads(host.file(f"{STATE}/traffic/backend.verdict.json").content_string)
    assert (verdict["service"], verdict["stays"]) == ("backend", "")
    assert back["reason"] == verdict["reason"] + UNDER_GUARD
    shares = json.loads(host.check_output("curl -sS http://127.0.0.1:8099/api/http/services/backend@file"))
    assert [child["weight"] for child in shares["weighted"]["services"]] == [100, 0]


def test_nobody_guards_any_more(host: t.Any) -> None:
    assert not host.file(f"{STATE}/traffic/guard.json").exists
    assert host.run(f"flock --nonblock {STATE}/traffic/guard.lock true").succeeded
