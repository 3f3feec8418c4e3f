# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which Swarm tasks hold a GPU of a host: what they hold, K3s must not hand out as well."""

from __future__ import annotations

import json
import re
import typing as t

_TASK = "com.docker.swarm.task.name"
#: Docker tells a task what generic resources it was given: DOCKER_RESOURCE_<KIND>=<how many, or which>.
_RESOURCE = re.compile(r"DOCKER_RESOURCE_(.*GPU.*)=(.+)", re.IGNORECASE)


def gpu_holders(inspected: str) -> list[str]:
    """The containers that hold a GPU, one line each, from the text of C(docker inspect) of those that run."""
    found = []
    for container in json.loads(inspected or "[]"):
        how = _how(container)
        if how:
            labels = container.get("Config", {}).get("Labels") or {}
            name = labels.get(_TASK) or str(container.get("Name", "")).lstrip("/")
            found.append(f"{name} ({how})")
    return sorted(found)


def _how(container: t.Mapping[str, t.Any]) -> str:
    for line in container.get("Config", {}).get("Env") or []:
        resource = _RESOURCE.fullmatch(line)
        if resource:
            return f"{resource.group(1)} {resource.group(2)}"
    host = container.get("HostConfig", {})
    if any(
        "gpu" in words for request in host.get("DeviceRequests") or [] for words in request.get("Capabilities") or []
    ):
        return "--gpus"
    if any(str(device.get("PathOnHost", "")).startswith("/dev/nvidia") for device in host.get("Devices") or []):
        return "/dev/nvidia*"
    visible = [
        line.partition("=")[2]
        for line in container.get("Config", {}).get("Env") or []
        if line.startswith("NVIDIA_VISIBLE_DEVICES=")
    ]
    if host.get("Runtime") == "nvidia" and visible and visible[-1] not in ("", "void", "none"):
        return "runtime nvidia"
    return ""


def offered(info: str) -> list[str]:
    """The GPU resources that this Engine offers to an active Swarm, from C(docker info) as JSON; empty if it is in none."""
    told = json.loads(info) if info.strip().startswith("{") else {}
    if (told.get("Swarm") or {}).get("LocalNodeState") != "active":
        return []
    kinds = [
        spec.get("Kind", "") for resource in told.get("GenericResources") or [] for spec in resource.values() if spec
    ]
    return sorted({kind for kind in kinds if "gpu" in kind.lower()})


def gate_faults(inspected: str, info: str, availability: str) -> list[str]:
    """Why K3s must not hand out this host's GPUs yet, one line each.

    C(availability) is what a manager says of the node; a drained or paused one gets no further task.
    """
    holders = gpu_holders(inspected)
    faults = [f"{', '.join(holders)} use a GPU of this host outside K3s; move or stop them first"] if holders else []
    kinds = offered(info)
    if kinds and availability not in ("drain", "pause"):
        faults.append(
            f"the Swarm may still give this host's {', '.join(kinds)} to a task (availability {availability or 'unknown'}); "
            "run docker node update --availability drain for it first"
        )
    return faults
