# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The events in words, for people. Pure."""

from __future__ import annotations

import difflib
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.evidence.words import (
    NONE,
    duration,
    milliseconds,
    number,
    percent,
)

from replatform.codes import WORDS

Event = t.Mapping[str, t.Any]
MOST_HOSTS = 8  # that are named one by one


class Line(t.NamedTuple):
    """A line; O(tone) is C(head), C(good), C(bad), C(warn), C(dim) or empty. A O(detail) may be left out where there is a live view."""

    text: str
    tone: str = ""
    detail: bool = False


def lines(event: Event) -> list[Line]:
    """What is said about an event; most events of a host that went well say nothing."""
    say = _SAY.get(event["event"])
    return say(event) if say else []


def names(hosts: t.Sequence[str]) -> str:
    """C(a, b and c); of many hosts the first few and how many others."""
    if len(hosts) > MOST_HOSTS:
        return f"{', '.join(hosts[:MOST_HOSTS])} and {len(hosts) - MOST_HOSTS} more"
    return " and ".join(filter(None, (", ".join(hosts[:-1]), "".join(hosts[-1:]))))


def traffic(event: Event) -> str:
    """Where a service's traffic is."""
    parts = [f"{event['service']}: {event['weight']} % on K3s"]
    if event.get("step") not in (None, "done"):
        parts.append(str(event["step"]))
    if event.get("share") is not None:
        parts.append(f"share {percent(event['share'])}")
    if event.get("requests"):
        parts.append(f"{number(event.get('success_percent'))} % of {number(event['requests'])} requests well")
    if event.get("failed") is not None and event.get("step") == "done":
        parts.append(f"{number(event['failed'])} failed")
    if event.get("shift_left_s") is not None and event.get("step") != "done":
        parts.append(f"{duration(event['shift_left_s'])} left")
    if event.get("reason"):
        parts.append(str(event["reason"]))
    return ", ".join(parts)


def _phase(event: Event) -> list[Line]:
    if event["status"] == "start":
        return [Line(f"[{event['number']}/{event['of']}] {event['phase']}: {event['summary']}", "head")]
    tone = {"ok": "good", "failed": "bad", "stopped": "warn", "running": "warn"}.get(str(event["status"]), "dim")
    if "attempts" in event:  # from the evidence
        status = {"running": "cut off, or still running", None: "not begun"}.get(event["status"], event["status"])
        took = duration(event["seconds"])
        attempts = f", {number(event['attempts'])} attempts" if event["attempts"] > 1 else ""
        return [Line(f"{event['phase']:<12}{status}{f' in {took}' if took != NONE else ''}{attempts}", tone)]
    changed = f", {number(event['changed'])} {'would change' if event.get('check') else 'changed'}"
    return [Line(f"{event['phase']}: {event['status']} in {duration(event['seconds'])}{changed}", tone)]


def _host(event: Event) -> list[Line]:
    if event["outcome"] in ("failed", "unreachable"):
        ignored = " (the playbook goes on)" if event["ignored"] else ""
        head = f"    {event['outcome'].upper()} {event['host']}, {event['task']}{ignored}: "
        first, *rest = event["message"].splitlines() or [""]
        tone = "warn" if event["ignored"] else "bad"
        return [Line(head + first, tone), *(Line(f"      {text}", tone) for text in rest)]
    if event["outcome"] == "changed":
        steps = event.get("steps") or []
        return [
            Line(f"    changed {event['host']}", detail=True),
            *(Line(f"      {step}", "dim", True) for step in steps),
        ]
    return []


def _would(event: Event) -> list[Line]:
    said = [Line(f"  {names(event['hosts'])}")]
    for change in event["changes"]:
        said.append(Line(f"    {change['task']}"))
        said += [Line(f"      {step}", "dim") for step in change["steps"]]
        for diff in change.get("diff", []):
            said += [Line(f"      {text}", "dim") for text in _diff(diff)]
    return said


def _diff(diff: Event) -> list[str]:
    before, after = diff["before"].splitlines(), diff["after"].splitlines()
    changed = list(difflib.unified_diff(before, after, n=1, lineterm=""))[2:]
    return [text for text in (diff["of"], *changed) if text]


def _plan(event: Event) -> list[Line]:
    said = [Line(f"[{event['number']}/{event['of']}] {event['phase']}: {event['summary']}", "head")]
    return said + [Line(f"  {play['play']}: {_about(play)}") for play in event["plays"]]


def _about(play: Event) -> str:
    if play["some"]:
        return f"those that turn out to need it{' of ' if play['hosts'] else ''}{names(play['hosts'])}"
    return names(play["hosts"]) or "no host"


def _service(event: Event) -> list[Line]:
    text = f"  {event['number']:>2}. {event['service']} ({event['group']}): {event['how']}"
    if not event["weights"]:
        return [Line(f"{text}, {event['kind']}")]
    text += f" by {', '.join(str(weight) for weight in event['weights'])} %"
    if event["interval_s"] is not None and event["threshold"] is not None:
        text += f"; looked at every {number(event['interval_s'], 's')}, back after {number(event['threshold'])} failed checks"
    gates = [
        f"gate {gate['gate']} ({gate['type']}) before {', '.join(str(weight) for weight in gate['before'])} %"
        for gate in event["gates"]
        if gate["before"]
    ]
    return [Line(text), *(Line(f"      {gate}", "warn") for gate in gates)]


def _requests(event: Event) -> list[Line]:
    if event["total"] is None:
        return []
    figures = f"p50 {milliseconds(event['p50_ms'])}, p99 {milliseconds(event['p99_ms'])}"
    text = f"requests through the edge: {number(event['total'])}, {number(event['failed'])} failed, {figures}"
    return [Line(text, "bad" if event["failed"] else "good")]


def _end(event: Event) -> list[Line]:
    tone = {0: "good", 5: "warn", 130: "warn"}.get(event["code"], "bad")
    said = [Line(text, "bad") for text in event.get("errors", [])]
    for fault in event.get("faults", []):
        said += [Line(f"{fault['host']}, {fault['task']}:", "bad")]
        said += [Line(f"  {text}", "bad") for text in fault["message"].splitlines()]
    said.append(Line(f"{WORDS[event['code']]}{': ' + event['message'] if event.get('message') else ''}", tone))
    return said + ([Line(f"next: {event['next']}")] if event.get("next") else [])


_SAY: dict[str, t.Callable[[Event], list[Line]]] = {
    "start": lambda event: [Line(f"{event['command']} on {', '.join(event['inventory'])}", "dim")],
    "phase": _phase,
    "play": lambda event: [Line(f"  {event['play']}", "dim")],
    "task": lambda event: [Line(f"    {event['task']}", "dim", True)],
    "host": _host,
    "said": lambda event: [Line(f"    {text}") for text in event["lines"]],
    "traffic": lambda event: [Line(f"    {traffic(event)}")],
    "would": _would,
    "plan": _plan,
    "group": lambda event: [Line(f"  {event['group']}: {names(event['hosts']) or 'no host'}")],
    "service": _service,
    "requests": _requests,
    "note": lambda event: [Line(event["message"], event.get("tone", ""))],
    "end": _end,
}
