# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which services would be shifted to a claim in which nothing is. Pure: the services of a stack in, volumes out."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.swarm.movable import is_local_volume
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import Raw


def begins_empty(services: t.Iterable[Raw], filled: t.Collection[str]) -> list[dict[str, str]]:
    """The local volumes that are mounted by no service of O(filled), for each service that mounts one: C(service), C(volume), C(text).

    O(services) are those of C(swarm_stack_info) with C(specs), O(filled) the names of those whose data is handed over or may begin empty.
    """
    mounted = [(str(one["name"]), volume) for one in services for volume in _volumes(one["spec"])]
    full = {volume for service, volume in mounted if service in filled}
    return [
        {"service": service, "volume": volume, "text": f"volume {volume} of service {service}"}
        for service, volume in mounted
        if volume not in full
    ]


def _volumes(spec: Raw) -> list[str]:
    """By name; one without a source belongs to a task and begins empty with each."""
    mounts = (spec["TaskTemplate"].get("ContainerSpec") or {}).get("Mounts") or []
    return [str(one["Source"]) for one in mounts if one.get("Source") and is_local_volume(one)]
