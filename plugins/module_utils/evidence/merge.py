# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Several journals made one."""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.journal import locked, read_journal

Record = t.Dict[str, t.Any]


def merge(*journals: t.Iterable[Record]) -> list[Record]:
    """Every record once (by its C(id)), by time; records of one time keep the order in which they were given.

    Nothing is judged: the records of a run that was killed stay, with starts that have no end.
    """
    seen: set[str] = set()
    merged = []
    for record in (record for journal in journals for record in journal):
        key = str(record.get("id") or json.dumps(record, sort_keys=True))
        if key not in seen:
            seen.add(key)
            merged.append(record)
    return sorted(merged, key=lambda record: str(record.get("time", "")))


def merge_into(path: str, others: t.Sequence[str]) -> list[Record]:
    """Merge the journals at O(others) into the one at O(path), which is replaced at once; returns all records.

    A writer of the journal waits meanwhile, so no record is lost between reading and replacing.
    """
    try:
        with locked(path):
            before = read_journal(path)
            records = merge(before, *(read_journal(other) for other in others))
            if records != before:
                write_whole(path, "".join(json.dumps(record, sort_keys=True) + "\n" for record in records))
        return records
    except OSError as exc:
        raise ReplatformError(f"the journals cannot be merged into {path}: {exc.strerror or exc}") from exc


def write_whole(path: str, text: str) -> None:
    """Write a file by writing another beside it and renaming, so that a reader sees the old or the new one, whole."""
    fresh = path + ".new"
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
    with os.fdopen(fd, "w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(fresh, path)
