# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The dead-man's orders: what a process of its own on the edge host has to put back when nobody gives a sign of life any more.

Before a step that file is written and C(deadman.py) of role C(edge) is started on it, where systemd runs as a transient service of
its own, so that it outlives this module and the session that it runs in. A thread touches the file while this process lives and
hears of its controller. Once the step's weight is safe, or is not in the file any more, the orders are taken away, which ends that process.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import select
import subprocess
import sys
import threading
import time
import typing as t
import uuid

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import Route, render
from ansible_collections.sophia.replatform.plugins.module_utils.whole_file import replace_file

_BEAT_S = 1.0


class Controller:
    """Whether the controller that started this module is still there.

    It is gone when nobody reads this process's output any more, or when O(sign), a file that this controller alone touches, has not
    been touched for O(patience_s). Without O(sign) there is only the output.
    """

    def __init__(self, sign: str = "", patience_s: float = 0.0, output: int = 1) -> None:
        self._sign, self._patience_s, self._output = sign, patience_s, output
        self._seen = (0.0, time.monotonic())

    def lost(self) -> str:
        """Why the controller is taken for gone; an empty string while it is there."""
        if _hung_up(self._output):
            return "nobody reads the module's output any more"
        if not self._sign:
            return ""
        touched = 0.0
        with contextlib.suppress(OSError):
            touched = os.stat(self._sign).st_mtime
        if touched != self._seen[0]:
            self._seen = (touched, time.monotonic())
        silent_s = time.monotonic() - self._seen[1]
        return f"no sign of the controller for {silent_s:.0f} s" if silent_s > self._patience_s else ""

    def close(self) -> None:
        """Takes the sign away, which the controller does not make anew."""
        if self._sign:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._sign)


class DeadMan:
    """Arms and disarms. Without O(script) there is none, and all of it does nothing."""

    def __init__(
        self,
        script: str,
        orders: str,
        patience_s: float,
        controller: Controller,
        context: t.Mapping[str, t.Any],
    ) -> None:
        self._script, self._orders, self._patience_s = script, orders, patience_s
        self._controller, self._context = controller, context
        self._nonce = ""
        self._armed_for: tuple[Route, Route] | None = None
        self._stop = threading.Event()
        self._beats: threading.Thread | None = None

    def arm(self, before: Route, step: Route) -> None:
        """Has O(before) put back when this process goes silent while O(step) is the file, until it is disarmed."""
        if not self._script or self._armed_for == (before, step):
            return
        self.disarm()
        self._arm(before, step)
        self._armed_for = (before, step)
        self._stop = threading.Event()
        self._beats = threading.Thread(target=self._beat, args=(self._stop,), daemon=True)
        self._beats.start()

    def disarm(self) -> None:
        """The weight is safe now, or no longer in the file. With the controller gone there may be nobody to see to it: the orders stand."""
        if self._beats is None:
            return
        self._stop.set()
        self._beats.join()
        self._beats = self._armed_for = None
        if not self._controller.lost():
            self._disarm()

    def check(self) -> None:
        """Raises C(ReplatformError) when the controller is gone, or when the dead-man has acted in the meantime."""
        lost = self._controller.lost()
        if lost:
            raise ReplatformError(
                f"{lost}: the step is left to the dead-man" if self._nonce else f"{lost}: the shift ends here"
            )
        if self._nonce and self._read_nonce() != self._nonce:
            raise ReplatformError(
                "the dead-man has put the last safe weights back: this process gave no sign of life; run this again"
            )

    def _arm(self, before: Route, step: Route) -> None:
        if not os.path.isfile(self._script):
            raise RefusedError(f"the dead-man {self._script} (dead_man) is not there; run playbooks/edge.yml first")
        self._nonce = uuid.uuid4().hex
        orders = {
            **self._context,
            "nonce": self._nonce,
            "patience_s": self._patience_s,
            "service": before.name,
            "protocol": before.protocol,
            "weight": before.weight,
            "weights": {name: weight for name, _side, weight in before.children()},
            "text": render(before),
            "step_sha256": hashlib.sha256(render(step).encode()).hexdigest(),
        }
        replace_file(self._orders, json.dumps(orders, sort_keys=True) + "\n", 0o640)
        try:
            _start([self._script, self._orders, self._nonce], f"replatform-deadman-{before.name}-{self._nonce[:8]}")
        except (OSError, subprocess.SubprocessError) as exc:
            self._disarm()
            raise ReplatformError(
                f"the dead-man {self._script} (dead_man) does not start: {exc}; nothing was changed"
            ) from exc

    def _beat(self, stop: threading.Event) -> None:
        while not self._controller.lost():
            with contextlib.suppress(OSError):
                os.utime(self._orders)
            if stop.wait(_BEAT_S):
                return

    def _disarm(self) -> None:
        if self._read_nonce() == self._nonce:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._orders)
        self._nonce = ""

    def _read_nonce(self) -> str:
        try:
            with open(self._orders, encoding="utf-8") as handle:
                return str(json.load(handle)["nonce"])
        except (OSError, ValueError, KeyError):
            return ""


def _start(arguments: list[str], unit: str) -> None:
    """Starts Python with O(arguments) where nothing that ends this process ends it too."""
    command = [sys.executable, *arguments]
    if os.path.isdir("/run/systemd/system"):
        subprocess.run(
            ["systemd-run", "--quiet", "--collect", f"--unit={unit}", "--property=Type=exec", *command],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=30,
        )
        return
    subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        close_fds=True,
    )


def _hung_up(descriptor: int) -> bool:
    poll = select.poll()
    try:
        poll.register(descriptor, 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _fd, event in poll.poll(0))
    except OSError:
        return False
