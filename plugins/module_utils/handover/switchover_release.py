# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the dead-man of a switchover does: lets clients go on that a run which has ended holds at the pooler."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.handover.places import Place
from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_run import Switchover
from ansible_collections.sophia.replatform.plugins.module_utils.journal import Journal
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Done, Refused
from ansible_collections.sophia.replatform.plugins.module_utils.operation import alone, perform

OPERATION = "postgres_switchover"
# Beyond the grace that open transactions have. A handover takes seconds.
HOLD_S = 60.0
_RETRY_S = 3.0


def let_go(
    place_and_lock: t.Callable[[t.Mapping[str, t.Any]], tuple[Place, str]], params: t.Mapping[str, t.Any], reason: str
) -> None:
    """A run of C(state=released), again and again until none is held or C(deadline) seconds have passed.

    It waits for the lock of runs, so where another one goes on with the handover nothing is left to do here. Each fault is
    journalled once.
    """
    params = {**params, "state": "released"}
    journal = Journal(params["journal"], params["phase"], OPERATION, params["name"])
    said, end = "", time.monotonic() + params["deadline"]
    while time.monotonic() < end:
        try:
            place, lock = place_and_lock(params)
            with alone(lock, params["deadline"]):
                _let_go(place, params, journal, reason)
            return
        except Exception as exc:  # noqa: BLE001 - nobody else would hear of it
            fault = str(exc)
        if fault != said:
            journal.write("dead_man", "failed", {"reason": f"{reason}, and clients may be held: {fault}"})
            said = fault
        time.sleep(_RETRY_S)  # until an instance is back


def _let_go(place: Place, params: t.Mapping[str, t.Any], journal: Journal, reason: str) -> None:
    operation = Switchover(place, params)
    decision = operation.next_step(operation.observe())
    if isinstance(decision, Done):
        return
    if isinstance(decision, Refused):
        raise RefusedError(decision.reason)
    journal.write("dead_man", "start", {"reason": reason})
    done = perform(operation, OPERATION, params["name"], params, check_mode=False)
    journal.write("dead_man", "ok", {"reason": done["reason"]})
