# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The phases in order, each with its playbook. Data, and the two questions that are asked of it."""

from __future__ import annotations

import typing as t


class Phase(t.NamedTuple):
    """O(name) is the phase's name in the evidence; one that is not O(recorded) leaves none, since it changes nothing."""

    name: str
    playbook: str
    summary: str
    recorded: bool = True


PHASES = (
    Phase(
        "preflight", "preflight.yml", "the inventory and every host are looked at; nothing is changed", recorded=False
    ),
    Phase("repository", "phase1_repository.yml", "the repository is backed up, tidied and audited, on the controller"),
    Phase("cluster", "phase2_cluster.yml", "the edge in front of the Swarm, and K3s beside it"),
    Phase("platform", "phase3_platform.yml", "the stack as a release on K3s, beside the Swarm"),
    Phase("cutover", "phase4_cutover.yml", "traffic and data move group by group; then the Swarm is retired"),
)
NAMES = tuple(phase.name for phase in PHASES)
RECORDED = tuple(phase.name for phase in PHASES if phase.recorded)


def chosen(names: t.Sequence[str]) -> list[Phase]:
    """The phases named, in the order of the migration whatever the order of O(names), each once; all without a name."""
    return [phase for phase in PHASES if not names or phase.name in names]


def remaining(statuses: t.Mapping[str, str | None]) -> list[Phase]:
    """What a run that goes on has to do: from the first phase whose last attempt did not end with C(ok).

    O(statuses) are those of RV(read_phases), by name. Before the first phase has begun it is the whole migration.
    """
    for index, phase in enumerate(PHASES):
        if phase.recorded and statuses.get(phase.name) != "ok":
            begun = any(statuses.get(name) is not None for name in RECORDED)
            return list(PHASES[index:] if begun else PHASES)
    return []
