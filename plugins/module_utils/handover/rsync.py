# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One folder made the same as another on this host, by rsync(1)."""

from __future__ import annotations

import fcntl
import os
import re
import select
import shutil
import signal
import subprocess
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.operation import wait_while

# Hard links, ACLs, extended attributes and holes too; owners by number; what the source has not goes.
COMMAND = ("rsync", "-aHAXS", "--numeric-ids", "--delete", "--one-file-system", "--no-h")
_VANISHED = 24  # of a folder in use, files go while it is copied
_LOOK_S = 1.0
_PROGRESS = re.compile(rb"\s*(\d+)\s+(\d+)%")
_COUNTS = {
    "files": re.compile(r"^Number of regular files transferred: (\d+)", re.MULTILINE),
    "deleted": re.compile(r"^Number of deleted files: (\d+)", re.MULTILINE),
    "bytes": re.compile(r"^Literal data: (\d+)", re.MULTILINE),
}
Check = t.Callable[[], None]
Tell = t.Callable[[t.Mapping[str, int]], None]


def is_installed() -> bool:
    return shutil.which(COMMAND[0]) is not None


def pending(source: str, target: str) -> int:
    """How many entries of O(target) a pass would make, change or remove."""
    done = subprocess.run(
        [*COMMAND, "--dry-run", "--out-format=%i", "--", f"{source}/", f"{target}/"],
        capture_output=True,
        check=False,
        env=_environment(),
    )
    _judge(done.returncode, done.stderr)
    return done.stdout.count(b"\n")


def copy(source: str, target: str, lock: str, checksum: bool, check: Check, tell: Tell) -> dict[str, int]:
    """A pass: C(files) that were written, C(deleted) and C(bytes) that were not there before. O(lock) is held by rsync itself.

    O(check) is called each second and may raise, which ends rsync; O(tell) gets C(bytes) and C(percent), when they have changed.
    With O(checksum) every file is read, and none is trusted for its size and time.
    """
    command = [*COMMAND, "--stats", "--info=progress2", *(["--checksum"] if checksum else [])]
    fd = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(fd, check)
        process = subprocess.Popen(
            [*command, "--", f"{source}/", f"{target}/"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            pass_fds=[fd],
            start_new_session=True,
        )
    finally:
        os.close(fd)
    try:
        said, errors = _follow(process, check, tell)
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)  # its own group: rsync is several processes
        process.wait()
        raise
    _judge(process.returncode, errors)
    text = said.decode(errors="replace")
    return {name: int(found.group(1)) for name, found in ((n, p.search(text)) for n, p in _COUNTS.items()) if found}


def _take(fd: int, check: Check) -> None:
    """Wait until no rsync of a run that was killed holds the lock any more."""

    def held() -> bool:
        check()
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False

    wait_while(held, float("inf"))


def _follow(process: subprocess.Popen[bytes], check: Check, tell: Tell) -> tuple[bytes, bytes]:
    streams = [stream for stream in (process.stdout, process.stderr) if stream]
    pipes = {stream.fileno(): b"" for stream in streams}
    out, err = pipes
    waiting, last = set(pipes), b""
    while waiting:
        for fd in select.select(list(waiting), [], [], _LOOK_S)[0]:
            chunk = os.read(fd, 1 << 16)
            pipes[fd] += chunk
            if not chunk:
                waiting.discard(fd)
        check()
        line, _cr, rest = pipes[out].rpartition(b"\r")
        seen = _PROGRESS.match(line.rpartition(b"\r")[2])
        if seen:
            pipes[out] = rest if _cr else pipes[out]
            if seen.group() != last:
                last = seen.group()
                tell({"bytes": int(seen.group(1)), "percent": int(seen.group(2))})
    process.wait()
    return pipes[out], pipes[err]


def _judge(status: int, errors: bytes) -> None:
    """Raises C(ReplatformError) with the first line that rsync said, since the last one only says where in its source it ended."""
    if status in (0, _VANISHED):
        return
    lines = [line.strip() for line in errors.decode(errors="replace").splitlines() if line.strip()]
    raise ReplatformError(f"rsync ended with status {status}: {lines[0] if lines else 'it said nothing'}")


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RSYNC_")}
    return {**kept, "LC_ALL": "C"}
