# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ansible-runner's events become few, and nothing hidden is among them."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from replatform.events import HIDDEN, clean, translate
from replatform.state import State

SECRET = "s3cr3t-of-the-house"


def all_of(raws):
    return [event for raw in raws for event in translate(raw)]


def test_a_recorded_run(recorded):
    events = all_of(recorded)
    assert [event["task"] for event in events if event["event"] == "task"] == [
        "Say",
        "Change",
        "Set a secret",
        "Change by a secret",
        "Change by secrets",
        "Skip",
        "Fail to be rescued",
        "Mend",
        "Fail by a secret",
        "Write",
        "Fail at last",
    ]
    assert {"event": "said", "host": "one", "lines": ["one", "two"]} in events
    last = [event for event in events if event.get("task") == "Fail at last" and event["event"] == "host"]
    assert [(event["host"], event["outcome"]) for event in last] == [("one", "skipped"), ("two", "failed")]
    assert last[1]["message"] == "non-zero return code\nthe reason"
    written = next(event for event in events if event.get("task") == "Write" and event.get("host") == "one")
    assert written["diff"] == [{"of": "/tiny/one", "before": "", "after": "hello\n"}]


def test_what_is_hidden_still_counts_as_a_change(recorded):
    events = all_of(recorded)
    assert {
        event["host"]
        for event in events
        if event.get("task") == "Change by a secret" and event.get("outcome") == "changed"
    } == {"one", "two"}
    assert {event["host"] for event in events if event["event"] == "hidden change"} == {"one", "two"}
    assert {event["message"] for event in events if event.get("task") == "Fail by a secret" and "message" in event} == {
        HIDDEN
    }


def test_a_fault_that_was_rescued_did_not_end_the_run(recorded):
    state = State()
    for event in all_of(recorded):
        state.take(event)
    assert [(fault["host"], fault["task"]) for fault in state.faults] == [("two", "Fail at last")]
    assert state.changed == sum(counts["changed"] for counts in state.recap.values()) > 0
    assert not state.unreachable


def shift(kind, **result):
    data = {"host": "edge", "task": "Shift", "resolved_action": "sophia.replatform.traffic_shift", "res": result}
    return {"event": kind, "event_data": {**data, "ignore_errors": True}}


def test_a_shift_says_where_the_traffic_is():
    steps = [
        {"name": "precheck", "service": "app", "weight": 10},
        {"name": "weight", "service": "app", "weight": 10, "failed": 1},
        {"name": "watch", "service": "app", "weight": 10, "failed": 2},
        {"name": "weight", "service": "app", "weight": 0, "reason": "too slow"},
    ]
    for kind in ("runner_on_ok", "runner_on_failed"):
        event = translate(shift(kind, changed=True, steps=steps, msg="x"))[-1]
        assert event == {
            "event": "traffic",
            "host": "edge",
            "service": "app",
            "step": "done",
            "weight": 0,
            "failed": 3,
        }


def test_its_steps_are_told_as_the_operation_words_them():
    steps = [{"name": "weight", "service": "app", "weight": 10}]
    assert translate(shift("runner_on_ok", changed=True, steps=steps))[0]["steps"] == ["weight service=app weight=10"]


def test_while_it_goes_on_its_line_is_read_and_the_time_left_known():
    state = State()
    for line in ("edge: app: weight at 50 %, 3 s left, 44 s in all", "\x1b[0;31m[ERROR]: no way\x1b[0m"):
        for event in translate({"event": "verbose", "stdout": line}):
            state.take(event)
    assert state.traffic["app"]["weight"] == 50
    assert state.left_s == 44
    assert state.errors == ["no way"]
    state.take({"event": "traffic", "service": "app", "step": "done", "weight": 100, "failed": 0})
    assert state.left_s is None


def test_what_was_measured_at_one_weight_is_not_said_of_another():
    state = State()
    watched = {"event": "traffic", "service": "app", "step": "watch", "weight": 10, "share": 0.11, "requests": 90}
    state.take(watched)
    state.take({"event": "traffic", "service": "app", "step": "watch", "weight": 10, "shift_left_s": 4})
    assert state.traffic["app"] == {**watched, "shift_left_s": 4}
    state.take({"event": "traffic", "service": "app", "step": "weight", "weight": 50})
    assert "share" not in state.traffic["app"]
    state.take({**watched, "weight": 100})
    state.take({"event": "traffic", "service": "app", "step": "done", "weight": 100, "failed": 0})
    assert "share" not in state.traffic["app"]


def test_a_loop_that_failed_says_why_each_item_did():
    results = [{"failed": True, "msg": "a is bad"}, {"msg": "b is good"}, {"failed": True, "msg": "c is bad"}]
    event = translate(
        {
            "event": "runner_on_failed",
            "event_data": {"host": "h", "task": "t", "res": {"msg": "All", "results": results}},
        }
    )[0]
    assert event["message"] == "a is bad\nc is bad"


VALUES = st.recursive(
    st.sampled_from([SECRET, f"msg {SECRET}", [SECRET], {"name": "weight", "service": SECRET, "weight": 1}]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["msg", "stderr", "diff"]), inner),
    max_leaves=6,
)
RESULTS = st.dictionaries(
    st.sampled_from(
        ["msg", "stderr", "stdout", "steps", "diff", "cmd", "module_stderr", "exception", "changed", "failed"]
    ),
    VALUES,
)
KINDS = st.sampled_from(
    ["runner_on_ok", "runner_on_failed", "runner_on_unreachable", "runner_on_skipped", "runner_item_on_ok"]
)


@given(
    kind=KINDS,
    result=RESULTS,
    how=st.sampled_from(["whole", "censored", "item", "censored item"]),
    action=st.sampled_from(["ansible.builtin.debug", "sophia.replatform.traffic_shift", "ansible.builtin.command"]),
)
def test_nothing_of_a_hidden_result_is_taken_over(kind, result, how, action):
    if how == "whole":
        result = {**result, "_ansible_no_log": True}
    elif how == "censored":
        result = {**result, "censored": "x"}
    else:
        mark = {"_ansible_no_log": True} if how == "item" else {"censored": "x"}
        result = {**result, "results": [{"msg": SECRET, "failed": True}, {**result, **mark}]}
    raw = {"event": kind, "event_data": {"host": "h", "task": "t", "resolved_action": action, "res": result}}
    assert SECRET not in json.dumps(translate({**raw, "stdout": f"changed: [h] => {SECRET}"}))


@given(kind=st.text(), data=st.dictionaries(st.text(), st.none() | st.text() | st.dictionaries(st.text(), st.text())))
def test_events_that_are_not_known_say_nothing(kind, data):
    assert translate({"event": "x" + kind, "event_data": data}) == []


@given(text=st.text() | st.from_regex(r"\x1b\[[0-9;]*m.*"))
def test_clean_text_has_no_control_codes(text):
    assert not any(ord(char) < 32 and char not in "\t\n" or ord(char) == 127 for char in clean(text))
