# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run of a handover in a process of its own, that can be killed: at a record of its journal, or a while into a step.

usage: controller.py PARAMETERS.json [AT_RECORD [MILLISECONDS]]
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover.places import Here
from ansible_collections.sophia.replatform.plugins.module_utils.handover.redis_pair_run import RedisPair
from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_run import Switchover
from ansible_collections.sophia.replatform.plugins.module_utils.journal import Journal
from ansible_collections.sophia.replatform.plugins.module_utils.operation import alone, perform


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def deadly(at: int, after_ms: float | None) -> None:
    """Make writing the record number O(at), counted from 0, the last that this process does, or nearly so."""
    write = Journal.write

    def dies(self: Journal, *record: object) -> object:
        if len(self.records) == at:
            if after_ms is None:
                die()
            threading.Timer(after_ms / 1000, die).start()
        return write(self, *record)

    Journal.write = dies  # type: ignore[method-assign]  # the process is to die at a record


def main() -> int:
    with open(sys.argv[1], encoding="utf-8") as handle:
        params = json.load(handle)
    if len(sys.argv) > 2:
        deadly(int(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else None)
    try:
        with alone(params["run_lock"], 60, params["check"]):
            operation = {"postgres": Switchover, "redis": RedisPair}[params["kind"]](Here(120), params, params["check"])
            result = perform(operation, "handover", params["kind"], params, params["check"])
    except ReplatformError as exc:
        print(json.dumps({"failed": str(exc)}))
        return 1
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
