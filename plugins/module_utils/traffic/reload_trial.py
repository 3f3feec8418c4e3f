# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Does Traefik take changes of its folder at all? Tried with a file that routes nothing, since it does not say so by itself."""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid

from ansible_collections.sophia.replatform.plugins.module_utils.traffic.edge_api import EdgeApi
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import HEADER
from ansible_collections.sophia.replatform.plugins.module_utils.whole_file import replace_file

_NAME, _HEADER = "replatform-reload", "X-Replatform-Reload"
_WAIT_S = 3.0


def takes_changes(api: EdgeApi, dynamic_dir: str) -> bool:
    """Writes a middleware that no router uses and waits for it in Traefik's API; it is taken away again."""
    value = uuid.uuid4().hex
    middleware = {_NAME: {"headers": {"customRequestHeaders": {_HEADER: value}}}}
    path = os.path.join(dynamic_dir, f"{_NAME}.yaml")
    replace_file(path, f"{HEADER}{json.dumps({'http': {'middlewares': middleware}}, indent=2)}\n", 0o644)
    try:
        end = time.monotonic() + _WAIT_S
        while time.monotonic() < end:
            if api.takes_changes(_NAME, _HEADER, value):
                return True
            time.sleep(0.05)  # Traefik tells nobody that it has read
        return False
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
