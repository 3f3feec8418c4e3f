# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the module traffic_shift: a sign of life on the edge host, and its progress on the screen."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shlex
import time
import typing as t
import uuid

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

_EVERY_S = 2.0
# A module that begins, or whose result is being written, has no lock for a moment.
_LOOKS_WITHOUT_LOCK = 10
# The module looks at its deadline between two steps; none, not even a gate that waits for an approval, is meant to take a day.
_STEP_S = 86400
_NO_LOCK = "no lock"
display = Display()


class Job(t.NamedTuple):
    """A module that runs beside the session: its log, its sign of life from here, and what the files of its service begin with."""

    log: str
    sign: str
    kept: str

    def look(self) -> str:
        """A command that gives a sign of life and says what RV(read) reads."""
        log, sign, lock, progress = map(
            shlex.quote, (self.log, self.sign, f"{self.kept}.lock", f"{self.kept}.progress.json")
        )
        return (
            f"touch -c {sign}; cat {log}; echo; cat {progress} 2>/dev/null; echo; "
            f"if [ ! -e {lock} ] || flock -sn {lock} true; then echo '{_NO_LOCK}'; fi"
        )

    def forget(self) -> str:
        """A command that takes away what is left of it; one that lives yet misses its sign of life then."""
        return f"rm -f {shlex.quote(self.sign)} {shlex.quote(self.log)}"


class Seen(t.NamedTuple):
    """Whether the module has ended and left its result, a line about where it is, and whether anybody holds the lock of its service."""

    ended: bool
    line: str
    locked: bool


class ActionModule(ActionBase):
    """Runs the module beside itself on the host and touches a file that is its own (O(controller_sign)) until it has ended.

    Without O(controller_timeout), and where nothing is shifted, the module runs like any other.
    """

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        arguments = self._task.args
        patience = _seconds(arguments, "controller_timeout", 0)
        if self._task.check_mode or arguments.get("state") != "shifted" or patience <= 0 or self._task.async_val:
            return {**result, **self._execute_module(task_vars=task_vars)}
        return {**result, **self._stand_by(arguments, patience, task_vars)}

    def _stand_by(
        self, arguments: t.Mapping[str, t.Any], patience: int, task_vars: dict[str, t.Any] | None
    ) -> dict[str, t.Any]:
        folder = arguments.get("state_dir") or "/var/lib/replatform/traffic"
        kept = f"{folder}/{arguments['name']}"
        # Its own, so that the module of a controller that was killed does not take the next one for it.
        sign = f"{kept}.{uuid.uuid4().hex[:8]}.controller"
        self._low_level_execute_command(f"mkdir -p {shlex.quote(folder)} && touch {shlex.quote(sign)}")
        # The module ends by its own deadline; this only has to be later.
        longest = _seconds(arguments, "lock_timeout", 120) + _seconds(arguments, "deadline", 1800) + _STEP_S
        self._task.async_val = longest
        try:
            started = self._execute_module(
                module_args={**arguments, "controller_sign": sign}, task_vars=task_vars, wrap_async=True
            )
        finally:
            self._task.async_val = 0
        if started.get("failed") or "ansible_job_id" not in started:
            return started
        return self._await(Job(started["results_file"], sign, kept), longest, patience, task_vars)

    def _await(self, job: Job, longest: int, patience: int, task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        """The result of the module; fails when it has ended without one, or does not end."""
        said, controller, without_lock = "", os.getppid(), 0
        begun = heard = time.monotonic()
        while True:
            time.sleep(_EVERY_S)  # between two signs of life
            # Ansible's workers have sessions of their own: this one outlives a controller that is killed.
            if os.getppid() != controller:
                raise AnsibleActionFail("the controller has ended")
            try:
                seen = read(self._low_level_execute_command(job.look()).get("stdout", ""))
                heard = time.monotonic()
            except AnsibleConnectionFailure:
                # Until then the module waits too.
                if time.monotonic() - heard > patience:
                    raise
                continue
            if seen.line and seen.line != said:
                said = seen.line
                display.display(f"{self._task_host(task_vars)}: {said}")
            if seen.ended:
                return self._result(job.log, task_vars)
            without_lock = 0 if seen.locked else without_lock + 1
            if without_lock >= _LOOKS_WITHOUT_LOCK:
                self._give_up(
                    job,
                    said,
                    "has ended without a result (killed, its host restarted, or no room on its disk)",
                    task_vars,
                )
            if heard - begun > longest + patience:
                self._give_up(job, said, "does not end", task_vars)

    def _give_up(self, job: Job, said: str, why: str, task_vars: dict[str, t.Any] | None) -> t.NoReturn:
        """Fails with O(why) and the last that was heard."""
        with contextlib.suppress(AnsibleConnectionFailure):  # what is left does no harm
            self._low_level_execute_command(job.forget())
        raise AnsibleActionFail(
            f"the shift of service '{os.path.basename(job.kept)}' on {self._task_host(task_vars)} {why}; its last progress: {said or 'none'}; "
            "mend what ended it and run this again, which goes on from the weight that it left"
        )

    def _result(self, log: str, task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        """What the module returned, as Ansible reads it; its log is removed."""
        folder, _slash, job = log.rpartition("/")
        arguments = {"jid": job, "_async_dir": folder}
        result = self._execute_module(
            "ansible.legacy.async_status", {**arguments, "mode": "status"}, task_vars=task_vars
        )
        self._execute_module("ansible.legacy.async_status", {**arguments, "mode": "cleanup"}, task_vars=task_vars)
        return {k: v for k, v in result.items() if k not in ("ansible_job_id", "finished", "results_file", "started")}

    @staticmethod
    def _task_host(task_vars: t.Mapping[str, t.Any] | None) -> str:
        return str((task_vars or {}).get("inventory_hostname", ""))


def _seconds(arguments: t.Mapping[str, t.Any], name: str, default: int) -> int:
    """An option in whole seconds; the module itself refuses one that is no number."""
    try:
        return math.ceil(float(arguments.get(name, default)))
    except (TypeError, ValueError, OverflowError):
        return default


def read(output: str) -> Seen:
    """What RV(Job.look) has said: the log, the progress and the lock, a line each.

    While the module runs its log has C(started) (see the module ansible.builtin.async_wrapper).
    """
    ended, line, locked = False, "", True
    for text in output.splitlines():
        locked = locked and text != _NO_LOCK
        try:
            found = json.loads(text)
        except ValueError:
            continue  # a log that is being written
        if not isinstance(found, dict):
            continue
        if "service" in found and "step" in found:
            line = progress_line(found)
        elif "started" not in found:
            ended = True
    return Seen(ended, line, locked)


def progress_line(progress: t.Mapping[str, t.Any]) -> str:
    """The progress as a person reads it."""
    words = [f"{progress['service']}: {progress['step']} at {progress['weight']} %"]
    canary = progress.get("canary") or {}
    if canary.get("requests"):
        share = progress.get("share")
        words.append(f"share {share:.0%}" if share is not None else "share not known yet")
        words.append(f"{canary['success_rate']} % of {canary['requests']} requests well")
        words.append(f"p99 {canary['p99_ms']} ms")
    if "step_left_s" in progress:
        words.append(f"{progress['step_left_s']:.0f} s left, {progress['shift_left_s']:.0f} s in all")
    if progress.get("reason"):
        words.append(str(progress["reason"]))
    return ", ".join(words)
