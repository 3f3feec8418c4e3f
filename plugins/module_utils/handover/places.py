# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the scripts of a handover run: on this host; in a pod, see C(cluster.py); in a Swarm's container, see C(container.py).
RV(Place) is what all have."""

from __future__ import annotations

import re
import subprocess
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError

# They become words of connection strings, which know no quotes.
_ADDRESS = re.compile(r"[A-Za-z0-9_.-]+:[0-9]{1,5}")


class Place(t.Protocol):
    """Runs a shell script and returns what it prints; its arguments must hold no secret."""

    def run(self, script: str, *arguments: str) -> str: ...


class Here:
    """This host."""

    def __init__(self, timeout_s: float = 600) -> None:
        self.timeout_s = timeout_s

    def run(self, script: str, *arguments: str) -> str:
        """Raises C(ReplatformError) with the line that says what went wrong."""
        command = ["/bin/sh", "-c", script, "sh", *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=self.timeout_s, check=False)
        except subprocess.TimeoutExpired as exc:
            raise ReplatformError(f"a script has not ended within {self.timeout_s:g} s") from exc
        if done.returncode:
            raise ReplatformError(first_error(done.stderr) or f"a script ended with status {done.returncode}")
        return done.stdout


def first_error(text: str) -> str:
    """The line that says what went wrong: the first that speaks of an error, else the last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "")


def address(text: str) -> tuple[str, str]:
    """Host and port of C(host:port)."""
    host, _colon, port = text.rpartition(":")
    return host, port


def check_addresses(params: t.Mapping[str, t.Any], *options: str) -> None:
    """Raises C(ReplatformError) with one line for the first of O(options) that is no C(host:port), or for one instance named twice."""
    for option in options:
        if not _ADDRESS.fullmatch(params[option]):
            raise ReplatformError(f"{option} is '{params[option]}': give it as host:port")
    if params["target"] == params["other"]:
        raise ReplatformError(f"target and other are both {params['target']}: name two instances")
