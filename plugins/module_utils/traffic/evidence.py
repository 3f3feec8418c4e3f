# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The journal of a shift: a full disk stops the way up, never the way back."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.journal import Journal


class Evidence(Journal):
    """A journal that keeps in memory what it can't write, and writes it before the next record that it can.

    O(fault) says why, as long as anything is missing in the file.
    """

    def __init__(self, path: str | None, phase: str, operation: str, subject: str = "") -> None:
        super().__init__(None, phase, operation, subject)
        self.fault = ""
        self._file, self._written = path, 0

    def write(self, step: str, event: str, data: t.Mapping[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Append one record after those that are missing, and return it."""
        record = super().write(step, event, data)
        try:
            while self._file and self._written < len(self.records):
                self._append(self._file, json.dumps(self.records[self._written], sort_keys=True))
                self._written += 1
            self.fault = ""
        except ReplatformError as exc:
            self.fault = str(exc)
        return record
