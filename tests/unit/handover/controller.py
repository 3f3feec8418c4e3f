# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run of a handover in a process of its own, that can be killed: at a record of its journal, by its number or as STEP.EVENT, or a
while into a step.

It is frozen instead where the parameters say C(frozen). C(dead_man) is for how many seconds clients may be held, nothing for no
dead-man.

usage: controller.py PARAMETERS.json [AT_RECORD [MILLISECONDS]]
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover.dead_man import DeadMan
from ansible_collections.sophia.replatform.plugins.module_utils.handover.logical_run import LogicalSwitchover
from ansible_collections.sophia.replatform.plugins.module_utils.handover.places import Here
from ansible_collections.sophia.replatform.plugins.module_utils.handover.redis_pair_run import RedisPair
from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_release import (
    Holding,
    hand_over,
    let_go,
)
from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_run import Switchover
from ansible_collections.sophia.replatform.plugins.module_utils.journal import Journal
from ansible_collections.sophia.replatform.plugins.module_utils.operation import alone

KINDS: dict[str, type[Holding]] = {"postgres": Switchover, "logical": LogicalSwitchover, "redis": RedisPair}


def deadly(at: str, after_ms: float | None, by: int) -> None:
    """Make writing the record O(at), a number counted from 0 or C(step.event), the last that this process does, or nearly so."""
    write, run = Journal.write, os.getpid()

    def die() -> None:
        os.kill(os.getpid(), by)

    def dies(self: Journal, step: str, event: str, *data: object) -> object:
        if at in (str(len(self.records)), f"{step}.{event}") and os.getpid() == run:
            if after_ms is None:
                die()
            threading.Timer(after_ms / 1000, die).start()
        return write(self, step, event, *data)

    Journal.write = dies  # type: ignore[method-assign]  # the process is to die at a record


def dead_man(kind: type[Holding], params: dict[str, t.Any]) -> DeadMan | None:
    if not params["dead_man"]:
        return None
    return DeadMan(
        lambda reason: let_go(kind, lambda _params: (Here(120), params["run_lock"]), params, reason), params["dead_man"]
    )


def main() -> int:
    with open(sys.argv[1], encoding="utf-8") as handle:
        params = json.load(handle)
    if len(sys.argv) > 2:
        by = signal.SIGSTOP if params.get("frozen") else signal.SIGKILL
        deadly(sys.argv[2], float(sys.argv[3]) if len(sys.argv) > 3 else None, by)
    try:
        with alone(params["run_lock"], 60, params["check"]):
            kind = KINDS[params["kind"]]
            result = hand_over(kind, Here(120), params, params["check"], dead_man(kind, params))
    except ReplatformError as exc:
        print(json.dumps({"failed": str(exc)}))
        return 1
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
