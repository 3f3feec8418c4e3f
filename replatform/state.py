# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a run is, from its events. Pure."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass, field

from replatform.events import Event

MOST_ERRORS = 20  # lines that are kept of what Ansible printed


@dataclass
class State:
    """One phase of a run. Its size depends on the number of services and of failed hosts, not on how long it runs."""

    phase: str = ""
    number: int = 0
    of: int = 0
    play: str = ""
    task: str = ""
    tasks: int = 0
    begun: int = 0  # hosts in the task
    ended: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    traffic: dict[str, Event] = field(default_factory=dict)  # the last of each service
    failed: dict[str, Event] = field(default_factory=dict)  # the last failure of each host; it may have been rescued
    errors: list[str] = field(default_factory=list)
    recap: dict[str, dict[str, int]] = field(default_factory=dict)

    def take(self, event: t.Mapping[str, t.Any]) -> None:
        """Go on by one event of the phase."""
        kind = event["event"]
        if kind == "play":
            self.play, self.task, self.begun, self.ended = event["play"], "", 0, 0
        elif kind == "task":
            self.task, self.begun, self.ended = event["task"], 0, 0
            self.tasks += 1
        elif kind == "begun":
            self.begun += 1
        elif kind == "host":
            self._host(event)
        elif kind == "traffic":
            self.traffic[event["service"]] = {**self._still_true(event), **event}
        elif kind == "error":
            self.errors = [*self.errors, event["message"]][-MOST_ERRORS:]
        elif kind == "recap":
            self.recap = event["hosts"]

    def _still_true(self, event: t.Mapping[str, t.Any]) -> Event:
        """What was measured at the same weight, while the shift goes on."""
        before = self.traffic.get(event["service"], {})
        return before if event.get("step") != "done" and before.get("weight") == event.get("weight") else {}

    def _host(self, event: t.Mapping[str, t.Any]) -> None:
        self.ended += 1
        self.outcomes[event["outcome"]] += 1
        if event["outcome"] in ("failed", "unreachable") and not event["ignored"]:
            self.failed[event["host"]] = dict(event)

    @property
    def faults(self) -> list[Event]:
        """What ended the run, a host each. Only Ansible's recap tells what the playbook has rescued."""
        return [event for host, event in self.failed.items() if not self.recap or self._is_lost(host)]

    def _is_lost(self, host: str) -> bool:
        counts = self.recap.get(host, {})
        return bool(counts.get("failed") or counts.get("unreachable"))

    @property
    def changed(self) -> int:
        """Tasks that changed something, counted for each host; by Ansible's recap once there is one."""
        if self.recap:
            return sum(counts["changed"] for counts in self.recap.values())
        return self.outcomes["changed"]

    @property
    def left_s(self) -> int | None:
        """Seconds that the shift that goes on still takes; None where that is not known. A live view asks from another thread."""
        known = [event.get("shift_left_s") for event in list(self.traffic.values()) if event.get("step") != "done"]
        return max((left for left in known if left is not None), default=None)

    @property
    def unreachable(self) -> bool:
        """Whether a host was lost for good."""
        return any(counts["unreachable"] for counts in self.recap.values())
