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
    """O(service) failed at O(time) for O(reason). O(stays) says why it was not brought back, empty when it was.

    With O(returning) the guard was about to bring it back: it does, was killed meanwhile, or has written it and could not verify it. O(time) is empty
    when the verdict can't be read.
    """

    service: str
    reason: str
    time: str
    stays: str = ""
    returning: bool = False


class Verdicts:
    """The verdicts in O(state_dir), by name of service."""

    def __init__(self, state_dir: str) -> None:
        self._state_dir = state_dir

    def note(self, service: str, reason: str, stays: str = "", *, returning: bool = False) -> None:
        """Raises C(ReplatformError) when it can't be written."""
        self._write(Verdict(service, reason, utc_now(), stays, returning), durable=True)

    def note_returning(self, service: str, reason: str) -> None:
        """The same of what is to be brought back next, which does not wait for the disk."""
        self._write(Verdict(service, reason, utc_now(), "it is being brought back", returning=True), durable=False)

    def read(self) -> list[dict[str, t.Any]]:
        return [asdict(verdict) for verdict in map(self._read, self._services()) if verdict]

    def forget(self) -> None:
        for service in self._services():
            remove_if_there(self._path(service))

    def _services(self) -> list[str]:
        names = os.listdir(self._state_dir) if os.path.isdir(self._state_dir) else []
        return sorted(name[: -len(_END)] for name in names if name.endswith(_END))

    def _read(self, service: str) -> Verdict | None:
        try:
            with open(self._path(service), encoding="utf-8") as handle:
                return Verdict(**json.load(handle))
        except FileNotFoundError:
            return None  # a guard that begins has forgotten it
        except (OSError, TypeError, ValueError) as exc:
            # An edge host that lost its power may have left it empty.
            progress = os.path.join(self._state_dir, f"{service}.progress.json")
            return Verdict(service, f"its verdict can not be read ({exc})", "", f"{progress} has its weight")

    def _write(self, verdict: Verdict, *, durable: bool) -> None:
        text = json.dumps(asdict(verdict), sort_keys=True) + "\n"
        replace_file(self._path(verdict.service), text, 0o640, durable=durable)

    def _path(self, service: str) -> str:
        return os.path.join(self._state_dir, f"{service}{_END}")
