# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the module traffic_shift: a sign of life on the edge host, and its progress on the screen."""

from __future__ import annotations

import json
import os
import shlex
import time
import typing as t
import uuid

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

_EVERY_S = 2.0
display = Display()


class ActionModule(ActionBase):
    """Runs the module beside itself on the host and touches a file that is its own (O(controller_sign)) until it has ended.

    Without O(controller_timeout), and where nothing is shifted, the module runs like any other.
    """

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        arguments = self._task.args
        patience = float(arguments.get("controller_timeout") or 0)
        if self._task.check_mode or arguments.get("state") != "shifted" or patience <= 0 or self._task.async_val:
            return {**result, **self._execute_module(task_vars=task_vars)}
        return {**result, **self._stand_by(arguments, patience, task_vars)}

    def _stand_by(
        self, arguments: t.Mapping[str, t.Any], patience: float, task_vars: dict[str, t.Any] | None
    ) -> dict[str, t.Any]:
        folder = arguments.get("state_dir") or "/var/lib/replatform/traffic"
        kept = f"{folder}/{arguments['name']}"
        # Its own, so that the module of a controller that was killed does not take the next one for it.
        sign = f"{kept}.{uuid.uuid4().hex[:8]}.controller"
        self._low_level_execute_command(f"mkdir -p {shlex.quote(folder)} && touch {shlex.quote(sign)}")
        # The module ends by its own deadline; this only has to be later.
        self._task.async_val = 86400
        try:
            started = self._execute_module(
                module_args={**arguments, "controller_sign": sign}, task_vars=task_vars, wrap_async=True
            )
        finally:
            self._task.async_val = 0
        if started.get("failed") or "ansible_job_id" not in started:
            return started
        log, said, controller, heard = started["results_file"], "", os.getppid(), time.monotonic()
        command = (
            f"touch -c {shlex.quote(sign)}; cat {shlex.quote(log)}; echo; "
            f"cat {shlex.quote(kept + '.progress.json')} 2>/dev/null"
        )
        while True:
            time.sleep(_EVERY_S)  # between two signs of life
            # Ansible's workers have sessions of their own: this one outlives a controller that is killed.
            if os.getppid() != controller:
                raise AnsibleActionFail("the controller has ended")
            try:
                ended, progress = read(self._low_level_execute_command(command).get("stdout", ""))
                heard = time.monotonic()
            except AnsibleConnectionFailure:
                # Until then the module waits too.
                if time.monotonic() - heard > patience:
                    raise
                continue
            if progress and progress != said:
                said = progress
                display.display(f"{self._task_host(task_vars)}: {progress}")
            if ended:
                return self._result(log, task_vars)

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


def read(output: str) -> tuple[bool, str]:
    """Whether the module has ended, and a line about where it is; O(output) is its log and its progress, a line each.

    While it runs its log has C(started) (see the module ansible.builtin.async_wrapper).
    """
    ended, line = False, ""
    for text in output.splitlines():
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
    return ended, line


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
