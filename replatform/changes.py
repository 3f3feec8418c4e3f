# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What check mode would change in a phase, by host. Pure."""

from __future__ import annotations

import typing as t

from replatform.events import Event


class Changes:
    """Collects the changes of one phase. Hosts that would change alike are told together, so a large fleet stays readable."""

    def __init__(self, phase: str, with_diff: bool) -> None:
        self._phase = phase
        self._with_diff = with_diff
        self._kinds: dict[str, int] = {}  # each change once, by what would be shown of it
        self._shown: list[Event] = []
        self._hosts: dict[str, list[int]] = {}

    def take(self, event: t.Mapping[str, t.Any]) -> None:
        """Note an event of RV(translate), if it tells of a change."""
        hidden = event["event"] == "hidden change"
        if not hidden and (event["event"] != "host" or event["outcome"] != "changed"):
            return
        change = {"task": event["task"], "steps": event.get("steps", [])}
        if self._with_diff:
            change["diff"] = event.get("diff", [])
        key = repr(change)
        if key not in self._kinds:
            self._kinds[key] = len(self._shown)
            self._shown.append(change)
        kinds = self._hosts.setdefault(event["host"], [])
        if not hidden or kinds[-1:] != [self._kinds[key]]:  # a loop is one change, however many of its items are hidden
            kinds.append(self._kinds[key])

    def events(self) -> list[Event]:
        """An event for each set of hosts that would change alike, in the order in which their first change came."""
        alike: dict[tuple[int, ...], list[str]] = {}
        for host, kinds in self._hosts.items():
            alike.setdefault(tuple(kinds), []).append(host)
        return [
            {
                "event": "would",
                "phase": self._phase,
                "hosts": sorted(hosts),
                "changes": [self._shown[kind] for kind in kinds],
            }
            for kinds, hosts in alike.items()
        ]
