# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How events reach the one who asked: a live view on a terminal, plain lines elsewhere, JSON for programs."""

from __future__ import annotations

import json
import os
import sys
import time
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.evidence.words import duration, number
from ansible_collections.sophia.replatform.plugins.module_utils.journal import utc_now
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from replatform import words
from replatform.events import Event
from replatform.state import State

STYLES = {"head": "bold", "good": "green", "bad": "bold red", "warn": "yellow", "dim": "dim", "": ""}
_QUIET = ("begun", "recap", "hidden change")  # they are in the state, and say nothing new


class View(t.Protocol):
    """Where events are shown."""

    def show(self, event: Event, state: State) -> None:
        """Show an event; O(state) is what it led to."""

    def close(self) -> None:
        """Nothing follows."""


def choose(as_json: bool) -> View:
    """The view for standard output as it is."""
    if as_json:
        return JsonView()
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return LiveView()
    return PlainView()


def put(text: str) -> None:
    """Write a line at once. Once nobody reads any more, what follows goes nowhere, and the run goes on."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


class JsonView:
    """An object a line: C(event), C(time), while a phase runs C(phase), and what the event has to say."""

    def show(self, event: Event, state: State) -> None:
        if event["event"] in _QUIET or (event["event"] == "host" and event["outcome"] in ("ok", "skipped")):
            return
        where = {"phase": state.phase} if state.phase and event["event"] != "end" else {}
        put(json.dumps({"time": utc_now(), **where, **event}, sort_keys=True))

    def close(self) -> None:
        pass


class Said:
    """A shift says every few seconds where it is: only a new weight or step is worth a line."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[t.Any, ...]] = {}

    def again(self, event: Event) -> bool:
        """Whether this has been said."""
        if event["event"] != "traffic":
            return False
        now = (event.get("step"), event.get("weight"), event.get("reason"))
        before = self._last.get(event["service"])
        self._last[event["service"]] = now
        return before == now


class PlainView:
    """A line a task, and below it what changed or failed."""

    def __init__(self) -> None:
        self._said = Said()

    def show(self, event: Event, state: State) -> None:
        if not self._said.again(event):
            for line in words.lines(event):
                put(line.text)

    def close(self) -> None:
        pass


class LiveView:
    """What happened scrolls by; what goes on stands below it."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._live: Live | None = None
        self._said = Said()
        self._state = State()
        self._began = 0.0

    def show(self, event: Event, state: State) -> None:
        self._state = state
        if event["event"] == "phase" and event["status"] == "start":
            self._begin()
        if event["event"] in ("end", "would") or (event["event"] == "phase" and event["status"] != "start"):
            self.close()
        if self._said.again(event):
            return
        for line in words.lines(event):
            if not line.detail:
                self._console.print(Text(line.text, STYLES[line.tone]), soft_wrap=True)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _begin(self) -> None:
        self._began = time.monotonic()
        if self._live is None:
            self._live = Live(console=self._console, get_renderable=self._picture, refresh_per_second=4, transient=True)
            self._live.start()

    def _picture(self) -> Group:
        state = self._state
        head = f"{state.phase}, phase {state.number} of {state.of}, {duration(time.monotonic() - self._began)}"
        if state.left_s is not None:
            head += f"; this shift {duration(state.left_s)} more"
        counts = ", ".join(f"{number(count)} {outcome}" for outcome, count in sorted(state.outcomes.items()))
        task = f"{state.task or state.play} ({state.ended} of {state.begun} hosts)"
        return Group(
            Text(),
            Text(head, "bold"),
            Text(task, no_wrap=True, overflow="ellipsis"),
            Text(counts, "dim"),
            _shares(state),
        )


def _shares(state: State) -> Table:
    table = Table.grid(padding=(0, 1))
    for event in list(state.traffic.values()):
        share = event.get("weight") or 0
        bad = bool(event.get("failed"))
        drawn = ProgressBar(total=100, completed=share, width=20, complete_style="red" if bad else "green")
        table.add_row(
            Text(event["service"]), drawn, Text(words.traffic(event).split(": ", 1)[1], "bold red" if bad else "")
        )
    return table
