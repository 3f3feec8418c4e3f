# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run of a handover by logical replication in a process of its own, that can be killed, see controller.py.

usage: logical_controller.py PARAMETERS.json [AT_RECORD [MILLISECONDS]]
"""

from __future__ import annotations

import json
import signal
import sys

import controller
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover.logical_run import LogicalSwitchover
from ansible_collections.sophia.replatform.plugins.module_utils.handover.places import Here
from ansible_collections.sophia.replatform.plugins.module_utils.operation import alone, perform


def main() -> int:
    with open(sys.argv[1], encoding="utf-8") as handle:
        params = json.load(handle)
    if len(sys.argv) > 2:
        controller.deadly(int(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else None, signal.SIGKILL)
    try:
        with alone(params["run_lock"], 60, params["check"]):
            operation = LogicalSwitchover(Here(120), params, params["check"])
            result = perform(operation, "handover", "postgres", params, params["check"])
    except ReplatformError as exc:
        print(json.dumps({"failed": str(exc)}))
        return 1
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
