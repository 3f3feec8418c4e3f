# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes to a Redis come back where clients are led, though nobody runs the handover again, on two real servers: never two writers."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import threading

import pytest

from . import redis_stores, stores
from .test_redis_pair_real import SOAK, names, sides

pytestmark = pytest.mark.slow

# The last record that the run gets to; a name that led to the new one before, as on the way back.
HOLDING = ["demote.start", "demote.ok", "promote.start", "promote.ok"]
KILLS = list(itertools.product(HOLDING, (False, True), (False, True)))
SAMPLE = [("demote.ok", False, False), ("demote.ok", True, True)]


class Name:
    """An address that leads to one server after the other, as a Service of a cluster does; where it leads nowhere it closes."""

    def __init__(self, leads_to):
        self.leads_to = leads_to
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.server.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            for turn in itertools.count():
                client, _address = self.server.accept()
                if not self.leads_to:
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self.leads_to[turn % len(self.leads_to)].port))
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    @staticmethod
    def _copy(source, sink):
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)

    def writes(self):
        try:
            with contextlib.closing(redis_stores.Client(int(self.address.rpartition(":")[2]))) as client:
                return client.ask("INCR", "through the name") != ""
        except (OSError, redis_stores.RedisError):
            return False


@contextlib.contextmanager
def named(*leads_to):
    name = Name(leads_to)
    yield name
    name.server.close()


def said(pair, since):
    return [one for one in records(pair)[since:] if one["step"] == "dead_man"]


def records(pair):
    path = pair.folder / "journal.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize(("at", "frozen", "back"), KILLS if SOAK else SAMPLE)
def test_writes_come_back_where_clients_are_led_and_nowhere_else(pair, at, frozen, back):
    serving, other = sides(pair)
    pair.run("replica", other)
    known, led = len(records(pair)), other if back else serving
    with named(led) as name, redis_stores.watched(pair):
        options = {"clients": name.address, "lead_timeout": 1, "dead_man": 1 if frozen else 60, "frozen": frozen}
        assert pair.run("primary", other, die=(at,), **options) == {}
        stores.until(name.writes, "clients write")
        assert led.role() == "master" and (serving if back else other).role() != "master"
        stores.until(lambda: len(said(pair, known)) in (0, 2), "it has ended")
        assert all(("was killed" in one["data"]["reason"]) == frozen for one in said(pair, known)[:1])
        assert "failed" not in pair.run("primary", other)


def test_a_controller_that_does_not_lead_the_name_has_its_writes_back(pair):
    """The module went well, and whoever ran it died."""
    serving, other = sides(pair)
    known = len(records(pair))
    with named(serving) as name, redis_stores.watched(pair):
        run = pair.run("primary", other, clients=name.address, lead_timeout=1, dead_man=60)
        assert other.role() == "master" and run["changed"]
        stores.until(name.writes, "clients write")
        assert (serving.role(), other.role()) == ("master", "slave")
        stores.until(lambda: len(said(pair, known)) == 2, "it has ended")
        assert said(pair, known)[1]["data"]["reason"] == f"{serving.address} takes writes"


def test_one_that_does_is_left_alone(pair):
    serving, other = sides(pair)
    with named(serving) as name, redis_stores.watched(pair):
        pair.run("primary", other, clients=name.address, lead_timeout=60, dead_man=60)
        known = len(records(pair))
        name.leads_to = (other,)
        # It has the lock of runs as soon as it has seen that.
        # The watch itself is connected now and then.
        assert set(names(pair.run("released", other))) <= {"disconnect"}
        assert name.writes() and not said(pair, known)


@pytest.mark.parametrize("at", ["demote.ok", "promote.ok"] if SOAK else ["promote.ok"])
def test_where_it_is_not_seen_where_clients_are_led_writes_stay_refused_and_that_is_said(pair, at):
    serving, other = sides(pair)
    pair.run("replica", other)
    known = len(records(pair))
    with named(*((serving, other) if at == "promote.ok" else ())) as name, redis_stores.watched(pair):
        pair.run("primary", other, die=(at,), clients=name.address, lead_timeout=1, dead_man=60)
        before = (serving.role(), other.role())
        stores.until(lambda: said(pair, known), "it is said")
        (fault,) = said(pair, known)
        assert fault["event"] == "failed" and "it is not seen which of" in fault["data"]["reason"]
        assert (serving.role(), other.role()) == before
        # It goes on as soon as that is seen.
        name.leads_to = (serving,)
        stores.until(name.writes, "clients write")
        assert serving.role() == "master" and other.role() == "slave"
        stores.until(lambda: len(said(pair, known)) == 3, "it has ended")


def test_without_a_name_the_old_one_is_the_master_again(pair):
    serving, other = sides(pair)
    pair.run("replica", other)
    with redis_stores.watched(pair):
        pair.run("primary", other, die=("demote.ok",), dead_man=60)
        stores.until(lambda: serving.role() == "master", "it is")
    assert other.role() == "slave"


def test_a_run_that_fails_in_between_says_what_became_of_writes(pair, monkeypatch):
    serving, other = sides(pair)
    pair.run("replica", other)
    with named(serving) as name, redis_stores.watched(pair):
        fault = pair.run("primary", other, clients=name.address, deadline=0)
        assert fault["failed"].startswith("0 s have passed and the step 'demote'") and serving.role() == "master"
        pair.run("primary", other, die=("demote.ok",))
        fault = pair.run("primary", other, clients=name.address, deadline=0)["failed"]
        assert (
            "'promote' is still to be done" in fault and f"; {serving.address} takes writes: mend that and run" in fault
        )
        assert name.writes()
