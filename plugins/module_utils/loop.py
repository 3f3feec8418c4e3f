# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The loop that drives every long operation: observe, next_step, act, record, observe.

The world is the state. Nothing is remembered between passes, so a run that was killed is resumed by running it again.
C(next_step) is pure; C(observe) and C(act) are thin adapters; C(simulate) is what C(act) would do to an observation, and
makes check mode and its diff.
"""

from __future__ import annotations

import contextlib
import time
import typing as t
from dataclasses import dataclass, field

from ansible_collections.sophia.replatform.plugins.module_utils.errors import (
    DeadlineError,
    RefusedError,
    ReplatformError,
)
from ansible_collections.sophia.replatform.plugins.module_utils.journal import Journal

World = t.TypeVar("World")


@dataclass(frozen=True)
class Step:
    """One thing to do. O(name) is stable across runs; O(data) is JSON-ready and free of secrets.

    A step that only waits or looks (a gate, a probe) has O(changes=False) and does not make the outcome changed.
    """

    name: str
    data: t.Mapping[str, t.Any] = field(default_factory=dict)
    changes: bool = True


@dataclass(frozen=True)
class Done:
    """Nothing is left to do."""

    reason: str = ""


@dataclass(frozen=True)
class Refused:
    """The operation must not begin, or must not go on; O(reason) is one line that names the mend."""

    reason: str


Decision = t.Union[Step, Done, Refused]


@dataclass
class Outcome:
    """What a drive did: the steps taken in order with what each returned, and whether the world changed."""

    changed: bool = False
    steps: list[dict[str, t.Any]] = field(default_factory=list)
    reason: str = ""


def drive(
    observe: t.Callable[[], World],
    next_step: t.Callable[[World], Decision],
    act: t.Callable[[Step], t.Mapping[str, t.Any] | None],
    journal: Journal,
    *,
    deadline_s: float,
    simulate: t.Callable[[World, Step], World] | None = None,
    check_mode: bool = False,
    clock: t.Callable[[], float] = time.monotonic,
    max_steps: int = 100_000,
) -> Outcome:
    """Drive the world to C(Done).

    In check mode the world is observed once, C(act) is never called and nothing is written to the journal: the steps are
    those that C(next_step) yields against the worlds that C(simulate) makes.

    Raises C(RefusedError) when C(next_step) refuses, C(DeadlineError) when O(deadline_s) seconds have passed before
    C(Done), and C(ValueError) when check mode is asked for without C(simulate). What C(act) raises is journalled as
    C(failed) and raised again; so is what C(observe) raises, as a step of that name.
    """
    if check_mode and simulate is None:
        raise ValueError("check mode needs simulate")
    outcome = Outcome()
    end = clock() + deadline_s
    world = _look(observe, journal, check_mode)
    for _pass in range(max_steps):
        decision = next_step(world)
        if isinstance(decision, Done):
            outcome.reason = decision.reason
            return outcome
        if isinstance(decision, Refused):
            if not check_mode:
                journal.write("refuse", "refused", {"reason": decision.reason})
            raise RefusedError(decision.reason)
        if clock() >= end:
            if not check_mode:
                journal.write(decision.name, "failed", {"reason": "deadline", "deadline_s": deadline_s})
            of_it = ", ".join(f"{key}: {value}" for key, value in decision.data.items())
            raise DeadlineError(
                f"{deadline_s:g} s have passed and the step '{decision.name}' is still to be done{of_it and f' ({of_it})'}"
            )
        if check_mode and simulate is not None:
            outcome.steps.append({**decision.data, "name": decision.name})
            world = simulate(world, decision)
        else:
            outcome.steps.append(_take(decision, act, journal))
            world = _look(observe, journal, check_mode)
        outcome.changed = outcome.changed or decision.changes
    last = f"; the last was '{outcome.steps[-1]['name']}'" if outcome.steps else ""
    raise DeadlineError(f"no end after {max_steps} steps{last}")


def _look(observe: t.Callable[[], World], journal: Journal, check_mode: bool) -> World:
    try:
        return observe()
    except Exception as exc:
        if not check_mode:
            with contextlib.suppress(ReplatformError):  # the fault is told, whether or not it can be recorded
                journal.write("observe", "failed", {"reason": str(exc)})
        raise


def _take(step: Step, act: t.Callable[[Step], t.Mapping[str, t.Any] | None], journal: Journal) -> dict[str, t.Any]:
    journal.write(step.name, "start", step.data)
    try:
        result = dict(act(step) or {})
    except Exception as exc:
        journal.write(step.name, "failed", {**step.data, "reason": str(exc)})
        raise
    journal.write(step.name, "ok", {**step.data, **result})
    return {**step.data, **result, "name": step.name}
