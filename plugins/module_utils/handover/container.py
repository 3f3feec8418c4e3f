# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A place for the scripts of a handover: the container of a Swarm service's task on this host."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import shell
from ansible_collections.sophia.replatform.plugins.module_utils.handover.shell import BrokenError, LostError, Shell
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import client

_LABEL = "com.docker.swarm.service.name"


class Container:
    """O(engine) is a low-level client of the Docker SDK, O(service) the full name of the service."""

    def __init__(self, engine: t.Any, service: str, timeout_s: float = 600) -> None:
        self.engine = engine
        self.service = service
        self.timeout_s = timeout_s
        self._shell: Shell | None = None

    def run(self, script: str, *arguments: str) -> str:
        """Raises C(ReplatformError) with the line that says what went wrong."""
        if self._shell is None:
            streams = _Exec(self.engine, self._find(), self.service)
            self._shell = Shell(streams, f"the container of {self.service}", self.timeout_s)
        try:
            return self._shell.run(script, *arguments)
        except BrokenError:
            self._shell.close()
            self._shell = None
            raise

    def _find(self) -> str:
        with client.api_errors(f"list the containers of {self.service}"):
            found = self.engine.containers(filters={"label": f"{_LABEL}={self.service}", "status": "running"})
        if len(found) != 1:
            raise ReplatformError(
                f"{len(found)} containers of {self.service} run on this host, and one is wanted: run this where its task is"
            )
        return str(found[0]["Id"])


class _Exec:
    """The connection to a shell in a container."""

    def __init__(self, engine: t.Any, container: str, service: str) -> None:
        self._service = service
        with self._errors():
            made = engine.exec_create(container, [shell.COMMAND], user="root", stdin=True)
            self._answer = engine.exec_start(made["Id"], socket=True)
        # Over a Unix socket the SDK gives a file that can only be read.
        self._socket = getattr(self._answer, "_sock", self._answer)

    def send(self, text: str) -> None:
        with self._errors():
            self._socket.sendall(text.encode())

    def receive(self, seconds: float) -> tuple[bytes, bytes]:
        with self._errors():
            frame = client.next_frame(self._socket, seconds)
        if frame is None:
            return b"", b""
        stream, piece = frame
        return (piece, b"") if stream == client.STDOUT else (b"", piece)

    def close(self) -> None:
        self._answer.close()

    @contextlib.contextmanager
    def _errors(self) -> t.Iterator[None]:
        doing = f"run a script in the container of {self._service}"
        try:
            with client.api_errors(doing):
                yield
        except OSError as exc:
            raise LostError(f"could not {doing}: {exc}") from exc
