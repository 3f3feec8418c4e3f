# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A connection of Ansible over TCP, to a test's own server of commands. All that a controller does on the host goes over that wire."""

from __future__ import annotations

import base64
import json
import pathlib
import shlex
import socket
import typing as t

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: wire
short_description: Commands over TCP
description: [Commands over TCP.]
"""
# How long a command may be silent, and how long the way to the host.
_ANSWER_S, _CONNECT_S = 60, 1


class Connection(ConnectionBase):
    """Each command is a connection of its own, as with SSH without a master."""

    transport = "wire"
    has_pipelining = True

    def _connect(self) -> Connection:
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        asked = {"command": cmd, "given": base64.b64encode(in_data or b"").decode()}
        try:
            address = (str(self._play_context.remote_addr), int(self._play_context.port))
            with socket.create_connection(address, _CONNECT_S) as wire, wire.makefile("rwb") as file:
                wire.settimeout(_ANSWER_S)
                file.write(json.dumps(asked).encode() + b"\n")
                file.flush()
                answer: dict[str, t.Any] = json.loads(file.readline())
        except (OSError, ValueError) as exc:
            raise AnsibleConnectionFailure(f"the host can't be reached: {exc}") from exc
        return answer["status"], base64.b64decode(answer["out"]), base64.b64decode(answer["err"])

    def put_file(self, in_path: str, out_path: str) -> None:
        super().put_file(in_path, out_path)
        self.exec_command(f"cat >{shlex.quote(out_path)}", pathlib.Path(in_path).read_bytes())

    def fetch_file(self, in_path: str, out_path: str) -> None:
        super().fetch_file(in_path, out_path)
        pathlib.Path(out_path).write_bytes(self.exec_command(f"cat {shlex.quote(in_path)}")[1])

    def close(self) -> None:
        pass
