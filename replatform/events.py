# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ansible-runner says, as the few events that this command knows. Pure.

Only names, outcomes, messages of faults, C(debug) messages, steps of operations and, where asked for, diffs are taken over. What a
task hides with C(no_log) is taken over from nowhere.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.operation import line

from replatform.shift_line import read_shift_line

Event = t.Dict[str, t.Any]
HIDDEN = "hidden by no_log"
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f\x9b]")
_ENDS = {
    "runner_on_ok": "ok",
    "runner_on_failed": "failed",
    "runner_on_unreachable": "unreachable",
    "runner_on_skipped": "skipped",
}
_SHIFTS = ("sophia.replatform.traffic_shift", "traffic_shift")
_DEBUGS = ("ansible.builtin.debug", "debug")


def translate(raw: t.Mapping[str, t.Any]) -> list[Event]:
    """The events that one event of ansible-runner means, mostly one or none. Times are not among them."""
    kind, data = raw.get("event"), raw.get("event_data") or {}
    if kind == "playbook_on_play_start":
        return [{"event": "play", "play": clean(data.get("name"))}]
    if kind in ("playbook_on_task_start", "playbook_on_handler_task_start"):
        return [{"event": "task", "task": clean(data.get("task") or data.get("name"))}]
    if kind == "runner_on_start":
        return [{"event": "begun", "host": clean(data.get("host"))}]
    if kind in _ENDS:
        return _ended(_ENDS[kind], data, _says_changed(raw))
    if kind == "runner_item_on_ok" and hidden(data.get("res")) and _says_changed(raw):
        return [{"event": "hidden change", "host": clean(data.get("host")), "task": clean(data.get("task"))}]
    if kind == "playbook_on_stats":
        return [{"event": "recap", "hosts": _recap(data)}]
    if kind in ("verbose", "error"):
        return _printed(clean(raw.get("stdout")))
    return []


def clean(text: t.Any) -> str:
    """Text without control codes, each line by itself."""
    return _ESCAPES.sub("", str(text or "")).strip()


def hidden(result: t.Any) -> bool:
    """Whether a result, or a part of it, is hidden: then none of it is shown."""
    if isinstance(result, t.Mapping):
        return bool(
            result.get("_ansible_no_log")
            or "censored" in result
            or any(hidden(item) for item in result.get("results") or [])
        )
    return False


def _says_changed(raw: t.Mapping[str, t.Any]) -> bool:
    """ansible-runner hides with a result whether it changed something; the line that Ansible prints still says so."""
    return clean(raw.get("stdout")).startswith("changed: [")


def _ended(outcome: str, data: t.Mapping[str, t.Any], says_changed: bool) -> list[Event]:
    found = data.get("res")
    result: t.Mapping[str, t.Any] = found if isinstance(found, t.Mapping) else {}
    if outcome == "ok" and (result.get("changed") or says_changed):
        outcome = "changed"
    event: Event = {
        "event": "host",
        "host": clean(data.get("host")),
        "task": clean(data.get("task")),
        "outcome": outcome,
    }
    secret = hidden(result)
    if outcome in ("failed", "unreachable"):
        event["ignored"] = bool(data.get("ignore_errors"))
        event["message"] = HIDDEN if secret else _message(result)
    if secret:
        return [event]
    steps = _steps(result)
    if outcome == "changed":
        shown = {"steps": [clean(line(step)) for step in steps], "diff": _diffs(result)}
        event.update({key: value for key, value in shown.items() if value})
    action = data.get("resolved_action") or data.get("task_action")
    if action in _DEBUGS and outcome == "ok":
        said = _said(result)
        return [event, *([{"event": "said", "host": event["host"], "lines": said}] if said else [])]
    return [event, *(_shifted(event["host"], steps) if action in _SHIFTS else [])]


def _message(result: t.Mapping[str, t.Any]) -> str:
    """Why it failed: its own words, those of the items of a loop that failed, and the last line of what was printed as an error."""
    failed = [item for item in result.get("results") or [] if isinstance(item, t.Mapping) and item.get("failed")]
    words = []
    for one in failed or [result]:
        words.append(clean(one.get("msg")))
        words += [clean(text) for text in str(one.get("stderr") or one.get("module_stderr") or "").splitlines()[-1:]]
    return "\n".join(dict.fromkeys(word for word in words if word)) or "no reason was given"


def _steps(result: t.Mapping[str, t.Any]) -> list[t.Mapping[str, t.Any]]:
    steps = result.get("steps")
    if not isinstance(steps, t.Sequence) or isinstance(steps, str):
        return []
    return [step for step in steps if isinstance(step, t.Mapping) and "name" in step]


def _diffs(result: t.Mapping[str, t.Any]) -> list[dict[str, str]]:
    """Before and after of each thing that changed; only text, and not of a file too large or not text."""
    parts = [result, *(item for item in result.get("results") or [] if isinstance(item, t.Mapping))]
    found = [part.get("diff") for part in parts]
    diffs = [diff for one in found for diff in (one if isinstance(one, list) else [one]) if isinstance(diff, t.Mapping)]
    return [
        {
            "of": clean(diff.get("after_header") or diff.get("before_header")),
            "before": str(diff.get("before") or ""),
            "after": str(diff.get("after") or ""),
        }
        for diff in diffs
        if "before" in diff or "after" in diff
    ]


def _said(result: t.Mapping[str, t.Any]) -> list[str]:
    message = result.get("msg")
    lines = message if isinstance(message, list) else str(message or "").splitlines()
    return [clean(one) for one in lines if clean(one)]


def _shifted(host: str, steps: t.Sequence[t.Mapping[str, t.Any]]) -> list[Event]:
    """Each service that a shift moved, at its last weight, with the requests that failed on the way."""
    moved: dict[str, Event] = {}
    for step in steps:
        if step.get("name") in ("weight", "watch") and "service" in step:
            service = clean(step["service"])
            event = moved.setdefault(service, {"event": "traffic", "host": host, "service": service, "failed": 0})
            event.update(step="done", weight=step.get("weight"), failed=event["failed"] + (step.get("failed") or 0))
    return list(moved.values())


def _recap(data: t.Mapping[str, t.Any]) -> dict[str, dict[str, int]]:
    names = {"ok": "ok", "changed": "changed", "failures": "failed", "dark": "unreachable", "rescued": "rescued"}
    hosts: dict[str, dict[str, int]] = {}
    for key, name in names.items():
        for host, count in (data.get(key) or {}).items():
            hosts.setdefault(clean(host), dict.fromkeys(names.values(), 0))[name] = count
    return hosts


def _printed(text: str) -> list[Event]:
    """A line that Ansible, or a shift of traffic, printed beside its events."""
    shift = read_shift_line(text)
    if shift is not None:
        return [{"event": "traffic", **shift}]
    match = re.match(r"^(?:\[ERROR\]:|ERROR!) *(.+)$", text)
    return [{"event": "error", "message": match.group(1)}] if match else []
