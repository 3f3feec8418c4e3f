# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""redis_switchover on two real servers that know nothing of each other yet, in the order of this file: what is refused, what is waited
for, and a first copy that takes longer than clients may be held."""

from __future__ import annotations

import secrets

import pytest

from . import stores
from .test_redis_dead_man_real import said
from .test_redis_pair_real import names


def test_keys_of_all_databases_are_looked_at(pair):
    pair.swarm.ask("MSET", "a", "1", "b", "1", database=1)
    pair.k3s.ask("SET", "probe", "1")
    assert "holds 1 keys of its own" in pair.run("primary", pair.k3s)["failed"]
    pair.k3s.ask("FLUSHALL")
    pair.k3s.ask("SET", "mine", "1", database=1)
    assert "holds 1 keys of its own" in pair.run("replica", pair.k3s)["failed"]
    pair.k3s.ask("FLUSHALL")
    assert pair.swarm.ask("EXISTS", "a", database=1) == "1"


def test_one_that_would_take_writes_when_it_follows_is_refused(pair):
    pair.swarm.ask("CONFIG", "SET", "replica-read-only", "no")
    assert f"{pair.swarm.address} takes writes when it follows, too" in pair.run("primary", pair.k3s)["failed"]
    pair.swarm.ask("CONFIG", "SET", "replica-read-only", "yes")
    assert pair.swarm.role() == pair.k3s.role() == "master"


def fill(redis):
    """So much, and nothing that could be compressed, that it answers while it loads it."""
    for number in range(20):
        redis.ask("SET", f"key{number}", secrets.token_hex(2000))


@pytest.fixture(name="slow", scope="module")
def slow_fixture(pair):
    """The new one, which takes a while for each key that it loads."""
    with pair.k3s.file.open("a") as file:
        file.write("key-load-delay 200000\nloading-process-events-interval-bytes 1024\n")
    pair.k3s.restart()
    return pair.k3s


def test_what_one_has_not_loaded_yet_is_not_thrown_away_unasked(pair, slow):
    fill(slow)
    slow.restart()
    assert "loading:1" in slow.ask("INFO", "persistence")
    known = (pair.folder / "journal.jsonl").read_text()
    assert "holds 20 keys of its own" in pair.run("primary", slow)["failed"]
    assert '"wait_for_data"' in (pair.folder / "journal.jsonl").read_text().removeprefix(known)
    slow.ask("FLUSHALL")


def test_a_first_copy_may_take_longer_than_clients_are_held(pair, slow):
    """Nobody waits for it, so no dead-man ends it."""
    fill(pair.swarm)
    run = pair.run("primary", slow, dead_man=3)
    assert names(run)[-2:] == ["demote", "promote"]
    assert "wait_for_sync" in names(run)
    stores.until(lambda: pair.swarm.role() == "slave", "it follows")
    assert slow.ask("EXISTS", "a", database=1) == "1" and not said(pair, 0)
