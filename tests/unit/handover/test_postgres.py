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


@pytest.mark.parametrize("more", [{"public.other": True}, {"sequence public.other_id_seq": True}])
def test_what_only_the_new_one_has_and_uses_is_refused_while_writes_go_on(more):
    world = World(False, SERVING, EMPTY, {"public.unused": False, **more})
    names, end = steps(world, Wanted("copied"))
    assert (names, type(end)) == ([], Refused)
    wanted = f"only the new instance has {next(iter(more))}, with rows or a value: drop that there, or the extension that has it, or set overwrite"
    assert wanted in end.reason
    assert steps(world, Wanted("copied", overwrite=True))[0] == ["stop_writes", "copy"]
    # Such as a run that was killed has left it.
    waiting = replace(world, old=replace(READ_ONLY, writers=1, content=None))
    assert steps(waiting, Wanted("copied")) == ([], end)


def test_what_only_the_new_one_has_is_dropped_where_it_is_empty():
    unused = {"public.other": [0, "0"], "sequence public.other_id_seq": [0, ""]}
    looked = [
        World(False, READ_ONLY, EMPTY, dict.fromkeys(unused, False)),
        World(False, READ_ONLY, replace(EMPTY, content=unused)),
    ]
    for world in looked:
        step = postgres.next_step(world, Wanted("copied"))
        assert (step.name, step.data["dropped"]) == ("copy", "public.other, sequence public.other_id_seq")


def test_no_more_than_five_are_named():
    world = World(False, SERVING, EMPTY, {f"public.t{number}": True for number in range(7)})
    reason = postgres.next_step(world, Wanted("copied")).reason
    assert "public.t0, public.t1, public.t2, public.t3, public.t4 and 2 more, with" in reason
    assert "t5" not in reason


def test_a_copy_that_left_a_difference_is_not_repeated():
    content = {**ROWS, "public.memories": [3, "18"], "public.other": [1, "1"]}
    del content["sequence public.memories_id_seq"]
    world = World(False, READ_ONLY, replace(EMPTY, content=content), copied=True)
    end = postgres.next_step(world, Wanted("copied"))
    assert end == postgres.next_step(world, Wanted("copied", overwrite=True)) and isinstance(end, Refused)
    assert "after the copy public.memories, public.other, sequence public.memories_id_seq differ" in end.reason
    assert isinstance(steps(replace(world, new=READ_ONLY), Wanted("copied"))[1], Done)


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


@pytest.mark.parametrize(
    ("switched", "old", "new", "state", "needed"),
    [
        (False, SERVING, EMPTY, "copied", True),
        (False, READ_ONLY, EMPTY, "copied", False),
        (False, replace(READ_ONLY, writers=1), EMPTY, "copied", True),
        (False, SERVING, replace(EMPTY, busy=True), "copied", False),
        (True, SERVING, EMPTY, "copied", False),
        (False, SERVING, EMPTY, "idle", False),
        (False, None, EMPTY, "copied", False),
    ],
)
def test_names_are_looked_at_where_writes_are_to_be_stopped(switched, old, new, state, needed):
    assert postgres.needs_outline(switched, old, new, state) is needed


def test_a_copy_that_outlived_its_run_is_waited_for_even_when_all_is_equal():
    equal = World(False, READ_ONLY, replace(EMPTY, content=ROWS, busy=True))
    names, end = steps(equal, Wanted("copied"))
    assert names == ["wait_for_copy"]
    assert isinstance(end, Done)
