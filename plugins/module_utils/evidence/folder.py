# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The artifacts folder: what lies where, and reading it."""

from __future__ import annotations

import glob
import json
import os
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.merge import merge, merge_into
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.phases import Phase, Record, read_phases
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.traffic import Traffic, count_failures, sum_up
from ansible_collections.sophia.replatform.plugins.module_utils.journal import read_journal

OUTPUTS = ("repository", "cluster", "platform", "cutover")


class Evidence(t.NamedTuple):
    """All that is known about a migration."""

    records: t.Sequence[Record]  # of the merged journal, by time
    phases: dict[str, Phase]
    traffic: Traffic  # within the time in which requests count
    failures: dict[tuple[str, str], int]  # requests by service and reason
    outputs: dict[str, dict[str, t.Any]]  # what the phases wrote about their results, by the phase's name
    hosts: list[str]  # whose journals were merged


def read_evidence(artifacts: str, write: bool) -> Evidence:
    """Read the artifacts folder; with O(write) the merged journal is written, too."""
    path, others = os.path.join(artifacts, "journal.jsonl"), host_journals(artifacts)
    records = merge_into(path, others) if write else merge(*(read_journal(one) for one in [path, *others]))
    phases = read_phases(records)
    since, until = window(phases)
    return Evidence(
        records=records,
        phases=phases,
        traffic=sum_up(prober_lines(artifacts), since, until),
        failures=count_failures(prober_lines(artifacts), since, until),
        outputs=read_outputs(artifacts),
        hosts=[os.path.basename(os.path.dirname(other)) for other in others],
    )


def window(phases: t.Mapping[str, Phase]) -> tuple[float | None, float | None]:
    """When requests count: from the start of the cluster phase to the end of the cutover, None for an end that is open."""
    starts = [phases[name].started for name in ("cluster", "platform", "cutover")]
    known = [start for start in starts if start is not None]
    return (min(known) if known else None), phases["cutover"].ended


def host_journals(artifacts: str) -> list[str]:
    """The copies of the hosts' journals."""
    return sorted(glob.glob(os.path.join(glob.escape(artifacts), "hosts", "*", "journal.jsonl")))


def prober_lines(artifacts: str) -> t.Iterator[str]:
    """Every line of every prober file that was fetched."""
    for path in sorted(glob.glob(os.path.join(glob.escape(artifacts), "hosts", "*", "prober", "*.jsonl"))):
        with open(path, encoding="utf-8", errors="replace") as handle:
            yield from handle


def read_outputs(artifacts: str) -> dict[str, dict[str, t.Any]]:
    """What the phases wrote about their results, by the phase's name; a phase without a file is left out."""
    outputs = {}
    for name in OUTPUTS:
        path = os.path.join(artifacts, name + ".json")
        try:
            with open(path, encoding="utf-8") as handle:
                found = json.load(handle)
        except FileNotFoundError:
            continue
        except ValueError as exc:
            raise ReplatformError(f"{path} is not JSON ({exc}): run phase {name} again, which writes it anew") from exc
        if not isinstance(found, dict):
            raise ReplatformError(f"{path} holds no mapping: run phase {name} again, which writes it anew")
        outputs[name] = found
    return outputs
