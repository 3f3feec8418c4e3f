# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Done, Refused, Step
from ansible_collections.sophia.replatform.plugins.module_utils.repository.archive import (
    Wanted,
    World,
    next_step,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.backup import Backup
from ansible_collections.sophia.replatform.plugins.module_utils.repository.ledger import Ledger
from ansible_collections.sophia.replatform.plugins.module_utils.repository.model import Edit, Move, Plan
from ansible_collections.sophia.replatform.plugins.module_utils.repository.restore import Undo
from ansible_collections.sophia.replatform.plugins.module_utils.repository.simulate import simulate

MOVES = tuple(Move(name, f"archive/{kind}/{name}", kind, "why", "100644", "1") for name, kind in ("ax", "by", "cx"))
EDITS = tuple(Edit(name, "generated", "100644", None, b"new", new_oid="2") for name in ("archive/one", "archive/two"))
PLAN = Plan(MOVES, {}, root_before=4, remaining=("README.md",), faults=(), edits=EDITS)
WANTED = Wanted("tidy", 100, remote="origin", backup_keep=2)
RESTORED = replace(WANTED, state="restored")
WORLD = World(path="/r", branch="main", head="c0", plan=PLAN, free_bytes=10, need_bytes=5)
OPENED = {"state": "organised", "branch": "tidy", "base": "c0", "came_from": "main", "backup": {"path": "/b"}}
OPEN = replace(
    WORLD, branch="tidy", ledger=Ledger(OPENED, MOVES, edits=EDITS), arrived=(False,) * 3, edited=("before",) * 2
)
PLACED = replace(OPEN, arrived=(True,) * 3, edited=("after",) * 2)


def walk(world: World, wanted: Wanted = WANTED) -> tuple[list[str], object]:
    names = []
    for _pass in range(50):
        decision = next_step(world, wanted)
        if not isinstance(decision, Step):
            return names, decision
        names.append(decision.name)
        world = simulate(world, decision, wanted)
    raise AssertionError(names)


WHOLE = ["branch", "backup", "verify", "ledger", "move x", "move y", "edit", "stage", "commit", "push", "close"]


def test_the_order_is_fixed_and_ends():
    names, end = walk(WORLD)
    assert names == WHOLE
    assert isinstance(end, Done)


def test_from_any_point_on_the_rest_follows():
    world = WORLD
    for number in range(len(WHOLE)):
        assert walk(world)[0] == WHOLE[number:]
        world = simulate(world, next_step(world, WANTED), WANTED)


def test_nothing_moves_before_the_backup_was_read_back():
    for backup in (None, Backup("/b", {}, {})):
        assert not next_step(replace(WORLD, branch="tidy", backup=backup), WANTED).name.startswith(("ledger", "move"))


@pytest.mark.parametrize("arrived", list(itertools.product([False, True], repeat=3)))
def test_any_part_of_the_moves_is_finished_and_any_part_is_undone(arrived):
    going_on = walk(replace(OPEN, arrived=arrived))[0]
    assert going_on[-5:] == ["edit", "stage", "commit", "push", "close"]
    kinds = [move.category for move, there in zip(MOVES, arrived) if not there]
    assert going_on[:-5] == [f"move {kind}" for kind in dict.fromkeys(kinds)]
    back = replace(OPEN, arrived=arrived, ledger=replace(OPEN.ledger, rollback="no"))
    kinds = [move.category for move, there in zip(MOVES, arrived) if there]
    assert walk(back)[0] == [*(f"return {kind}" for kind in reversed(list(dict.fromkeys(kinds)))), "abandon"]


def test_a_category_whose_name_sounds_like_going_back_goes_forward():
    moves = (Move("a", "archive/backups/a", "backups", "why", "100644", "1"),)
    assert "move backups" in walk(replace(WORLD, plan=replace(PLAN, moves=moves)))[0]


def test_staged_moves_are_unstaged_first_on_the_way_back():
    back = replace(PLACED, indexed=True, unstaged=False, ledger=replace(OPEN.ledger, rollback="no"))
    assert walk(back)[0] == ["unstage", "unedit", "return y", "return x", "abandon"]


def test_an_index_that_a_hook_changed_is_put_back_too():
    back = replace(PLACED, indexed=False, unstaged=False, ledger=replace(OPEN.ledger, rollback="no"))
    assert walk(back)[0][0] == "unstage"


@pytest.mark.parametrize("edited", list(itertools.product(["before", "after"], repeat=2)))
def test_any_part_of_the_edits_is_finished_and_any_part_is_undone(edited):
    world = replace(PLACED, edited=edited)
    assert walk(world)[0][:-4] == (["edit"] if "before" in edited else [])
    back = walk(replace(world, ledger=replace(OPEN.ledger, rollback="no")))[0]
    assert back == [*(["unedit"] if "after" in edited else []), "return y", "return x", "abandon"]


@pytest.mark.parametrize("rollback", ["", "no"])
def test_a_file_that_was_changed_meanwhile_is_never_overwritten(rollback):
    for world in (OPEN, PLACED):
        world = replace(world, edited=("other", "after"), ledger=replace(OPEN.ledger, rollback=rollback))
        decision = next_step(world, WANTED)
        assert isinstance(decision, Refused)
        assert "put them back from /b: archive/one" in decision.reason


def test_a_branch_is_pushed_once_and_never_over_another():
    made = replace(PLACED, head="c1", commit="c1")
    assert walk(made)[0] == ["push", "close"]
    assert walk(replace(made, remote_head="c1"))[0] == ["close"]
    assert walk(made, replace(WANTED, remote=""))[0] == ["close"]
    decision = next_step(replace(made, remote_head="c9"), WANTED)
    assert isinstance(decision, Refused)
    assert "empty repository_remote" in decision.reason


def test_old_backups_go_last():
    world = replace(WORLD, backups=("1", "2"))
    assert walk(world)[0] == [*WHOLE, "rotate"]
    assert walk(world, replace(WANTED, backup_keep=0))[0] == WHOLE
    assert walk(replace(WORLD, plan=replace(PLAN, moves=(), edits=()), doomed=("1",)))[0] == ["rotate"]


def test_a_restore_undoes_one_run_after_the_other_on_the_branch_that_is_checked_out():
    undos = (Undo("r2", PLAN), Undo("r1", replace(PLAN, edits=())))
    names, end = walk(replace(WORLD, plan=None, undos=undos, remote_head="c9", branch_head="c9"), RESTORED)
    first = ["backup", "verify", "ledger", "move x", "move y", "edit", "stage", "commit", "close"]
    assert names == [*first, *(name for name in first if name != "edit")]
    assert end == Done("nothing to restore")


@pytest.mark.parametrize("state, wanted", [("organised", RESTORED), ("restored", WANTED)])
def test_a_run_of_the_other_direction_is_finished_first(state, wanted):
    decision = next_step(replace(OPEN, ledger=Ledger({**OPENED, "state": state}, MOVES)), wanted)
    assert isinstance(decision, Refused)
    assert f"repository_state={state} was cut off: run it again" in decision.reason


def test_check_mode_can_take_a_lock_away():
    world = replace(WORLD, index_lock="left")
    assert walk(world)[0] == ["unlock", *WHOLE]


def test_a_commit_that_was_made_is_only_closed():
    assert walk(replace(OPEN, head="c1", commit="c1", remote_head="c1", lost=("a",)))[0] == ["close"]


def test_a_closed_ledger_does_not_stand_in_the_way_of_the_next_run():
    assert walk(replace(WORLD, ledger=replace(OPEN.ledger, closed={"outcome": "archived"})))[0] == WHOLE


def test_a_branch_that_is_there_already_is_not_made():
    assert walk(replace(WORLD, branch="tidy"))[0] == WHOLE[1:]
    assert walk(replace(WORLD, branch_head="c0"))[0] == WHOLE


def test_nothing_to_move_is_done_even_in_a_dirty_tree():
    assert walk(replace(WORLD, plan=replace(PLAN, moves=(), edits=()), dirty=("x",))) == (
        [],
        Done("nothing to archive"),
    )


def test_the_gate_holds_even_with_nothing_to_move():
    assert isinstance(
        next_step(replace(WORLD, plan=replace(PLAN, moves=(), edits=())), replace(WANTED, root_limit=1)), Refused
    )


@pytest.mark.parametrize("limit, passes", [(1, False), (2, True)])
def test_the_gate_is_fewer_than_the_limit(limit, passes):
    assert isinstance(next_step(WORLD, replace(WANTED, root_limit=limit)), Step if passes else Refused)


@pytest.mark.parametrize("lock, expected", [("held", Refused), ("left", Step)])
def test_the_lock_of_gits_index(lock, expected):
    for world in (WORLD, OPEN):
        assert isinstance(next_step(replace(world, index_lock=lock), WANTED), expected)


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"fault": "no repository"}, "no repository"),
        ({"head": ""}, "no commit yet"),
        ({"branch": ""}, "detached"),
        ({"operation": "rebase"}, "a rebase is in progress"),
        ({"staged": ("s",)}, "staged"),
        ({"dirty": ("d",)}, "repository_allow_dirty (d)"),
        ({"branch_head": "c9"}, "repository_branch"),
        ({"remote_head": "c9"}, "exists at the remote origin"),
        ({"need_bytes": 11}, "repository_backup_path has 10 bytes free and the backup may need 11"),
        ({"plan": replace(PLAN, faults=("bad", "worse"))}, "bad; worse"),
    ],
)
def test_refused_before_anything_changes(changes, reason):
    decision = next_step(replace(WORLD, **changes), WANTED)
    assert isinstance(decision, Refused)
    assert reason in decision.reason


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"branch": "main"}, "switch back to its branch tidy"),
        ({"head": "c1"}, "moved on from c0"),
        ({"lost": ("a",)}, "mend them from /b: a"),
        ({"operation": "merge"}, "a merge is in progress"),
    ],
)
def test_an_open_run_is_not_finished_over_what_a_person_did(changes, reason):
    decision = next_step(replace(OPEN, **changes), WANTED)
    assert isinstance(decision, Refused)
    assert reason in decision.reason


def test_going_back_may_go_on_from_where_the_run_came_from():
    back = replace(OPEN, branch="main", ledger=replace(OPEN.ledger, rollback="no"))
    assert walk(back)[0] == ["abandon"]
