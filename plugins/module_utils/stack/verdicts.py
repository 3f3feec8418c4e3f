# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Verdicts: what became of every key of every service."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import asdict, dataclass

MAPPED = "mapped"
APPROXIMATED = "approximated"
REPORTED = "reported"
REFUSED = "refused"
KINDS = (MAPPED, APPROXIMATED, REPORTED, REFUSED)


@dataclass(frozen=True)
class Verdict:
    """C(mapped): same meaning. C(approximated): C(note) says what differs. C(reported): no Kubernetes meaning, C(note)
    says what to do. C(refused): converting it would change behaviour, C(note) names the mend."""

    service: str
    key: str
    verdict: str
    note: str = ""

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def summary(verdicts: t.Iterable[Verdict]) -> dict[str, int]:
    """How many there are of each kind."""
    counts = Counter(item.verdict for item in verdicts)
    return {kind: counts.get(kind, 0) for kind in KINDS}


def markdown(verdicts: t.Sequence[Verdict], stack: str, drift: t.Sequence[t.Mapping[str, t.Any]] = ()) -> str:
    """A page to sign: the counts, then a table a service with what is not simply mapped first, then the drift."""
    counts = summary(verdicts)
    lines = [f"# Verdicts for the stack {stack}", ""]
    lines += [", ".join(f"{counts[kind]} {kind}" for kind in KINDS) + ".", ""]
    for service in sorted({item.service for item in verdicts}):
        lines += [f"## {service}", "", "| key | verdict | what it means |", "|---|---|---|"]
        rows = [item for item in verdicts if item.service == service]
        for item in sorted(rows, key=lambda row: (-KINDS.index(row.verdict), row.key)):
            lines.append(f"| `{_cell(item.key)}` | {item.verdict} | {_cell(item.note)} |")
        lines.append("")
    if drift:
        lines += ["## Drift between the stack file and the running stack", ""]
        lines += ["| service | key | file | running |", "|---|---|---|---|"]
        lines += ["| " + " | ".join(_cell(row[k]) for k in ("service", "key", "file", "live")) + " |" for row in drift]
        lines.append("")
    return "\n".join(lines)


def _cell(value: t.Any) -> str:
    return str("" if value is None else value).replace("|", "\\|").replace("\n", " ")
