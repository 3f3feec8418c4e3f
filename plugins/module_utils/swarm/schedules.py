# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which services end by themselves, and which are run by a clock. A Swarm has none: schedulers beside it read labels."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import Raw

# The service itself is run: crazy-max/swarm-cronjob and Docker Flow Cron.
_RUN = ("swarm.cronjob.enable", "com.df.cron")
# Something in or beside its container is run, and has a name of its own: Ofelia, Chadburn, deck-chores.
_BESIDE = re.compile(
    r"(?:ofelia|chadburn)\.job-[a-z-]+\.([^.]+)\..+|deck-chores\.([^.]+)\.(?:command|interval|cron|date)"
)


def schedules(spec: Raw) -> list[str]:
    """The names of what is run by a clock; the empty name is the service itself."""
    container = spec["TaskTemplate"].get("ContainerSpec") or {}
    labels: dict[str, t.Any] = {**(container.get("Labels") or {}), **(spec.get("Labels") or {})}
    itself = {"" for key in _RUN if str(labels.get(key)).lower() == "true"}
    beside = {at[1] or at[2] for at in map(_BESIDE.fullmatch, labels) if at}
    return sorted(itself | beside)


def is_job(spec: Raw) -> bool:
    """Whether its tasks end and are not begun again; phase 3 makes a Job of it."""
    return "Global" not in spec["Mode"] and ("Replicated" not in spec["Mode"] or _condition(spec) == "none")


def may_end(spec: Raw) -> bool:
    """Whether a task that has ended well is not begun again."""
    return _condition(spec) in ("none", "on-failure")


def is_begun_by_a_clock(spec: Raw) -> bool:
    """Whether each of its runs has an end, and a scheduler begins the next one."""
    return "" in schedules(spec) and (may_end(spec) or is_job(spec))


def _condition(spec: Raw) -> str:
    """When a task that has ended is begun again."""
    return str((spec["TaskTemplate"].get("RestartPolicy") or {}).get("Condition") or "any")
