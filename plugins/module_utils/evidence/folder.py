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
#: What a person may look into besides report.json and the journal. Nothing else is named: a kubeconfig lies there, too.
FILES = (
    "verify.json",
    *(f"{name}.json" for name in OUTPUTS),
    "workflow-run.json",
    *(f"audit-{when}.{ending}" for when in ("before", "after") for ending in ("md", "json")),
    "hosts/*/journal.jsonl",
    "hosts/*/prober/failures.jsonl",
)


class Evidence(t.NamedTuple):
    """All that is known about a migration."""

    records: t.Sequence[Record]  # of the merged journal, by time
    phases: dict[str, Phase]
    traffic: Traffic  # within the time in which requests count
    failures: dict[tuple[str, str], int]  # requests by service and reason
    outputs: dict[str, dict[str, t.Any]]  # what the phases wrote about their results, by the phase's name
    hosts: list[str]  # whose journals were merged
    verification: dict[str, t.Any] | None = None  # what verify found when it last ran
    files: t.Sequence[str] = ()  # those of RV(FILES) that are there


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
        verification=read_mapping(os.path.join(artifacts, "verify.json"), "run verify again"),
        files=find_files(artifacts),
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
        found = read_mapping(os.path.join(artifacts, name + ".json"), f"run phase {name} again")
        if found is not None:
            outputs[name] = found
    return outputs


def read_mapping(path: str, mend: str) -> dict[str, t.Any] | None:
    """The mapping in a file of JSON, None where there is no such file."""
    try:
        with open(path, encoding="utf-8") as handle:
            found = json.load(handle)
    except FileNotFoundError:
        return None
    except ValueError as exc:
        raise ReplatformError(f"{path} is not JSON ({exc}): {mend}, which writes it anew") from exc
    if not isinstance(found, dict):
        raise ReplatformError(f"{path} holds no mapping: {mend}, which writes it anew")
    return found


def find_files(artifacts: str) -> list[str]:
    """Those of RV(FILES) that are there, by their path below O(artifacts)."""
    found = []
    for pattern in FILES:
        paths = glob.glob(os.path.join(glob.escape(artifacts), pattern))
        found += sorted(os.path.relpath(path, artifacts) for path in paths if os.path.isfile(path))
    return found
