from __future__ import annotations

import itertools

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.handover import redis
from ansible_collections.sophia.replatform.plugins.module_utils.handover.redis import (
    FENCE,
    FENCE_IN_MEMORY,
    Instance,
    Wanted,
    World,
    replace,
)
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Done, Refused, Step

SOURCE = "192.0.2.14:6379"
COPIED = Wanted("copied", SOURCE)
OLD = Instance("master", keys=5, offset=100, replid="a", replid2="0")
FENCED = replace(OLD, min_replicas=FENCE)
IN_MEMORY = replace(OLD, min_replicas=FENCE_IN_MEMORY)
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


INFO_REPLICA = """# Replication
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
keys:3
min_replicas:0
clients:2
"""


def test_status_of_a_replica():
    assert redis.parse_status(INFO_REPLICA) == Instance(
        "slave", keys=3, offset=42, replid="8b1d9f2c", replid2="0000", link_up=True, source="192.0.2.14:6379", clients=2
    )


def test_a_replica_in_its_first_sync_has_no_link_yet():
    syncing = INFO_REPLICA.replace("master_sync_in_progress:0", "master_sync_in_progress:1")
    assert not redis.parse_status(syncing).link_up
