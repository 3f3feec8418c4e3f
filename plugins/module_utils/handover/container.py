# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A place for the scripts of a handover: the container of a Swarm service's task on this host."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover.places import first_error
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import client

_LABEL = "com.docker.swarm.service.name"
# That of timeout(1) for what it has ended.
_TIMED_OUT = 124


class Container:
    """O(engine) is a low-level client of the Docker SDK, O(service) the full name of the service."""

    def __init__(self, engine: t.Any, service: str, timeout_s: float = 600) -> None:
        self.engine = engine
        self.service = service
        self.timeout_s = timeout_s
        self._id = ""

    def run(self, script: str, *arguments: str) -> str:
        """Raises C(ReplatformError) with the line that says what went wrong."""
        self._id = self._id or self._find()
        command = ["timeout", f"{self.timeout_s:g}", "/bin/sh", "-c", script, "sh", *arguments]
        with client.api_errors(f"run a script in the container of {self.service}"):
            made = self.engine.exec_create(self._id, command, user="root")
            out, err = self.engine.exec_start(made["Id"], demux=True)
            code = self.engine.exec_inspect(made["Id"])["ExitCode"]
        if code == _TIMED_OUT:
            raise ReplatformError(
                f"a script in the container of {self.service} has not ended within {self.timeout_s:g} s"
            )
        if code != 0:
            said = first_error((err or b"").decode(errors="replace"))
            raise ReplatformError(f"a script in the container of {self.service} failed: {said or f'status {code}'}")
        return str((out or b"").decode())

    def _find(self) -> str:
        with client.api_errors(f"list the containers of {self.service}"):
            found = self.engine.containers(filters={"label": f"{_LABEL}={self.service}", "status": "running"})
        if len(found) != 1:
            raise ReplatformError(
                f"{len(found)} containers of {self.service} run on this host, and one is wanted: run this where its task is"
            )
        return str(found[0]["Id"])
