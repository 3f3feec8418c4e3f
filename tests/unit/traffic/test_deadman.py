"""The dead-man's script by itself: it acts once, on the very file that it was told of, and is harmless otherwise."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

from .conftest import until

FILE = pathlib.Path(__file__).parents[3] / "roles/edge/files/deadman.py"
_spec = importlib.util.spec_from_file_location("deadman", FILE)
deadman = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(deadman)

OURS = deadman.HEADER.decode()
STEP, SAFE = f"{OURS}\nthe step\n", f"{OURS}\nthe safe one\n"


@pytest.fixture()
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(deadman, "LOOK_S", 0.01)
    monkeypatch.setattr(deadman, "LOCK_S", 0.1)
    monkeypatch.setattr(deadman, "STRANGER_S", 0.05)
    monkeypatch.setattr(deadman, "EFFECT_S", 0.2)
    monkeypatch.setattr(deadman, "shown", lambda orders: orders["weights"])
    (tmp_path / "dynamic").mkdir()
    (tmp_path / "dynamic/app.yml").write_text(STEP)
    return tmp_path


def order(host, **changes):
    orders = {
        "api_url": "http://127.0.0.1:9",
        "journal": str(host / "journal.jsonl"),
        "lock": str(host / "app.lock"),
        "nonce": "n",
        "path": str(host / "dynamic/app.yml"),
        "patience_s": 0.02,
        "phase": "cutover",
        "protocol": "http",
        "service": "app",
        "step_sha256": hashlib.sha256(STEP.encode()).hexdigest(),
        "strangers": str(host / "strangers"),
        "text": SAFE,
        "weight": 5,
        "weights": {"app-swarm": 95, "app-k3s": 5},
        **changes,
    }
    (host / "orders.json").write_text(json.dumps(orders))
    return str(host / "orders.json")


def run(orders, monkeypatch, nonce="n"):
    monkeypatch.setattr(sys, "argv", ["deadman.py", orders, nonce])
    return deadman.main()


def events(host):
    journal = host / "journal.jsonl"
    return [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []


def test_it_puts_the_safe_file_back_and_says_so(host, monkeypatch):
    orders = order(host)
    assert run(orders, monkeypatch) == 0
    assert (host / "dynamic/app.yml").read_text() == SAFE
    start, ok = events(host)
    assert (start["event"], ok["event"], ok["step"], ok["subject"]) == ("start", "ok", "dead_man", "app")
    assert ok["data"]["weight"] == 5 and ok["data"]["restored"] is True


def test_twice_is_once(host, monkeypatch):
    orders = order(host)
    run(orders, monkeypatch)
    (host / "dynamic/app.yml").write_text(STEP)
    assert run(orders, monkeypatch) == 0
    assert (host / "dynamic/app.yml").read_text() == STEP and len(events(host)) == 2


def test_late_it_leaves_what_came_after_the_step(host, monkeypatch):
    orders = order(host)
    (host / "dynamic/app.yml").write_text(f"{OURS}\na later step\n")
    assert run(orders, monkeypatch) == 0
    assert (host / "dynamic/app.yml").read_text() == f"{OURS}\na later step\n"
    (only,) = events(host)
    assert only["event"] == "ok" and only["data"]["restored"] is False


def test_orders_of_another_step_are_not_its_own(host, monkeypatch):
    assert run(order(host, nonce="other"), monkeypatch) == 0
    assert (host / "dynamic/app.yml").read_text() == STEP and events(host) == []


def test_orders_that_are_taken_back_end_it(host):
    orders = order(host, patience_s=600)
    process = subprocess.Popen([sys.executable, str(FILE), orders, "n"])
    pathlib.Path(orders).unlink()
    assert process.wait(30) == 0
    assert (host / "dynamic/app.yml").read_text() == STEP


def test_a_way_back_that_traefik_does_not_show_is_recorded_as_failed(host, monkeypatch):
    monkeypatch.setattr(deadman, "shown", lambda orders: {"app-swarm": 100})
    monkeypatch.setattr(deadman, "last_reload", lambda orders: 1.0)
    (host / "strangers").mkdir()
    (host / "strangers/theirs.yml").write_text("good")
    (host / "dynamic/theirs.yml").write_text("broken")
    assert run(order(host), monkeypatch) == 1
    assert (host / "dynamic/app.yml").read_text() == SAFE
    last = events(host)[-1]
    assert last["event"] == "failed" and "NOT verified" in last["data"]["reason"]
    assert (host / "dynamic/theirs.yml").read_text() == "good"
    assert (host / "dynamic/theirs.yml.set-aside").read_text() == "broken"


@pytest.mark.parametrize(
    ("shown", "reloaded_s"),
    [(None, 1.0), ({"app-swarm": 100}, 1e12), ({"app-swarm": 100}, 0.0)],
    ids=["Traefik is down", "it has taken that file", "it does not say when"],
)
def test_files_of_others_stay_where_nothing_says_that_they_are_in_the_way(host, monkeypatch, shown, reloaded_s):
    monkeypatch.setattr(deadman, "shown", lambda orders: shown)
    monkeypatch.setattr(deadman, "last_reload", lambda orders: reloaded_s)
    (host / "dynamic/theirs.yml").write_text("good, and never kept")
    assert run(order(host), monkeypatch) == 1
    assert (host / "dynamic/theirs.yml").exists() and events(host)[-1]["data"]["strangers"] == []


@pytest.mark.parametrize(("shown_again", "mended"), [(True, ["theirs.yml"]), (False, ["theirs.yml", "others.yml"])])
def test_what_traefik_may_serve_goes_after_what_it_does_not(host, monkeypatch, shown_again, mended):
    others, theirs = host / "dynamic/others.yml", host / "dynamic/theirs.yml"
    others.write_text("good, and never kept")
    taken_s = others.stat().st_ctime - 0.01
    until(lambda: time.time() > taken_s + 0.1)
    theirs.write_text("broken")
    monkeypatch.setattr(deadman, "STRANGER_S", 0.1)
    monkeypatch.setattr(deadman, "EFFECT_S", 1.0)
    monkeypatch.setattr(deadman, "RELOAD_S", 0.05)
    monkeypatch.setattr(deadman, "last_reload", lambda _orders: taken_s)
    monkeypatch.setattr(
        deadman,
        "shown",
        lambda orders: orders["weights"] if shown_again and not theirs.exists() else {"app-swarm": 100},
    )
    run(order(host), monkeypatch)
    assert [pathlib.Path(path).name for path in events(host)[-1]["data"]["strangers"]] == mended
    assert others.exists() == shown_again


def test_what_broke_while_traefik_took_a_change_goes_back_too(host, monkeypatch):
    theirs = host / "dynamic/theirs.yml"
    theirs.write_text("broken")
    monkeypatch.setattr(
        deadman, "last_reload", lambda _orders: theirs.stat().st_ctime + 0.5 if theirs.exists() else 1.0
    )
    monkeypatch.setattr(deadman, "shown", lambda orders: {} if theirs.exists() else orders["weights"])
    assert run(order(host), monkeypatch) == 0
    assert events(host)[-1]["data"]["strangers"] == [str(theirs)]


def test_a_file_of_others_that_can_not_be_mended_is_recorded(host, monkeypatch):
    def no_room(*_arguments):
        raise OSError("no room")

    monkeypatch.setattr(deadman, "shown", lambda orders: {})
    monkeypatch.setattr(deadman, "last_reload", lambda orders: 1.0)
    monkeypatch.setattr(deadman, "set_aside", no_room)
    (host / "dynamic/theirs.yml").write_text("broken")
    assert run(order(host), monkeypatch) == 1
    last = events(host)[-1]
    assert (last["event"], last["data"]["restored"]) == ("failed", True) and "no room" in last["data"]["reason"]


def test_a_strangers_file_keeps_its_mode_and_owner_and_each_that_was_set_aside(host):
    kept, users = host / "strangers", host / "dynamic/users.yml"
    kept.mkdir()
    (kept / "users.yml").write_text("good")
    for content in ("first", "second"):
        users.write_text(content)
        users.chmod(0o600)
        if not os.geteuid():
            os.chown(users, 1234, 1235)
        was = users.stat()
        assert deadman.mend_strangers(str(host / "dynamic"), str(kept), 1.0) == [str(users)]
        now = users.stat()
        assert (now.st_mode, now.st_uid, now.st_gid) == (was.st_mode, was.st_uid, was.st_gid)
    assert users.read_text() == "good"
    asides = [users.with_name("users.yml.set-aside"), users.with_name("users.yml.set-aside.2")]
    assert [aside.read_text() for aside in asides] == ["first", "second"]


def test_a_torn_line_in_the_journal_is_closed(host, monkeypatch):
    (host / "journal.jsonl").write_text('{"torn')
    run(order(host), monkeypatch)
    assert [bool(line.startswith('{"data"')) for line in (host / "journal.jsonl").read_text().splitlines()] == [
        False,
        True,
        True,
    ]
