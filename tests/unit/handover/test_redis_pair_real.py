"""redis_switchover on two real Redis servers, under numbered writes."""

from __future__ import annotations

import itertools
import os

import pytest

from . import redis_stores, stores

SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"


@pytest.fixture(scope="module")
def pair():
    program, libraries = stores.unpacked("redis-server")
    assert program, "Redis is missing: run make unit, which unpacks Debian's"
    made = redis_stores.Pair(program, libraries)
    yield made
    made.end()


def names(result):
    return [step["name"] for step in result["steps"]]


def judge(pair, writers):
    for writer, redis in itertools.product(writers, (pair.swarm, pair.k3s)):
        wanted = [str(number) for number in writer.acknowledged]
        stores.until(
            lambda r=redis, w=writer: int(r.ask("LLEN", w.name_)) >= len(w.acknowledged), "the replica has all"
        )
        assert redis.ask("LRANGE", writer.name_, "0", "-1").split("\n") == wanted, "lost or doubled"
    longest = max(writer.longest_s for writer in writers)
    print(f"{sum(len(writer.acknowledged) for writer in writers)} writes, longest pause {longest:.2f} s")


def test_there_and_back_and_a_second_run_changes_nothing(pair):
    with pair.load() as writers:
        plan = pair.run("primary", pair.k3s, check=True)
        assert names(plan) == ["replicate", "wait_for_sync", "carry_settings", "demote", "promote"]
        assert pair.k3s.role() == "master"
        assert "carry_settings" in names(pair.run("replica", pair.k3s))
        assert pair.k3s.ask("CONFIG", "GET", "maxmemory") == "maxmemory\n67108864"
        with redis_stores.watched(pair):
            assert "promote" in names(pair.run("primary", pair.k3s))
            assert not pair.run("primary", pair.k3s)["changed"]
            assert "promote" in names(pair.run("primary", pair.swarm))
    judge(pair, writers)


def test_killed_at_every_record_and_run_again(pair):
    pair.run("replica", pair.k3s)
    chosen = [(at,) for at in range(6)] + list(itertools.product(range(0, 6, 2), (20, 60, 150)))
    moves = zip(itertools.cycle((pair.k3s, pair.swarm)), chosen if SOAK else chosen[1:4])
    with pair.load() as writers, redis_stores.watched(pair):
        for target, death in moves:
            pair.run("primary", target, die=death)
            result = pair.run("primary", target)
            assert "failed" not in result, (death, result)
    judge(pair, writers)


def test_what_the_new_one_holds_is_not_thrown_away_unasked(pair):
    serving = next(redis for redis in (pair.swarm, pair.k3s) if redis.role() == "master")
    other = pair.k3s if serving is pair.swarm else pair.swarm
    assert "failed" not in pair.run("replica", other)
    other.ask("REPLICAOF", "NO", "ONE")
    assert "both masters of one origin" in pair.run("primary", other)["failed"]
