# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A switchover, and how clients go on that it holds when it fails, or, by the dead-man, when it has ended."""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover.dead_man import ENDED, DeadMan
from ansible_collections.sophia.replatform.plugins.module_utils.handover.places import Place
from ansible_collections.sophia.replatform.plugins.module_utils.journal import Journal
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Done, Refused, drive
from ansible_collections.sophia.replatform.plugins.module_utils.operation import Operation, alone, perform

Params = t.Mapping[str, t.Any]
PlaceAndLock = t.Callable[[Params], "tuple[Place, str]"]
# Beyond the grace that open transactions have. A handover takes seconds.
HOLD_S = 60.0
# Within which a run that has failed begins the last step that lets clients go.
_GO_ON_S = 10.0
_RETRY_S = 3.0


class Holding(Operation, t.Protocol):
    """One kind of operation that holds clients, with what to do when it fails; it arms the dead-man while it does."""

    OPERATION: str
    # The state in which it is begun to let them go.
    FREED: str

    def __init__(
        self, place: Place, params: Params, check_mode: bool = False, dead_man: DeadMan | None = None
    ) -> None: ...

    def held(self, world: t.Any) -> bool:
        """Whether clients are, for all that is seen."""

    def given_up(self, world: t.Any) -> Decision: ...

    def settle(self) -> None:
        """Wait for what may end the hold though the run has ended; no lock of runs is held meanwhile."""

    def warnings(self) -> list[str]: ...


class _Journal(Journal):
    """Clients don't wait for the record, which may be on the disk that is full."""

    def __init__(self, kind: type[Holding], params: Params) -> None:
        super().__init__(params["journal"], params["phase"], kind.OPERATION, params["name"])

    def write(self, step: str, event: str, data: t.Mapping[str, t.Any] | None = None) -> dict[str, t.Any]:
        with contextlib.suppress(ReplatformError):
            super().write(step, event, data)
        return self.records[-1]


def run(kind: type[Holding], place_and_lock: PlaceAndLock, params: Params, check_mode: bool) -> dict[str, t.Any]:
    """The result of a run of O(kind), alone and with a dead-man, see RV(hand_over)."""
    dead_man = DeadMan(lambda reason: let_go(kind, place_and_lock, params, reason), params.get("grace", 0) + HOLD_S)
    place, lock = place_and_lock(params)
    with alone(lock, params["deadline"], check_mode):
        return hand_over(kind, place, params, check_mode, dead_man)


def run_module(module: t.Any, kind: type[Holding], place_and_lock: PlaceAndLock) -> dict[str, t.Any]:
    """The result of RV(run) for the C(AnsibleModule), which has been told the warnings."""
    result = run(kind, place_and_lock, module.params, module.check_mode)
    for warning in result.pop("warnings"):
        module.warn(warning)
    return result


def hand_over(
    kind: type[Holding], place: Place, params: Params, check_mode: bool, dead_man: DeadMan | None
) -> dict[str, t.Any]:
    """The result of a run with the module's O(params). Where it fails with clients held, they go on with the primary before it raises,
    unless there is none for certain; the error says which."""
    try:
        operation = kind(place, params, check_mode, None if check_mode else dead_man)
        result = perform(operation, kind.OPERATION, params["name"], params, check_mode)
        return {**result, "warnings": operation.warnings()}
    except ReplatformError as exc:
        if check_mode:
            raise
        became = _give_up(kind, place, params)
        if not became:
            raise
        raise ReplatformError(f"{exc}; {became}: mend that and run this again") from exc


def _give_up(kind: type[Holding], place: Place, params: Params) -> str:
    """What has become of clients that were held; empty where none were, or that is not seen."""
    operation = kind(place, {**params, "state": kind.FREED})
    try:
        if not operation.held(operation.observe()):
            return ""
    except ReplatformError:
        return ""
    try:
        outcome = drive(
            operation.observe,
            operation.given_up,
            operation.act,
            _Journal(kind, params),
            deadline_s=_GO_ON_S,
        )
    except ReplatformError as exc:
        return f"clients stay held ({exc})"
    return outcome.reason


def let_go(kind: type[Holding], place_and_lock: PlaceAndLock, params: Params, reason: str) -> None:
    """A run with the state RV(FREED), again and again until none is held or C(deadline) seconds have passed.

    It waits for the lock of runs, so where another one goes on with the handover nothing is left to do here. Each fault is
    journalled once.
    """
    params = {**params, "state": kind.FREED}
    journal = _Journal(kind, params)
    said, end = "", time.monotonic() + params["deadline"]
    while time.monotonic() < end:
        try:
            place, lock = place_and_lock(params)
            kind(place, params).settle()
            with alone(lock, params["deadline"]):
                _let_go(kind(place, params), journal, params["deadline"], reason)
            return
        except Exception as exc:  # noqa: BLE001 - nobody else would hear of it
            fault = str(exc)
        if fault != said:
            journal.write("dead_man", "failed", {"reason": f"{reason}, and clients may be held: {fault}"})
            said = fault
        time.sleep(_RETRY_S)  # until an instance is back


def _let_go(operation: Holding, journal: Journal, deadline_s: float, reason: str) -> None:
    decision = operation.next_step(operation.observe())
    if isinstance(decision, Done) and reason == ENDED:
        return
    if isinstance(decision, Refused):
        raise RefusedError(decision.reason)
    journal.write("dead_man", "start", {"reason": reason})
    outcome = drive(operation.observe, operation.next_step, operation.act, journal, deadline_s=deadline_s)
    journal.write("dead_man", "ok", {"reason": outcome.reason})
