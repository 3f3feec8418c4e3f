# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What people and programs get to see."""

from __future__ import annotations

import io
import json

import pytest
from command.playbooks import SECRET
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from replatform import view, words
from replatform.events import translate
from replatform.state import State

STARTED = {"event": "phase", "phase": "cutover", "number": 4, "of": 5, "status": "start", "summary": "traffic moves"}


def shown(recorded, one):
    state = State("cutover", 4, 5)
    one.show(STARTED, state)
    for raw in recorded:
        for event in translate(raw):
            state.take(event)
            one.show(event, state)
    one.close()


def test_plain_lines_have_no_control_codes(recorded, capsys):
    shown(recorded, view.PlainView())
    output = capsys.readouterr().out
    assert "\x1b" not in output
    assert "\r" not in output
    assert "    Write\n    changed one\n" in output
    assert "    FAILED two, Fail at last: non-zero return code\n      the reason\n" in output


def test_json_is_an_object_a_line(recorded, capsys):
    shown(recorded, view.JsonView())
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all({"event", "time", "phase"} <= set(event) for event in events)
    assert {event["event"] for event in events} == {"phase", "play", "task", "host", "said"}


def test_the_live_view_has_the_same_news_and_leaves_no_picture_behind(recorded):
    terminal = io.StringIO()
    shown(recorded, view.LiveView(Console(file=terminal, force_terminal=True, width=100, highlight=False)))
    output = terminal.getvalue()
    assert "FAILED two, Fail at last: non-zero return code" in output
    assert "cutover, phase 4 of 5" in output
    assert output.rstrip().endswith("\x1b[2K") or "\x1b[?25h" in output  # the cursor is back


def test_the_live_view_shows_the_traffic():
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=120, highlight=False)
    state = State("cutover", 4, 5)
    one = view.LiveView(console)
    one.show(STARTED, state)
    for line in (
        "edge: app: weight at 25 %, share 24%, 99.5 % of 200 requests well, p99 9.0 ms, 3 s left, 44 s in all",
    ):
        for event in translate({"event": "verbose", "stdout": line}):
            state.take(event)
            one.show(event, state)
    one.close()
    assert "this shift 44 s more" in terminal.getvalue()
    assert "25 % on K3s, weight, share 24 %, 99.5 % of 200 requests well, 44 s left" in terminal.getvalue()


@pytest.mark.parametrize("name", ["PlainView", "JsonView"])
def test_no_view_shows_a_secret(recorded, capsys, name):
    shown(recorded, getattr(view, name)())
    assert SECRET not in capsys.readouterr().out


def test_a_shift_that_says_the_same_again_is_no_news(capsys):
    plain, state = view.PlainView(), State()
    for share in (0.1, 0.2, 0.25):
        plain.show({"event": "traffic", "service": "app", "step": "watch", "weight": 25, "share": share}, state)
    plain.show({"event": "traffic", "service": "app", "step": "done", "weight": 25, "failed": 0}, state)
    assert len(capsys.readouterr().out.splitlines()) == 2


@given(text=st.text())
def test_whatever_a_host_says_stays_on_its_lines(text):
    data = {"host": "h", "task": text, "res": {"msg": text}}
    for kind in ("runner_on_failed", "runner_on_unreachable"):
        for event in translate({"event": kind, "event_data": data}):
            for line in words.lines(event):
                assert "\x1b" not in line.text
                assert "\r" not in line.text


def test_many_hosts_are_counted():
    assert words.names([]) == ""
    assert words.names(["a"]) == "a"
    assert words.names(["a", "b", "c"]) == "a, b and c"
    assert words.names([str(number) for number in range(500)]).endswith("7 and 492 more")
