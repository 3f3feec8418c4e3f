# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The evidence journal: one JSON object a line, appended and flushed to disk before the next step begins."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import typing as t
import uuid

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError


def utc_now() -> str:
    """The time now as ISO 8601 in UTC with milliseconds, e.g. C(2026-11-23T10:15:00.123Z)."""
    now = datetime.datetime.now(tz=datetime.timezone.utc)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Journal:
    """Appends records to a file; without a path it keeps them in memory alone.

    Every record has C(id) (unique, so that merged journals can be told apart), C(time) (see RV(utc_now)),
    C(phase), C(operation), C(subject), C(step), C(event) (C(start), C(ok), C(failed) or C(refused)) and C(data)
    (a mapping without secrets).
    """

    def __init__(self, path: str | None, phase: str, operation: str, subject: str = "") -> None:
        self.path = path
        self.phase = phase
        self.operation = operation
        self.subject = subject
        self.records: list[dict[str, t.Any]] = []

    def write(self, step: str, event: str, data: t.Mapping[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Append one record, fsync it, and return it."""
        record = {
            "id": uuid.uuid4().hex,
            "time": utc_now(),
            "phase": self.phase,
            "operation": self.operation,
            "subject": self.subject,
            "step": step,
            "event": event,
            "data": dict(data or {}),
        }
        self.records.append(record)
        if self.path:
            self._append(self.path, json.dumps(record, sort_keys=True))
        return record

    @staticmethod
    def _append(path: str, line: str) -> None:
        try:
            with locked(path) as fd:
                size = os.fstat(fd).st_size
                torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
                rest = (("\n" if torn else "") + line + "\n").encode()
                while rest:
                    rest = rest[os.write(fd, rest) :]
                os.fsync(fd)
        except OSError as exc:
            raise ReplatformError(f"the journal {path} cannot be written: {exc.strerror or exc}") from exc


@contextlib.contextmanager
def locked(path: str) -> t.Iterator[int]:
    """A descriptor of the file at O(path), made if missing, that no other writer of journals holds meanwhile.

    A merge replaces the file by rename, so the file that was locked may no longer be the one that the path names: then
    the new one is locked instead.
    """
    os.makedirs(os.path.dirname(path) or ".", mode=0o750, exist_ok=True)
    while True:
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            if _is_named(path, fd):
                yield fd
                return
        finally:
            os.close(fd)


def _is_named(path: str, fd: int) -> bool:
    try:
        named = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(named, os.fstat(fd))


def read_journal(path: str) -> list[dict[str, t.Any]]:
    """The records of a journal file in order; a line torn by a crash is left out. A missing file is an empty journal."""
    records = []
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            for line in handle:
                try:
                    record = json.loads(line)
                except ValueError:
                    continue
                if isinstance(record, dict):
                    records.append(record)
    except FileNotFoundError:
        return []
    return records
