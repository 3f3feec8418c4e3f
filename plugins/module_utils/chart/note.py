# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The migration note of an existing chart's values: a row a key."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.chart.existing import VERDICTS
from ansible_collections.sophia.replatform.plugins.module_utils.chart.model import Row


def summary(rows: t.Sequence[Row]) -> dict[str, int]:
    """How many keys there are of each verdict."""
    return {verdict: sum(row.verdict == verdict for row in rows) for verdict in VERDICTS}


def markdown(name: str, rows: t.Sequence[Row], absent: t.Sequence[str] = ()) -> str:
    """A page to sign: the counts, what is reported first, and the services of the inventory that no stack file has."""
    counts = summary(rows)
    lines = [f"# What became of the values of the chart before {name}", ""]
    lines += [", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS) + ".", ""]
    if rows:
        lines += ["| key | verdict | where it is now | note |", "|---|---|---|---|"]
    for row in sorted(rows, key=lambda row: (-VERDICTS.index(row.verdict), row.key)):
        to = f"`{_cell(row.to)}`" if row.to else ""
        lines.append(f"| `{_cell(row.key)}` | {row.verdict} | {to} | {_cell(row.note)} |")
    if rows:
        lines.append("")
    if absent:
        lines += ["Services of the inventory that the stack does not have: " + ", ".join(absent) + ".", ""]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
