# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Verdicts: what became of every key of every service."""

from __future__ import annotations

import re
import typing as t
from collections import Counter
from dataclasses import asdict, dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import one_line

MAPPED = "mapped"
APPROXIMATED = "approximated"
REPORTED = "reported"
REFUSED = "refused"
KINDS = (MAPPED, APPROXIMATED, REPORTED, REFUSED)
MEANING = {
    MAPPED: "the same behaviour on Kubernetes",
    APPROXIMATED: "works, and differs as the note says",
    REPORTED: "Kubernetes has no such thing; the note says what to do",
    REFUSED: "it would change behaviour; nothing is deployed until it is mended",
}


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


def by_service(verdicts: t.Sequence[Verdict]) -> list[tuple[str, list[Verdict]]]:
    """The rows of each service, by its name, what is not simply mapped first."""
    groups: dict[str, list[Verdict]] = {}
    for item in verdicts:
        groups.setdefault(item.service, []).append(item)
    return [
        (name, sorted(groups[name], key=lambda row: (-KINDS.index(row.verdict), row.key))) for name in sorted(groups)
    ]


def markdown(verdicts: t.Sequence[Verdict], stack: str, drift: t.Sequence[t.Mapping[str, t.Any]] = ()) -> str:
    """A page to sign: the counts, then a table a service with what is not simply mapped first, then the drift."""
    counts = summary(verdicts)
    lines = [f"# Verdicts for the stack {_cell(stack)}", ""]
    lines += [", ".join(f"{counts[kind]} {kind}" for kind in KINDS) + ".", ""]
    for service, rows in by_service(verdicts):
        lines += [f"## {_cell(service)}", "", "| key | verdict | what it means |", "|---|---|---|"]
        lines += [f"| {_code(row.key)} | {row.verdict} | {_cell(row.note)} |" for row in rows]
        lines.append("")
    if drift:
        lines += ["## Drift between the stack file and the running stack", ""]
        lines += ["| service | key | file | running |", "|---|---|---|---|"]
        lines += ["| " + " | ".join(_cell(row[k]) for k in ("service", "key", "file", "live")) + " |" for row in drift]
        lines.append("")
    return "\n".join(lines)


def _cell(value: t.Any) -> str:
    """Text that stays in its cell and is no mark-up, whatever a stranger has written."""
    text = one_line("" if value is None else str(value)).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`|\[\]])", r"\\\1", text)


def _code(value: str) -> str:
    """A key between backquotes, unless it has some of its own."""
    return _cell(value) if "`" in value or "|" in value else f"`{value}`"
