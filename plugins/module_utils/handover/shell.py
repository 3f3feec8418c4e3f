# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One shell in a container, which runs a script after the other: to get into a container takes longer than most scripts, and clients
may be waiting."""

from __future__ import annotations

import re
import secrets
import shlex
import time
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover.places import first_error

COMMAND = "/bin/sh"
# That of timeout(1) for what it has ended.
_TIMED_OUT = 124
# Beyond a script's own limit, which the container watches, for a connection that says nothing any more.
_SILENT_S = 10.0


class BrokenError(ReplatformError):
    """The shell can't be used any more."""


class LostError(BrokenError):
    """The connection was lost: nobody knows how far the script got."""


class Streams(t.Protocol):
    """The connection to a RV(COMMAND) that reads what to do from its input; it ends with that."""

    def send(self, text: str) -> None:
        """Raises RV(BrokenError)."""

    def receive(self, seconds: float) -> tuple[bytes, bytes]:
        """What there is of its output and of its errors, at the latest after O(seconds). Raises RV(BrokenError)."""

    def close(self) -> None: ...


class Shell:
    """O(where) is its place in words, e.g. C(pod postgres-0)."""

    def __init__(self, streams: Streams, where: str, timeout_s: float) -> None:
        self.where = where
        self.timeout_s = timeout_s
        self._streams = streams

    def run(self, script: str, *arguments: str) -> str:
        """What O(script) prints. Raises C(ReplatformError) with the line that says what went wrong, and RV(BrokenError) when it was the
        last one that this shell could run."""
        mark = secrets.token_hex(8)
        command = shlex.join(["timeout", f"{self.timeout_s:g}", "/bin/sh", "-c", script, "sh", *arguments])
        # A shell whose input ends within the braces runs nothing of it.
        self._streams.send(
            f"{{ echo {mark}; echo {mark} >&2; {command} </dev/null; code=$?; echo {mark} $code; echo {mark} >&2; }}\n"
        )
        out, err, code = self._between(mark)
        if code == _TIMED_OUT:
            raise ReplatformError(self._not_ended())
        if code:
            raise ReplatformError(f"a script in {self.where} failed: {first_error(err) or f'status {code}'}")
        return out

    def close(self) -> None:
        self._streams.close()

    def _between(self, mark: str) -> tuple[str, str, int]:
        """What a script and those whom it waited for said; one that it left behind may say something later, or did so before."""
        out, err = b"", b""
        end = time.monotonic() + self.timeout_s + _SILENT_S
        all_out = re.compile(rf"{mark}\n(.*){mark} (\d+)\n".encode(), re.DOTALL)
        all_err = re.compile(rf"{mark}\n(.*){mark}\n".encode(), re.DOTALL)
        while True:
            printed, said = all_out.search(out), all_err.search(err)
            if printed and said:
                return printed[1].decode(errors="replace"), said[1].decode(errors="replace"), int(printed[2])
            if time.monotonic() > end:
                raise BrokenError(self._not_ended())
            more_out, more_err = self._streams.receive(1.0)
            out, err = out + more_out, err + more_err

    def _not_ended(self) -> str:
        return f"a script in {self.where} has not ended within {self.timeout_s:g} s"
