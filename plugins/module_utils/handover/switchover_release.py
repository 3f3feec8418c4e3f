# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A switchover, and how clients go on that it holds at the pooler when it fails, or, by the dead-man, when it has ended."""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import switchover
from ansible_collections.sophia.replatform.plugins.module_utils.handover.dead_man import DeadMan
from ansible_collections.sophia.replatform.plugins.module_utils.handover.places import Place
from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_run import Switchover
from ansible_collections.sophia.replatform.plugins.module_utils.journal import Journal
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Done, Refused, drive
from ansible_collections.sophia.replatform.plugins.module_utils.operation import alone, perform

OPERATION = "postgres_switchover"
# Beyond the grace that open transactions have. A handover takes seconds.
HOLD_S = 60.0
# Within which a run that has failed begins the last step that lets clients go.
_GO_ON_S = 10.0
_RETRY_S = 3.0


class _Journal(Journal):
    """Clients don't wait for the record, which may be on the disk that is full."""

    def __init__(self, params: t.Mapping[str, t.Any]) -> None:
        super().__init__(params["journal"], params["phase"], OPERATION, params["name"])

    def write(self, step: str, event: str, data: t.Mapping[str, t.Any] | None = None) -> dict[str, t.Any]:
        with contextlib.suppress(ReplatformError):
            super().write(step, event, data)
        return self.records[-1]


def hand_over(
    place: Place, params: t.Mapping[str, t.Any], check_mode: bool, dead_man: DeadMan | None
) -> dict[str, t.Any]:
    """The result of a run with the module's O(params). Where it fails with clients held, they go on with the primary before it raises,
    unless there is none for certain; the error says which."""
    try:
        operation = Switchover(place, params, check_mode, None if check_mode else dead_man)
        result = perform(operation, OPERATION, params["name"], params, check_mode)
        return {**result, "warnings": operation.warnings()}
    except ReplatformError as exc:
        if check_mode:
            raise
        became = _give_up(place, params)
        if not became:
            raise
        raise ReplatformError(f"{exc}; {became}: mend that and run this again") from exc


def _give_up(place: Place, params: t.Mapping[str, t.Any]) -> str:
    """What has become of clients that were held; empty where none were, or that is not seen."""
    operation = Switchover(place, {**params, "state": "released"})
    try:
        if not operation.observe().pooler.paused:
            return ""
    except ReplatformError:
        return ""
    try:
        outcome = drive(
            operation.observe,
            lambda world: switchover.given_up(world, operation.wanted),
            operation.act,
            _Journal(params),
            deadline_s=_GO_ON_S,
        )
    except ReplatformError as exc:
        return f"clients stay held ({exc})"
    return outcome.reason


def let_go(
    place_and_lock: t.Callable[[t.Mapping[str, t.Any]], tuple[Place, str]], params: t.Mapping[str, t.Any], reason: str
) -> None:
    """A run of C(state=released), again and again until none is held or C(deadline) seconds have passed.

    It waits for the lock of runs, so where another one goes on with the handover nothing is left to do here. Each fault is
    journalled once.
    """
    params = {**params, "state": "released"}
    journal = _Journal(params)
    said, end = "", time.monotonic() + params["deadline"]
    while time.monotonic() < end:
        try:
            place, lock = place_and_lock(params)
            with alone(lock, params["deadline"]):
                _let_go(Switchover(place, params), journal, params["deadline"], reason)
            return
        except Exception as exc:  # noqa: BLE001 - nobody else would hear of it
            fault = str(exc)
        if fault != said:
            journal.write("dead_man", "failed", {"reason": f"{reason}, and clients may be held: {fault}"})
            said = fault
        time.sleep(_RETRY_S)  # until an instance is back


def _let_go(operation: Switchover, journal: Journal, deadline_s: float, reason: str) -> None:
    decision = operation.next_step(operation.observe())
    if isinstance(decision, Done):
        return
    if isinstance(decision, Refused):
        raise RefusedError(decision.reason)
    journal.write("dead_man", "start", {"reason": reason})
    outcome = drive(operation.observe, operation.next_step, operation.act, journal, deadline_s=deadline_s)
    journal.write("dead_man", "ok", {"reason": outcome.reason})
