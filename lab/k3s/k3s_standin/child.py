"""Child processes: kept running, ended with us, and never two of a kind after we were killed."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Callable

from . import logs

MARK = "K3S_STANDIN_CHILD"
# Killing the service must free its ports at once. Containers are safe: their shims are nobody's children.
DIE_WITH_PARENT = ["/usr/bin/setpriv", "--pdeathsig", "KILL", "--"]


def end_leftovers() -> None:
    """End what an earlier run started and could not end. Shims inherit the mark, so the program counts too."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            program = os.path.basename((folder / "exe").readlink())
            marks = [v for v in (folder / "environ").read_bytes().split(b"\0") if v.startswith(MARK.encode() + b"=")]
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            # A live service is the parent of its own; only orphans belong to init.
            if parent == "1" and marks and marks[0].partition(b"=")[2].decode() == program:
                os.kill(int(folder.name), signal.SIGKILL)
                logs.warning(f"ended a {program} that an earlier run left behind")
        except OSError:
            continue


class Child:
    """One program with its arguments, started again whenever it ends, until ``stop``."""

    def __init__(self, name: str, command: list[str], log: Path | None = None, path: str = "") -> None:
        self.name, self.command, self.log, self.path = name, command, log, path
        self.process: subprocess.Popen[bytes] | None = None
        self.stopping = threading.Event()
        # PR_SET_PDEATHSIG is bound to the thread that forks, so that thread has to live as long as the child.
        self.thread = threading.Thread(target=self._keep, name=name, daemon=True)

    def start(self) -> Child:
        logs.info(f"Running {self.name} {' '.join(self.command[1:])}")
        self.thread.start()
        return self

    def _environment(self) -> dict[str, str]:
        own = {k: v for k, v in os.environ.items() if k != "NOTIFY_SOCKET" and not k.startswith("K3S_")}
        program = os.path.basename(os.path.realpath(self.command[0]))
        return {**own, MARK: program, **({"PATH": self.path} if self.path else {})}

    def _keep(self) -> None:
        pause = 0.5
        while not self.stopping.is_set():
            started = time.monotonic()
            status = self._run()
            if self.stopping.is_set():
                return
            pause = 0.5 if time.monotonic() - started > 30 else min(pause * 2, 10)
            logs.error(f"{self.name} exited: status {status}; starting it again in {pause:g} s")
            self.stopping.wait(pause)

    def _run(self) -> int:
        with open(self.log, "ab") if self.log else nullcontext() as output:
            self.process = subprocess.Popen(
                [*DIE_WITH_PARENT, *self.command],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
            return self.process.wait()

    def stop(self, seconds: float) -> None:
        self.stopping.set()
        process = self.process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()


def wait_until(what: str, seconds: float, check: Callable[[], object], pause: float = 0.3) -> None:
    """Wait for ``check`` to be true; errors of the network count as not yet."""
    deadline = time.monotonic() + seconds
    reason = ""
    while time.monotonic() < deadline:
        try:
            if check():
                return
        except (OSError, http.client.HTTPException) as error:
            reason = f" ({error})"
        time.sleep(pause)
    raise logs.Fatal(f"timed out after {seconds:g} s waiting for {what}{reason}")
