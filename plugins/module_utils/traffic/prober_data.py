# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the prober counted for one service since a moment, read from its files as they grow."""

from __future__ import annotations

import json
import os
import time

from ansible_collections.sophia.replatform.plugins.module_utils.traffic.metrics import Counts


class ProberData:
    """Follows C(requests-*.jsonl) in O(folder) from their ends on. O(grown) says whether anything was written since, of any service.

    Of seconds before it was made nothing counts: the prober writes them late where it had no room.
    """

    def __init__(self, folder: str, service: str) -> None:
        self._folder, self._service = folder, service
        self._offsets = {path: os.path.getsize(path) for path in self._paths()}
        self._counts = Counts()
        self._since = int(time.time())
        self.grown = False

    def read(self) -> Counts:
        """All that was counted since this object was made; durations are not read."""
        for path in self._paths():
            offset = self._offsets.get(path, 0)
            try:
                with open(path, "rb") as handle:
                    handle.seek(offset)
                    grown = handle.read()
            except FileNotFoundError:
                continue  # the prober removes old hours
            whole = grown[: grown.rfind(b"\n") + 1]
            self._offsets[path] = offset + len(whole)
            self.grown = self.grown or bool(whole)
            for line in whole.splitlines():
                self._add(line)
        return self._counts

    def _add(self, line: bytes) -> None:
        try:
            second = json.loads(line)
        except ValueError:
            return  # a line torn by a kill
        if isinstance(second, dict) and second.get("service") == self._service and second["t"] >= self._since:
            self._counts = Counts(self._counts.total + second["total"], self._counts.failed + second["failed"])

    def _paths(self) -> list[str]:
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        return sorted(
            os.path.join(self._folder, n) for n in names if n.startswith("requests-") and n.endswith(".jsonl")
        )
