# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long the clients of a store were held while it was handed over."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.evidence.phases import Record, epoch

OPERATIONS = ("postgres_switchover", "postgres_logical_switchover")
# A pause that fails lets clients go on by itself.
_ENDS = {("resume", "ok"), ("pause", "failed")}


def longest_hold_ms(records: t.Iterable[Record]) -> float | None:
    """From the start of a pause until clients went on, over the runs that it took; None where nobody was held."""
    begun: dict[str, float] = {}
    longest: float | None = None
    for record in records:
        at = epoch(record)
        if record.get("operation") not in OPERATIONS or at is None:
            continue
        store, what = str(record.get("subject") or ""), (record.get("step"), record.get("event"))
        if what == ("pause", "start"):
            begun.setdefault(store, at)
        elif what in _ENDS and store in begun:
            longest = max(longest or 0.0, round((at - begun.pop(store)) * 1000))
    return longest
