from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.handover import postgres
from ansible_collections.sophia.replatform.plugins.module_utils.handover.postgres import (
    Instance,
    Wanted,
    World,
    replace,
)
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Done, Refused, Step

ROWS = {"public.memories": [3, "17"], "sequence public.memories_id_seq": [3, ""]}
SERVING = Instance(15, content=ROWS)
READ_ONLY = replace(SERVING, read_only=True)
EMPTY = Instance(15, content={})


def steps(world, wanted):
    """The names of the steps by simulation, and the decision at the end."""
    names = []
    while True:
        decision = postgres.next_step(world, wanted)
        if not isinstance(decision, Step):
            return names, decision
        names.append(decision.name)
        world = postgres.simulate(world, decision)


def test_writes_stop_before_anything_is_copied():
    names, end = steps(World(False, SERVING, EMPTY), Wanted("copied"))
    assert names == ["stop_writes", "copy"]
    assert isinstance(end, Done)


def test_what_may_still_write_is_waited_for_and_then_ended():
    world = World(False, replace(READ_ONLY, writers=2, since_reload_s=3), EMPTY)
    assert postgres.next_step(world, Wanted("copied", grace_s=10)).name == "wait_for_writers"
    late = World(False, replace(READ_ONLY, writers=2, since_reload_s=10), EMPTY)
    assert steps(late, Wanted("copied", grace_s=10))[0] == ["end_writers", "copy"]


def test_nothing_is_copied_that_is_equal():
    names, end = steps(World(False, READ_ONLY, replace(EMPTY, content=ROWS)), Wanted("copied"))
    assert names == []
    assert "2 tables and sequences are equal" in end.reason


@pytest.mark.parametrize(
    "content",
    [
        {"public.memories": [3, "18"], "sequence public.memories_id_seq": [3, ""]},
        {"public.memories": [3, "17"], "sequence public.memories_id_seq": [2, ""]},
        {"public.memories": [3, "17"]},
    ],
)
def test_any_difference_is_copied_over(content):
    assert steps(World(False, READ_ONLY, replace(EMPTY, content=content)), Wanted("copied"))[0] == ["copy"]


@pytest.mark.parametrize("more", [{"public.memories": [4, "17"]}, {"public.other": [1, "9"]}])
def test_rows_that_only_the_new_one_has_are_not_thrown_away_unasked(more):
    world = World(False, READ_ONLY, replace(EMPTY, content={**ROWS, **more}))
    names, end = steps(world, Wanted("copied"))
    assert names == []
    assert isinstance(end, Refused)
    assert next(iter(more)) in end.reason
    assert steps(world, Wanted("copied", overwrite=True))[0] == ["copy"]


def test_once_switched_nothing_is_copied_again():
    names, end = steps(World(True, READ_ONLY, replace(EMPTY, content={"public.memories": [9, "1"]})), Wanted("copied"))
    assert names == []
    assert isinstance(end, Done)


def test_an_older_version_takes_nothing_over():
    end = steps(World(False, SERVING, replace(EMPTY, version=14)), Wanted("copied"))[1]
    assert "version 14, older than the old one's 15" in end.reason


def test_without_the_old_one_there_is_nothing_to_copy():
    assert isinstance(steps(World(False, None, EMPTY), Wanted("copied"))[1], Refused)


def test_the_old_one_is_left_when_nobody_is_connected():
    world = World(True, replace(READ_ONLY, clients=4), EMPTY)
    assert steps(world, Wanted("idle"))[0] == ["wait_for_clients"]
    assert isinstance(steps(World(True, None, EMPTY), Wanted("idle"))[1], Done)
    assert isinstance(steps(World(False, READ_ONLY, EMPTY), Wanted("idle"))[1], Refused)


def test_an_old_one_that_takes_writes_beside_the_new_one_is_stopped_at_once():
    assert steps(World(True, SERVING, EMPTY), Wanted("idle"))[0] == ["stop_writes"]


def test_the_way_back_ends_with_the_switch():
    assert steps(World(False, READ_ONLY, EMPTY), Wanted("writable"))[0] == ["allow_writes"]
    assert isinstance(steps(World(True, READ_ONLY, EMPTY), Wanted("writable"))[1], Refused)
    assert steps(World(False, SERVING, EMPTY), Wanted("writable"))[0] == []


@pytest.mark.parametrize(
    ("switched", "old", "state", "needed"),
    [
        (False, READ_ONLY, "copied", True),
        (False, SERVING, "copied", False),
        (False, replace(READ_ONLY, writers=1), "copied", False),
        (True, READ_ONLY, "copied", False),
        (False, READ_ONLY, "writable", False),
        (False, None, "copied", False),
    ],
)
def test_rows_are_only_read_where_they_decide(switched, old, state, needed):
    assert postgres.needs_content(switched, old, state) is needed


def test_a_copy_that_outlived_its_run_is_waited_for_even_when_all_is_equal():
    equal = World(False, READ_ONLY, replace(EMPTY, content=ROWS, busy=True))
    names, end = steps(equal, Wanted("copied"))
    assert names == ["wait_for_copy"]
    assert isinstance(end, Done)
