# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a shift is doing right now, as a file of JSON that is written anew each second and is never seen half written."""

from __future__ import annotations

import contextlib
import json
import time
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.journal import utc_now
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.metrics import Counts
from ansible_collections.sophia.replatform.plugins.module_utils.whole_file import replace_file

_EVERY_S = 1.0


class Progress:
    """Writes C(path) at most once a second, but always when the step changes."""

    def __init__(self, path: str, service: str, clock: t.Callable[[], float] = time.monotonic) -> None:
        self._path, self._service, self._clock = path, service, clock
        self._last: tuple[object, float] | None = None

    def say(self, step: str, weight: int, **figures: t.Any) -> None:
        """Replaces what the file says. O(figures) are JSON-ready."""
        now = self._clock()
        if self._last is not None and self._last[0] == (step, weight) and now - self._last[1] < _EVERY_S:
            return
        self._last = ((step, weight), now)
        content = {"service": self._service, "step": step, "weight": weight, "time": utc_now(), **figures}
        with contextlib.suppress(ReplatformError):  # a full disk: what is only shown must not end a shift
            replace_file(self._path, json.dumps(content, sort_keys=True) + "\n", 0o640, durable=False)


def figures(counts: Counts) -> dict[str, t.Any]:
    """One side's requests, success rate in percent and 99th percentile in milliseconds."""
    return {
        "requests": int(counts.total),
        "success_rate": _rounded(counts.success_rate, 2),
        "p99_ms": _rounded(counts.quantile_ms(0.99), 1),
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
