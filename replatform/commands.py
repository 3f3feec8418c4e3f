# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each command does: it reads, runs playbooks in order, and says what came of it."""

from __future__ import annotations

import argparse
import os
import pathlib
import shlex
import time
import typing as t

from replatform import codes, evidence
from replatform.changes import Changes
from replatform.errors import UsageError
from replatform.events import Event
from replatform.inventory import Fleet, read_fleet
from replatform.outline import service_events
from replatform.phases import Phase, chosen, remaining
from replatform.runner import Options, run_playbook
from replatform.state import State
from replatform.stop import Stop
from replatform.view import View

_INTERRUPTED = (99, 254)  # Ansible's exit code after Ctrl-C, and ansible-runner's after a kill
_STOPPING = (
    "stopping when the running task has ended; Ctrl-C again ends it at once",
    "ending the running task; Ctrl-C again waits for nothing",
    "killed; what runs on a host may go on there until it ends, and the next run waits for it",
)


class Session:
    """One call of the command."""

    def __init__(self, options: argparse.Namespace, root: pathlib.Path, collections: list[str], view: View) -> None:
        self.options = options
        self.view = view
        self.stop = Stop()
        self.state = State()
        self._playbooks = root / "playbooks"
        self._roles = root / "roles"
        self._collections = collections
        self._began = time.monotonic()
        self._fleet: Fleet | None = None
        self._told = 0

    @property
    def fleet(self) -> Fleet:
        """The inventory, read when it is first asked for."""
        if self._fleet is None:
            self._fleet = read_fleet(self.options.inventory, self._extra_vars())
        return self._fleet

    def execute(self) -> int:
        """Do what is asked for, and return the exit code."""
        command = self.options.command
        self.say({"event": "start", "command": command, "inventory": self.fleet.sources})
        does: dict[str, t.Callable[[], int]] = {
            "plan": self._plan,
            "run": lambda: self._run(chosen(self.options.phases)),
            "status": self._status,
            "resume": self._resume,
            "rollback": lambda: self._one("rollback.yml", f"the way back from {self.options.phase}"),
            "verify": lambda: self._one("verify.yml", "each success criterion with its figure"),
            "report": self._report,
        }
        return does[command]()

    def say(self, event: Event) -> None:
        """Show an event, after the state has gone on by it."""
        if event["event"] == "phase" and event["status"] == "start":
            self.state = State(event["phase"], event["number"], event["of"], traffic=self.state.traffic)
        else:
            self.state.take(event)
        self.view.show(event, self.state)

    def end(self, code: int, message: str = "", **more: t.Any) -> int:
        """The last event."""
        event = {"event": "end", "command": self.options.command, "code": code, "status": codes.WORDS[code]}
        event["seconds"] = round(time.monotonic() - self._began, 1)
        self.say({**event, "message": message, **more})
        self.view.close()
        return code

    def _extra_vars(self) -> list[str]:
        """As they were given; a relative file means the same from wherever Ansible is started."""
        given = self.options.extra_vars
        values = ["@" + os.path.abspath(value[1:]) if value.startswith("@") else value for value in given]
        return values + ([f"phase={self.options.phase}"] if self.options.command == "rollback" else [])

    def _artifacts(self) -> str:
        folder = self.fleet.value("evidence_artifacts")
        if not folder:
            raise UsageError("the inventory does not set evidence_artifacts, the folder of the evidence")
        return os.path.realpath(folder)

    def _next(self, command: str) -> str:
        words = ["replatform", command]
        for source in self.options.inventory:
            words += ["-i", source]
        return shlex.join(words) + (" and the same -e" if self.options.extra_vars else "")

    def _run(self, phases: t.Sequence[Phase]) -> int:
        artifacts = self._artifacts() if any(phase.recorded for phase in phases) else ""
        with self.stop.listening():
            for number, phase in enumerate(phases, start=1):
                if self.stop.asked:
                    return self.end(codes.STOPPED, f"before {phase.name}", next=self._next("resume"))
                code = self._play(phase, number, len(phases))
                if phase.recorded:
                    self._say_requests(artifacts)
                if code == codes.STOPPED:
                    return self.end(
                        code,
                        f"in {phase.name}, {self._where()}; what was begun can be run again",
                        next=self._next("resume"),
                    )
                if code:
                    return self.end(
                        code,
                        self._why(phase.name),
                        errors=self._errors(),
                        faults=self.state.faults,
                        next=self._next("resume"),
                    )
        return self.end(codes.DONE, ", ".join(phase.name for phase in phases))

    def _say_requests(self, artifacts: str) -> None:
        try:
            self.say({"event": "requests", **evidence.requests(evidence.look(artifacts))})
        except UsageError as exc:  # no reason to end a run
            self.say({"event": "note", "message": str(exc), "tone": "warn"})

    def _resume(self) -> int:
        statuses = {name: phase.status for name, phase in evidence.look(self._artifacts()).phases.items()}
        phases = remaining(statuses)
        if not phases:
            return self.end(codes.DONE, "every phase is complete; nothing is left to run", next=self._next("verify"))
        return self._run(phases)

    def _one(self, playbook: str, summary: str, **more: t.Any) -> int:
        with self.stop.listening():
            code = self._play(Phase(self.options.command, playbook, summary, recorded=False), 1, 1)
        if code == codes.STOPPED:
            return self.end(code, "it can be run again")
        if code:
            return self.end(code, self._why(self.options.command), errors=self._errors(), faults=self.state.faults)
        return self.end(code, **more)

    def _report(self) -> int:
        report = os.path.join(self._artifacts(), "report.html")
        return self._one("report.yml", "what the hosts have recorded, and the report", message=report, report=report)

    def _play(self, phase: Phase, number: int, of: int, changes: Changes | None = None) -> int:
        """Run one playbook, with O(changes) in check mode, and return what it means as an exit code."""
        began = time.monotonic()
        place = {"phase": phase.name, "number": number, "of": of}
        self.say({"event": "phase", **place, "status": "start", "summary": phase.summary})
        options = Options(self.fleet.sources, self._extra_vars(), self.options.forks)
        result = run_playbook(
            str(self._playbooks / phase.playbook),
            options,
            self.say if changes is None else lambda event: self._note(event, changes),
            self._tick,
            self.stop,
            self._collections,
            check=changes is not None,
        )
        code = self._meaning(result)
        status = {codes.DONE: "ok", codes.STOPPED: "stopped"}.get(code, "failed")
        done = {"status": status, "seconds": round(time.monotonic() - began, 1), "changed": self.state.changed}
        self.say({"event": "phase", **place, **done, "check": changes is not None})
        return code

    def _note(self, event: Event, changes: Changes) -> None:
        """In check mode nothing has moved, and changes are told together at the end of the phase."""
        changes.take(event)
        if event["event"] == "host" and event["outcome"] == "changed":
            self.state.take(event)
        elif event["event"] != "traffic":
            self.say(event)

    def _tick(self) -> None:
        while self._told < min(self.stop.asked, len(_STOPPING)):
            self.say({"event": "note", "message": _STOPPING[self._told], "tone": "warn"})
            self._told += 1

    def _meaning(self, result: int) -> int:
        if result == 0:
            return codes.DONE
        if self.stop.asked and result in _INTERRUPTED:
            return codes.STOPPED
        return codes.UNREACHABLE if self.state.unreachable else codes.FAILED

    def _why(self, name: str) -> str:
        hosts = list(dict.fromkeys(fault["host"] for fault in self.state.faults))
        return f"{name}, on {', '.join(hosts)}" if hosts else name

    def _where(self) -> str:
        """Where a run was stopped; a task that no host has begun was only about to."""
        return f"{'in' if self.state.begun else 'before'} the task '{self.state.task}'"

    def _errors(self) -> list[str]:
        """What Ansible printed, where no host has anything to tell."""
        return [] if self.state.faults else self.state.errors

    def _status(self) -> int:
        artifacts = self._artifacts()
        found = evidence.look(artifacts)
        phases = evidence.phase_events(found)
        for event in [*phases, *evidence.traffic_events(found), {"event": "requests", **evidence.requests(found)}]:
            self.say(event)
        statuses = {event["phase"]: event["status"] for event in phases}
        left = remaining(statuses)
        if not left:
            return self.end(codes.DONE, f"every phase is complete ({artifacts})", next=self._next("verify"))
        code = codes.FAILED if "failed" in statuses.values() else codes.INCOMPLETE
        if not any(statuses.values()):
            return self.end(code, f"nothing has been run yet ({artifacts})", next=self._next("run"))
        names = ", ".join(phase.name for phase in left)
        return self.end(code, f"still to do: {names} ({artifacts})", next=self._next("resume"))

    def _plan(self) -> int:
        phases = chosen(self.options.phases)
        offline = self.options.offline
        if offline is None:
            offline = bool(self.fleet.value("replatform_plan_offline", False))
        return self._outline(phases) if offline else self._check(phases)

    def _outline(self, phases: t.Sequence[Phase]) -> int:
        self.say({"event": "note", "message": "no host is contacted: this is what the inventory and the playbooks say"})
        for group, hosts in self.fleet.groups.items():
            self.say({"event": "group", "group": group, "hosts": hosts})
        for number, phase in enumerate(phases, start=1):
            plays = [
                {"play": play.name, "hosts": list(play.hosts), "some": play.some}
                for play in self.fleet.plays(str(self._playbooks / phase.playbook))
            ]
            place = {"phase": phase.name, "number": number, "of": len(phases)}
            self.say({"event": "plan", **place, "summary": phase.summary, "plays": plays})
            if phase.name == "cutover":
                self._services()
        return self.end(codes.DONE, "no host was contacted; with --online the hosts are asked what would change")

    def _services(self) -> None:
        defaults = self.fleet.file(str(self._roles / "edge" / "defaults" / "main.yml"))
        for event in service_events(
            self.fleet.value("cutover_groups", []),
            self.fleet.value("cutover_services", []),
            self.fleet.value("edge_analysis", defaults["edge_analysis"]),
            self.fleet.value("edge_service_settings", defaults["edge_service_settings"]),
        ):
            self.say(event)

    def _check(self, phases: t.Sequence[Phase]) -> int:
        """Each phase in check mode. One that can't be foreseen yet does not hide the ones after it."""
        worst, failed = codes.DONE, []
        with self.stop.listening():
            for number, phase in enumerate(phases, start=1):
                changes = Changes(phase.name, self.options.diff)
                code = self._play(phase, number, len(phases), changes)
                if code == codes.STOPPED:
                    return self.end(code, f"in {phase.name}; nothing was changed")
                for event in changes.events():
                    self.say(event)
                if code:
                    worst = max(worst, code)
                    failed.append(phase.name)
                    for text in self._errors():
                        self.say({"event": "note", "message": text, "tone": "bad"})
                if self.stop.asked:
                    return self.end(codes.STOPPED, f"after {phase.name}; nothing was changed")
        if failed:
            return self.end(worst, f"{', '.join(failed)} could not be foreseen; nothing was changed")
        return self.end(worst, "nothing was changed", next=self._next("run"))
