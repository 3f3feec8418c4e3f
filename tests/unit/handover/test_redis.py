from __future__ import annotations

import itertools

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.handover import redis
from ansible_collections.sophia.replatform.plugins.module_utils.handover.redis import Instance, Wanted, World, replace
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Done, Refused, Step

SOURCE = "192.0.2.14:6379"
COPIED = Wanted("copied", SOURCE)
OLD = Instance("master", keys=5, offset=100, replid="a", replid2="0")
FENCED = replace(OLD, min_replicas=990_000)
IN_MEMORY = replace(OLD, min_replicas=980_000)
NEW = Instance("master", replid="b", replid2="0")
REPLICA = Instance("slave", keys=5, offset=100, replid="a", link_up=True, source=SOURCE)
PROMOTED = Instance("master", keys=5, offset=100, replid="c", replid2="a")


def steps(world, wanted):
    names = []
    while True:
        decision = redis.next_step(world, wanted)
        if not isinstance(decision, Step):
            return names, decision
        names.append(decision.name)
        world = redis.simulate(world, decision)


def test_the_whole_way():
    names, end = steps(World(False, OLD, NEW), COPIED)
    assert names == ["replicate", "wait_for_sync", "stop_writes", "promote"]
    assert isinstance(end, Done)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (OLD, replace(REPLICA, link_up=False), ["wait_for_sync", "stop_writes", "promote"]),
        (FENCED, replace(REPLICA, offset=90), ["wait_for_offset", "promote"]),
        (FENCED, REPLICA, ["promote"]),
        (FENCED, PROMOTED, []),
        (OLD, replace(REPLICA, source="192.0.2.9:6379"), ["replicate", "wait_for_sync", "stop_writes", "promote"]),
    ],
)
def test_cut_off_anywhere_it_goes_on_from_what_it_sees(old, new, expected):
    assert steps(World(False, old, new), COPIED)[0] == expected


@pytest.mark.parametrize("min_replicas", [99, 98, 990_000, 980_001, 970_000, 960_002])
def test_a_number_that_is_never_reached_is_no_fence_where_redis_does_not_look_at_it(min_replicas):
    old = replace(OLD, min_replicas=min_replicas)
    assert old.fenced and not replace(old, max_lag=0).fenced
    assert steps(World(False, replace(old, max_lag=0), REPLICA), COPIED)[0] == ["stop_writes", "promote"]
    assert steps(World(False, replace(old, max_lag=0), PROMOTED), Wanted("writable", SOURCE))[0] == ["allow_writes"]


@pytest.mark.parametrize("min_replicas", [0, 1, 95, 100, 10_000])
def test_what_somebody_else_has_set_is_no_fence(min_replicas):
    assert not replace(OLD, min_replicas=min_replicas).fence


@pytest.mark.parametrize("who", ["old", "new"])
def test_what_is_being_loaded_is_waited_for(who):
    """The new one has keys of its own, of which none is counted yet."""
    world = World(False, OLD, replace(NEW, keys=6))
    loading = replace(world, **{who: replace(getattr(world, who), keys=0, loading=True)})
    assert redis.next_step(loading, COPIED).name == "wait_for_data"
    assert steps(World(False, replace(FENCED, loading=True), REPLICA), COPIED)[0] == ["wait_for_data", "promote"]
    # What it is set to is known before, and nobody may have to wait for the new one to be set free.
    world = World(False, replace(FENCED, loading=True), replace(NEW, loading=True))
    assert steps(world, Wanted("writable", SOURCE))[0] == ["allow_writes"]


def test_an_old_one_that_restarted_and_takes_writes_again_is_copied_anew():
    restarted = replace(OLD, replid="d")
    assert steps(World(False, restarted, PROMOTED), COPIED)[0] == [
        "replicate",
        "wait_for_sync",
        "stop_writes",
        "promote",
    ]


def test_never_promoted_while_the_old_one_takes_writes_or_is_ahead():
    olds = [OLD, FENCED, replace(FENCED, offset=101)]
    news = [NEW, REPLICA, replace(REPLICA, link_up=False), replace(REPLICA, offset=99), PROMOTED]
    for old, new in itertools.product(olds, news):
        decision = redis.next_step(World(False, old, new), COPIED)
        if isinstance(decision, Step) and decision.name == "promote":
            assert old.fenced
            assert new.offset >= old.offset
            assert new.link_up


def test_keys_that_only_the_new_one_has_are_not_thrown_away_unasked():
    world = World(False, OLD, replace(NEW, keys=6))
    names, end = steps(world, COPIED)
    assert names == []
    assert isinstance(end, Refused)
    assert steps(world, replace(COPIED, overwrite=True))[0][0] == "replicate"


def test_once_switched_nothing_is_copied_again():
    assert isinstance(redis.next_step(World(True, FENCED, replace(PROMOTED, keys=9)), COPIED), Done)


def test_idle_and_the_way_back():
    idle, writable = Wanted("idle", SOURCE), Wanted("writable", SOURCE)
    assert steps(World(True, replace(FENCED, clients=1), PROMOTED), idle)[0] == ["wait_for_clients"]
    assert isinstance(steps(World(True, OLD, PROMOTED), idle)[1], Refused)
    assert isinstance(steps(World(True, IN_MEMORY, PROMOTED), idle)[1], Done)
    assert isinstance(steps(World(True, None, PROMOTED), idle)[1], Done)
    assert isinstance(steps(World(False, FENCED, PROMOTED), idle)[1], Refused)
    for fenced in (FENCED, IN_MEMORY):
        assert steps(World(False, fenced, PROMOTED), writable)[0] == ["allow_writes"]
    assert isinstance(steps(World(True, FENCED, PROMOTED), writable)[1], Refused)


INFO_REPLICA = """# Persistence
loading:0
# Replication
role:slave
master_host:192.0.2.14
master_port:6379
master_link_status:up
master_sync_in_progress:0
slave_read_repl_offset:42
slave_repl_offset:42
connected_slaves:0
master_replid:8b1d9f2c
master_replid2:0000
master_repl_offset:42
# Keyspace
db0:keys=1,expires=0,avg_ttl=0
db12:keys=2,expires=1,avg_ttl=9
min_replicas:0
max_lag:10
clients:2
"""


def test_status_of_a_replica():
    assert redis.parse_status(INFO_REPLICA) == Instance(
        "slave", keys=3, offset=42, replid="8b1d9f2c", replid2="0000", link_up=True, source="192.0.2.14:6379", clients=2
    )


def test_a_replica_in_its_first_sync_has_no_link_yet():
    syncing = INFO_REPLICA.replace("master_sync_in_progress:0", "master_sync_in_progress:1")
    assert not redis.parse_status(syncing).link_up
    # What it loads then is not its own.
    assert not redis.parse_status(syncing.replace("loading:0", "loading:1")).loading
    assert redis.parse_status(INFO_REPLICA.replace("loading:0", "loading:1")).loading
