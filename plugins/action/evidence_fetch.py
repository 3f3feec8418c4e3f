# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the module evidence_fetch: it knows the copies and writes them."""

from __future__ import annotations

import os
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleActionSkip, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.tail import describe, write_tail


class ActionModule(ActionBase):
    """Asks the host for what the copies lack until there is no more."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        dest = arguments.pop("dest", None)
        if not dest:
            raise AnsibleActionFail("dest is missing: name the folder on the controller that holds the copies")
        if self._task.check_mode:
            raise AnsibleActionSkip("nothing is fetched in check mode")
        try:
            return {**result, "changed": False, **self._fetch(dest, arguments, task_vars)}
        except AnsibleConnectionFailure as exc:
            text = f"the host cannot be reached, so its evidence is left for the next time: {exc}"
            return {**result, "changed": False, "reached": False, "fetched": {}, "warnings": [text]}
        except (ReplatformError, OSError) as exc:
            raise AnsibleActionFail(f"the copies below {dest} cannot be written: {exc}") from exc

    def _fetch(self, dest: str, arguments: dict[str, t.Any], task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        fetched: dict[str, int] = {}
        while True:
            arguments["have"] = copies(dest)
            answer = self._execute_module(
                "sophia.replatform.evidence_fetch", module_args=arguments, task_vars=task_vars
            )
            if answer.get("failed"):
                return answer
            for tail in answer["files"]:
                fetched[tail["name"]] = fetched.get(tail["name"], 0) + write_tail(dest, tail)
            if not answer["more"]:
                return {"reached": True, "fetched": fetched}


def copies(dest: str) -> dict[str, dict[str, t.Any]]:
    """The copies below O(dest), described, by name."""
    names = [
        os.path.relpath(os.path.join(folder, name), dest)
        for folder, _folders, files in os.walk(dest)
        for name in files
        if not name.endswith(".new")
    ]
    return {name: describe(os.path.join(dest, name)) for name in names}
