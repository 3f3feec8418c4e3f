"""redis_switchover on two real Redis servers, under numbered writes."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.handover import redis_pair_scripts

from . import redis_stores, stores

pytestmark = pytest.mark.slow

SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"


def names(result):
    return [step["name"] for step in result["steps"]]


def sides(pair):
    """The master and the other one."""
    return (pair.swarm, pair.k3s) if pair.swarm.role() == "master" else (pair.k3s, pair.swarm)


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
        with redis_stores.watched(pair):
            assert pair.k3s.settings() != redis_stores.GIVEN
            assert "carry_settings" in names(pair.run("replica", pair.k3s))
            assert pair.k3s.settings() == redis_stores.GIVEN
            assert "promote" in names(pair.run("primary", pair.k3s))
            assert pair.k3s.settings() == redis_stores.GIVEN
            assert not pair.run("primary", pair.k3s)["changed"]
            assert "promote" in names(pair.run("primary", pair.swarm))
            assert pair.swarm.settings() == redis_stores.GIVEN
    judge(pair, writers)


def test_a_client_that_came_before_it_was_led_elsewhere_is_not_refused_for_ever(pair):
    """It is sent away by the demotion and connects again at once, to the old one, as most clients do; it keeps that connection."""
    serving, other = sides(pair)
    pair.run("primary", other)
    with redis_stores.watched(pair), contextlib.closing(redis_stores.Client(serving.port)) as client:
        with pytest.raises(redis_stores.RedisError, match="READONLY"):
            client.ask("INCR", "by the old way")
        assert names(pair.run("released", other, check=True)) == ["disconnect"]
        assert client.ask("PING") == "PONG"
        assert names(pair.run("released", other)) == ["disconnect"]
        with pytest.raises(OSError):
            client.ask("PING")
    assert (serving.role(), other.role()) == ("slave", "master")
    assert not pair.run("released", other)["changed"]


# An empty save is one as well: no snapshots.
CHANGED = {
    "appendonly": "no",
    "appendfsync": "no",
    "maxmemory": "33554432",
    "maxmemory-policy": "volatile-ttl",
    "save": "",
}


def test_what_the_master_is_set_to_now_is_carried_each_way_and_outlives_a_restart(pair):
    serving, other = sides(pair)
    for source, target, wanted in ((serving, other, CHANGED), (other, serving, redis_stores.GIVEN)):
        for setting in wanted.items():
            source.ask("CONFIG", "SET", *setting)
        with redis_stores.watched(pair):
            assert "carry_settings" in names(pair.run("primary", target))
        target.restart()
        assert target.settings() == wanted


def test_the_files_with_the_password_stay_closed_to_others(pair):
    """Redis itself makes them readable by all whenever it writes them."""
    serving, other = sides(pair)
    with redis_stores.watched(pair):
        assert "promote" in names(pair.run("primary", other))
    for redis in (serving, other):
        assert 'requirepass "' in redis.file.read_text()
        assert redis.file.stat().st_mode & 0o777 == 0o600


def test_one_that_came_back_without_its_keys_is_refused(pair):
    """Its replica would be emptied too, were it let."""
    serving, other = sides(pair)
    assert "failed" not in pair.run("replica", other)
    with pair.load() as writers:
        pass
    other.ask("CONFIG", "SET", "masterauth", "wrong")
    stores.until(lambda: int(other.ask("DBSIZE")) >= len(writers), "the replica has all")
    serving.restart(lost=True)
    for target in (serving, other):
        said = pair.run("primary", target)["failed"]
        assert f"{serving.address} came back without a key" in said and "\n" not in said
    assert int(other.ask("DBSIZE")) >= len(writers)
    # What to do then is said there.
    other.ask("REPLICAOF", "NO", "ONE")
    assert "replicate" in names(pair.run("primary", serving))


# Does what it is told to, and kills the script that told it to after so many times.
DEADLY = r"""#!/bin/sh
{program} "$@"
echo . >>{folder}/calls
[ "$(wc -l <{folder}/calls)" -ne {call} ] || kill -KILL "$(ps -o sid= -p $$)"
"""


@pytest.mark.parametrize("call", range(1, 8) if SOAK else (2, 4, 5, 6))
def test_a_promotion_that_was_killed_after_any_call_is_ended(pair, tmp_path, call):
    serving, other = sides(pair)
    pair.run("replica", other)
    cli = tmp_path / "redis-cli"
    cli.write_text(DEADLY.format(program=shutil.which("redis-cli"), folder=tmp_path, call=call))
    cli.chmod(0o755)
    ends = ["127.0.0.1", str(other.port), "127.0.0.1", str(serving.port)]
    with redis_stores.watched(pair):
        pair.run("primary", other, die=(2,))
        assert serving.role() == other.role() == "slave"
        subprocess.run(
            [
                "/bin/sh",
                "-c",
                redis_pair_scripts.PROMOTE,
                "sh",
                str(pair.password_file),
                str(pair.folder / "lock"),
                *ends,
            ],
            env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "LD_LIBRARY_PATH": pair.libraries},
            start_new_session=True,
            check=False,
        )
        assert "failed" not in pair.run("primary", other)
        for redis in (serving, other):
            redis.restart()
    assert (serving.role(), other.role()) == ("slave", "master")


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


def test_writes_come_back_on_the_side_that_clients_are_led_to(pair):
    serving, other = sides(pair)
    pair.run("replica", other)
    with redis_stores.watched(pair):
        pair.run("primary", other, die=(2,))
        with pytest.raises(redis_stores.RedisError, match="READONLY"):
            serving.ask("SET", "key", "1")
        assert "promote" in names(pair.run("released", serving))
        assert serving.ask("SET", "key", "1") == "OK"
    # The watch itself is connected now and then.
    assert not pair.run("released", serving)["changed"]


@pytest.mark.skipif(not SOAK, reason="a restart for each way to die")
def test_killed_at_every_record_from_the_beginning_and_run_again(pair):
    """The new one has never followed, and has none of the settings."""
    for at in itertools.count():
        deaths_in_step = itertools.product([at], (20, 60, 150)) if at % 2 == 0 else ()
        killed = [killed_from_the_beginning(pair, death) for death in [(at,), *deaths_in_step]]
        if not killed[0]:
            break


def killed_from_the_beginning(pair, death):
    """Whether the first of two runs was killed."""
    assert "failed" not in pair.run("primary", pair.swarm)
    for words in (("REPLICAOF", "NO", "ONE"), ("CONFIG", "SET", "maxmemory", "0"), ("CONFIG", "REWRITE")):
        pair.k3s.ask(*words)
    pair.k3s.restart(lost=True)
    with pair.load() as writers, redis_stores.watched(pair):
        killed = pair.run("primary", pair.k3s, die=death) == {}
        result = pair.run("primary", pair.k3s)
        assert "failed" not in result, (death, result)
    judge(pair, writers)
    return killed


def test_what_the_new_one_holds_is_not_thrown_away_unasked(pair):
    serving = next(redis for redis in (pair.swarm, pair.k3s) if redis.role() == "master")
    other = pair.k3s if serving is pair.swarm else pair.swarm
    assert "failed" not in pair.run("replica", other)
    other.ask("REPLICAOF", "NO", "ONE")
    assert "both masters of one origin" in pair.run("primary", other)["failed"]
