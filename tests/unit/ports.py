# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ports on loopback for servers that tests start, and start again: nobody else is given one meanwhile."""

from __future__ import annotations

import itertools
import os
import re
import socket

# Below what Linux gives to outgoing connections (ip_local_port_range); each of pytest's workers has some of its own.
_FIRST, _EACH = 10_240, 2_000
_WORKER = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "0"))) % 10
# Another pytest beside this one begins elsewhere.
_NUMBERS = itertools.count(os.getpid())


def free_port() -> int:
    """One that this process has not given away lately, free for TCP and UDP."""
    return next(port for port in (_FIRST + _EACH * _WORKER + number % _EACH for number in _NUMBERS) if _is_free(port))


def _is_free(port: int) -> bool:
    try:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(type=kind) as one:
                one.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True
