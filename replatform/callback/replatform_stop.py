# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ends a run of Ansible between two tasks, when the command that started it asks for it."""

from __future__ import annotations

import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: replatform_stop
type: aggregate
short_description: End a run between two tasks
description:
  - Before a task begins on any host, and so when the task before it has ended on all of them, it looks for the file C(stop) in the
    folder that the environment's C(REPLATFORM_STOP) names. If it is there the run ends as with Ctrl-C.
  - The file C(pid) in that folder says which process to interrupt where a task must not be waited for.
options: {}
"""


class CallbackModule(CallbackBase):
    """Does nothing without C(REPLATFORM_STOP)."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "replatform_stop"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._folder = os.environ.get("REPLATFORM_STOP", "")

    def v2_playbook_on_start(self, playbook):
        if self._folder:
            with open(os.path.join(self._folder, "pid"), "w", encoding="ascii") as handle:
                handle.write(str(os.getpid()))

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._stop_if_asked()

    def v2_playbook_on_handler_task_start(self, task):
        self._stop_if_asked()

    def _stop_if_asked(self):
        if self._folder and os.path.exists(os.path.join(self._folder, "stop")):
            raise KeyboardInterrupt
