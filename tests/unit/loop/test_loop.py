"""The loop against worlds that are counters: whatever happens on the way, the ending is one that can be told."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import DeadlineError, RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.journal import Journal
from ansible_collections.sophia.replatform.plugins.module_utils.loop import (
    Decision,
    Done,
    Outcome,
    Refused,
    Step,
    drive,
)
from hypothesis import given
from hypothesis import strategies as st


class Killed(BaseException):
    """What a SIGKILL looks like from inside: nothing below gets to tidy up."""


class Counter:
    """A world that is a number, to be brought to a goal; it can die before or after any deed."""

    def __init__(self, at: int, goal: int) -> None:
        self.at = at
        self.goal = goal
        self.observed = 0
        self.deeds: list[int] = []
        self.dies: set[tuple[int, str]] = set()

    def observe(self) -> int:
        self.observed += 1
        return self.at

    def next_step(self, at: int) -> Decision:
        if at == self.goal:
            return Done("there")
        return Step("count", {"to": at + 1}) if at < self.goal else Refused("beyond the goal: take some away")

    def act(self, step: Step) -> dict[str, t.Any]:
        for when in ("before", "after"):
            if (step.data["to"], when) in self.dies:
                self.dies.discard((step.data["to"], when))
                if when == "after":
                    self._do(step)
                raise Killed
        self._do(step)
        return {"took_ms": 1}

    def _do(self, step: Step) -> None:
        self.at = step.data["to"]
        self.deeds.append(self.at)

    def drive(self, journal: Journal, **options: t.Any) -> Outcome:
        options.setdefault("deadline_s", 10)
        return drive(self.observe, self.next_step, self.act, journal, **options)


def memory() -> Journal:
    return Journal(None, "cluster", "count", "n")


def events(journal: Journal) -> list[tuple[str, str]]:
    return [(record["step"], record["event"]) for record in journal.records]


@given(st.integers(0, 20), st.integers(0, 20))
def test_reaches_the_goal_with_a_start_and_an_end_for_each_step(at: int, distance: int) -> None:
    world, journal = Counter(at, at + distance), memory()
    outcome = world.drive(journal)
    assert world.deeds == list(range(at + 1, at + distance + 1))
    assert outcome == Outcome(
        changed=distance > 0,
        steps=[{"name": "count", "to": to, "took_ms": 1} for to in world.deeds],
        reason="there",
    )
    assert events(journal) == [("count", "start"), ("count", "ok")] * distance


@given(st.integers(0, 12), st.sets(st.tuples(st.integers(1, 12), st.sampled_from(["before", "after"]))))
def test_a_run_that_is_killed_anywhere_is_finished_by_running_again(goal: int, dies: set[tuple[int, str]]) -> None:
    world, journal = Counter(0, goal), memory()
    world.dies = {(to, when) for to, when in dies if to <= goal}
    kills = 0
    while True:
        try:
            world.drive(journal)
            break
        except Killed:
            kills += 1
    assert world.deeds == list(range(1, goal + 1)), "no deed is done twice and none is left out"
    starts = sum(1 for event in events(journal) if event[1] == "start")
    ends = sum(1 for event in events(journal) if event[1] == "ok")
    assert starts - ends == kills, "what was cut off has a start without an end"
    assert world.drive(journal).changed is False


@given(st.integers(0, 20))
def test_check_mode_shows_the_steps_and_touches_nothing(goal: int) -> None:
    world, journal = Counter(0, goal), memory()
    simulated = world.drive(journal, check_mode=True, simulate=lambda _at, step: step.data["to"])
    assert (world.at, world.deeds, world.observed, journal.records) == (0, [], 1, [])
    real = world.drive(journal)
    assert simulated.changed == real.changed
    assert [step["to"] for step in simulated.steps] == [step["to"] for step in real.steps]


def test_a_refusal_is_recorded_and_its_reason_reaches_the_caller() -> None:
    world, journal = Counter(3, 2), memory()
    with pytest.raises(RefusedError, match="take some away"):
        world.drive(journal)
    assert events(journal) == [("refuse", "refused")]
    assert journal.records[0]["data"] == {"reason": "beyond the goal: take some away"}


def test_a_refusal_in_check_mode_is_not_recorded() -> None:
    journal = memory()
    with pytest.raises(RefusedError):
        Counter(3, 2).drive(journal, check_mode=True, simulate=lambda at, _step: at)
    assert journal.records == []


def test_a_failing_deed_is_recorded_with_its_reason_and_raised() -> None:
    world, journal = Counter(0, 3), memory()

    def act(step: Step) -> None:
        if step.data["to"] == 2:
            raise OSError("no space left")
        world.act(step)

    with pytest.raises(OSError, match="no space"):
        drive(world.observe, world.next_step, act, journal, deadline_s=10)
    assert events(journal) == [("count", "start"), ("count", "ok"), ("count", "start"), ("count", "failed")]
    assert journal.records[-1]["data"] == {"to": 2, "reason": "no space left"}


def test_the_fault_is_raised_where_its_record_can_not_be_written(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()

    def observe() -> int:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        drive(
            observe,
            lambda _at: Done(),
            lambda _step: None,
            Journal(f"{tmp_path}/file/j", "cluster", "count"),
            deadline_s=10,
        )


@pytest.mark.parametrize("sights", [0, 2])
def test_a_world_that_can_not_be_seen_is_recorded_with_the_reason_and_raised(sights: int) -> None:
    world, journal = Counter(0, 3), memory()

    def observe() -> int:
        if world.observed == sights:
            raise OSError("no space left")
        return world.observe()

    with pytest.raises(OSError, match="no space"):
        drive(observe, world.next_step, world.act, journal, deadline_s=10)
    assert events(journal)[-1] == ("observe", "failed")
    assert journal.records[-1]["data"] == {"reason": "no space left"}
    assert len(world.deeds) == sights


def test_a_world_that_can_not_be_seen_in_check_mode_is_not_recorded() -> None:
    journal = memory()

    def observe() -> int:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        drive(observe, lambda _at: Done(), lambda _step: None, journal, deadline_s=10, check_mode=True, simulate=max)
    assert journal.records == []


@given(st.integers(0, 10))
def test_the_deadline_ends_a_drive_between_two_steps_and_names_the_one_left(granted: int) -> None:
    now = [100.0]
    world, journal = Counter(0, 20), memory()

    def act(step: Step) -> dict[str, t.Any]:
        now[0] += 1
        return world.act(step)

    with pytest.raises(DeadlineError, match="'count' is still to be done"):
        drive(world.observe, world.next_step, act, journal, deadline_s=granted, clock=lambda: now[0])
    assert world.at == granted
    assert events(journal)[-1] == ("count", "failed")
    assert journal.records[-1]["data"] == {"reason": "deadline", "deadline_s": granted}


def test_a_world_that_is_done_needs_no_time() -> None:
    assert Counter(5, 5).drive(memory(), deadline_s=0).reason == "there"


def test_a_step_that_only_looks_does_not_make_the_outcome_changed() -> None:
    looked: list[int] = []

    def next_step(_world: None) -> Decision:
        return Done() if looked else Step("probe", changes=False)

    outcome = drive(lambda: None, next_step, lambda _step: looked.append(1), memory(), deadline_s=10)
    assert (outcome.changed, outcome.steps) == (False, [{"name": "probe"}])


def test_one_changing_step_among_looks_makes_the_outcome_changed() -> None:
    plan = [Step("change"), Step("probe", changes=False)]
    taken: list[str] = []

    def next_step(_world: None) -> Decision:
        return plan[len(taken)] if len(taken) < len(plan) else Done()

    assert drive(lambda: None, next_step, lambda step: taken.append(step.name), memory(), deadline_s=10).changed


@pytest.mark.parametrize("steps", [0, 7])
def test_a_world_that_never_moves_is_given_up(steps: int) -> None:
    with pytest.raises(DeadlineError, match=f"no end after {steps} steps"):
        drive(lambda: 0, lambda _world: Step("push"), lambda _step: None, memory(), deadline_s=1e9, max_steps=steps)


def test_the_name_of_a_step_is_its_own_whatever_its_data_says() -> None:
    done: list[int] = []

    def next_step(_world: None) -> Decision:
        return Done() if done else Step("archive", {"name": "old.txt"})

    def act(_step: Step) -> dict[str, t.Any]:
        done.append(1)
        return {"name": "result"}

    assert drive(lambda: None, next_step, act, memory(), deadline_s=1).steps == [{"name": "archive"}]
    done.clear()
    simulated = drive(
        lambda: None, next_step, act, memory(), deadline_s=1, check_mode=True, simulate=lambda *_: done.append(1)
    )
    assert simulated.steps == [{"name": "archive"}]


def test_check_mode_without_simulate_is_a_mistake_that_is_told_before_anything_is_read() -> None:
    world = Counter(0, 1)
    with pytest.raises(ValueError, match="simulate"):
        world.drive(memory(), check_mode=True)
    assert world.observed == 0
