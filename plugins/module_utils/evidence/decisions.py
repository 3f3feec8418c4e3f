# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was decided on the way, and by whom: approvals, ways back, refusals."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.evidence.phases import Record, epoch


class Decision(t.NamedTuple):
    """At O(time) (seconds since the epoch), O(who) decided O(what) about O(subject)."""

    time: float | None
    subject: str
    what: str
    who: str


def decisions(records: t.Iterable[Record]) -> list[Decision]:
    """The decisions in order, each once, however often a resumed run came by it."""
    once: dict[tuple[str, str, str], Decision] = {}
    for decision in filter(None, map(_decision, records)):
        once.setdefault(decision[1:], decision)
    return list(once.values())


def _decision(record: Record) -> Decision | None:
    data = record.get("data")
    data = data if isinstance(data, dict) else {}
    event, step = record.get("event"), record.get("step")
    subject = str(data.get("service") or record.get("subject") or record.get("phase") or "")

    def by(who: str, what: str) -> Decision:
        return Decision(epoch(record), subject, what, who)

    if event == "refused":
        return by(str(record.get("operation") or ""), f"refused: {data.get('reason') or 'no reason was given'}")
    if record.get("operation") != "traffic_shift" or event != "ok":
        return None
    if step == "gate":
        return _gate(data, by)
    if step == "dead_man":
        return by("the dead-man", "went back to the last safe weight, since the run had fallen silent")
    if step == "weight" and data.get("weight") == 0 and data.get("from_weight"):
        reason = data.get("reason")
        went = f"went back to the Swarm from {data['from_weight']} %"
        return by("the watch", f"{went}: {reason}") if reason else by("a person", went)
    return None


def _gate(data: t.Mapping[str, t.Any], by: t.Callable[[str, str], Decision]) -> Decision | None:
    before = f"{data.get('weight')} % on K3s"
    if data.get("by"):
        return by(str(data["by"]), f"approved {before} (gate {data.get('gate')}) at {data.get('at')}")
    if data.get("passed") is False:
        return by(f"gate {data.get('gate')}", f"held {before} up: {data.get('reason') or 'no reason was given'}")
    return None
