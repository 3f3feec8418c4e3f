# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has to say yes before a weight is raised: a command on the edge host, or a person. Flagger has webhooks for both.

An approval is a file of JSON, C({"by": "who", "at": "when"}), in the folder C(approvals) beside the notes about weights. It is good
for one gate, service and weight, and is moved away when that weight is in effect.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError

_POLL_S = 0.5


@dataclass(frozen=True)
class Gate:
    """O(type) is C(command) or C(approval). No O(weights) means every one; O(timeout) is in seconds."""

    name: str
    type: str
    weights: tuple[int, ...] = ()
    command: tuple[str, ...] = ()
    timeout: float = 60.0

    def stands_before(self, weight: int) -> bool:
        return not self.weights or weight in self.weights


def approval_path(state_dir: str, service: str, gate: str, weight: int) -> str:
    """Where the approval of one gate before one weight of one service is looked for."""
    return os.path.join(state_dir, "approvals", f"{service}-{gate}-{weight}.json")


def ask_command(gate: Gate, service: str, weight: int, alive: t.Callable[[], None] = lambda: None) -> str:
    """Why the gate's command says no, or an empty string. It runs without a shell and is told what is to come.

    O(alive) is called at each look and may raise, which ends the command with all that it has started.
    """
    environment = {**os.environ, "REPLATFORM_SERVICE": service, "REPLATFORM_WEIGHT": str(weight)}
    end = time.monotonic() + gate.timeout
    try:
        with _running(gate.command, environment) as process:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    status = process.wait(max(0.0, min(_POLL_S, end - time.monotonic())))
                    break
                if time.monotonic() >= end:
                    return f"gate '{gate.name}': {gate.command[0]} has not ended within {gate.timeout:g} s"
                alive()
    except OSError as exc:
        return f"gate '{gate.name}': {gate.command[0]} can not be run ({exc.strerror or exc})"
    return f"gate '{gate.name}': {gate.command[0]} ended with {status}" if status else ""


@contextlib.contextmanager
def _running(command: t.Sequence[str], environment: t.Mapping[str, str]) -> t.Iterator[subprocess.Popen[bytes]]:
    """The command in a session of its own, so that nothing of it is left when the block ends before it does."""
    nothing = subprocess.DEVNULL
    process = subprocess.Popen(
        command, env=environment, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def await_approval(
    gate: Gate, state_dir: str, service: str, weight: int, alive: t.Callable[[], None] = lambda: None
) -> dict[str, str]:
    """Waits for a person; who approved and when. O(alive) is called at each look and may raise.

    Raises C(RefusedError) when nobody did within the gate's timeout, C(ReplatformError) when the file does not say who.
    """
    path = approval_path(state_dir, service, gate.name, weight)
    end = time.monotonic() + gate.timeout
    while True:
        alive()
        found = read_approval(path)
        if found:
            return found
        if time.monotonic() >= end:
            raise RefusedError(
                f"service '{service}' waits before weight {weight}: gate '{gate.name}' was not approved within {gate.timeout:g} s; "
                f"run playbooks/approve.yml, or write {path}, then run this again"
            )
        time.sleep(_POLL_S)  # a file tells nobody that it has come


def read_approval(path: str) -> dict[str, str] | None:
    """The approval at O(path), None without one."""
    try:
        with open(path, encoding="utf-8") as handle:
            content = json.load(handle)
        return {"by": _said(content, "by"), "at": _said(content, "at")}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as exc:
        raise ReplatformError(
            f'{path} does not say who approved and when: it must be {{"by": "a name", "at": "a time"}}'
        ) from exc


def use_up(state_dir: str, service: str, gate: str, weight: int) -> None:
    """Moves an approval away, so that it does not approve the same weight of a later shift."""
    path = approval_path(state_dir, service, gate, weight)
    if os.path.exists(path):
        os.replace(path, f"{path}.used")


def _said(content: t.Mapping[str, t.Any], key: str) -> str:
    value = content[key]
    if not (isinstance(value, str) and value.strip()):
        raise ValueError(key)
    return value.strip()
