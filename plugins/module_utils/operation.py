# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a module's options to the loop and back: the part that every module that drives an operation shares."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import DeadlineError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.journal import Journal
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Step, drive

ARGUMENTS: dict[str, t.Any] = {
    "journal": {"type": "path"},
    "phase": {"type": "str", "default": "cutover", "choices": ["repository", "cluster", "platform", "cutover"]},
    "deadline": {"type": "int", "default": 300},
}


class Operation(t.Protocol):
    """One kind of long operation; O(next_step) and O(simulate) are pure, O(observe) and O(act) are not."""

    def observe(self) -> t.Any: ...

    def next_step(self, world: t.Any) -> Decision: ...

    def act(self, step: Step) -> t.Mapping[str, t.Any] | None: ...

    def simulate(self, world: t.Any, step: Step) -> t.Any: ...


def perform(
    operation: Operation, name: str, subject: str, params: t.Mapping[str, t.Any], check_mode: bool
) -> dict[str, t.Any]:
    """Drive O(operation) with the options of RV(ARGUMENTS); the result is that of the module."""
    outcome = drive(
        operation.observe,
        operation.next_step,
        operation.act,
        Journal(params["journal"], params["phase"], name, subject),
        deadline_s=params["deadline"],
        simulate=operation.simulate,
        check_mode=check_mode,
    )
    result: dict[str, t.Any] = {"changed": outcome.changed, "steps": outcome.steps, "reason": outcome.reason}
    changes = [line(step) for step in outcome.steps]
    if outcome.changed:
        result["diff"] = {"before": "", "after": "".join(f"{change}\n" for change in changes)}
    return result


def line(step: t.Mapping[str, t.Any]) -> str:
    """A step as a person reads it, e.g. C(drain node=host-3)."""
    return " ".join([str(step["name"]), *(f"{key}={value}" for key, value in step.items() if key != "name")])


def wait_while(
    holds: t.Callable[[], bool],
    seconds: float,
    poll_s: float = 0.5,
    clock: t.Callable[[], float] = time.monotonic,
    sleep: t.Callable[[float], None] = time.sleep,
) -> dict[str, t.Any]:
    """Wait until O(holds) is false, at most O(seconds); C(waited_s). One wait is one record, not one for each look."""
    start = clock()
    while holds() and clock() - start < seconds:
        sleep(poll_s)
    return {"waited_s": round(clock() - start, 1)}


@contextlib.contextmanager
def alone(path: str, seconds: float, check_mode: bool = False) -> t.Iterator[None]:
    """Wait, at most O(seconds), until no other run holds the lock O(path). Nothing is locked in check mode.

    A controller that is killed can leave a module running; the next run must not work beside it.
    """
    if check_mode:
        yield
        return
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise ReplatformError(f"could not open the lock {path} ({exc.strerror}): run as root") from exc
    try:
        if wait_while(lambda: not _locked(fd), seconds)["waited_s"] >= seconds:
            raise DeadlineError(f"another run of the same operation still holds {path}: end it, or wait for it")
        yield
    finally:
        os.close(fd)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
