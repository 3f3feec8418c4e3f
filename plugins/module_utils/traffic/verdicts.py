# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a guard has found of services that had moved: a file for each, which stays until a run begins that shifts them anew."""

from __future__ import annotations

import json
import os
import typing as t
from dataclasses import asdict, dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.journal import utc_now
from ansible_collections.sophia.replatform.plugins.module_utils.whole_file import remove_if_there, replace_file

_END = ".verdict.json"


@dataclass(frozen=True)
class Verdict:
    """O(service) failed at O(time) for O(reason). O(stays) says why it was not brought back, empty when it was."""

    service: str
    reason: str
    time: str
    stays: str = ""


class Verdicts:
    """The verdicts in O(state_dir), by name of service."""

    def __init__(self, state_dir: str) -> None:
        self._state_dir = state_dir

    def note(self, service: str, reason: str, stays: str = "") -> None:
        """Raises C(ReplatformError) when it can't be written. Nobody waits for the disk: the journal lasts."""
        verdict = Verdict(service, reason, utc_now(), stays)
        replace_file(self._path(service), json.dumps(asdict(verdict), sort_keys=True) + "\n", 0o640, durable=False)

    def read(self) -> list[dict[str, t.Any]]:
        found = []
        for name in sorted(os.listdir(self._state_dir) if os.path.isdir(self._state_dir) else []):
            if name.endswith(_END):
                with open(os.path.join(self._state_dir, name), encoding="utf-8") as handle:
                    found.append(asdict(Verdict(**json.load(handle))))
        return found

    def forget(self) -> None:
        for verdict in self.read():
            remove_if_there(self._path(verdict["service"]))

    def _path(self, service: str) -> str:
        return os.path.join(self._state_dir, f"{service}{_END}")
