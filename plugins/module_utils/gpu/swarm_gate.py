# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which containers outside K3s hold a GPU of a host: what they hold, K3s must not hand out as well.

No line that is made here tells the value of a container's environment, apart from the GPU that Docker itself has written there.
"""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.swarm import gpu, gpu_resources

Map = t.Mapping[str, t.Any]

_TASK = "com.docker.swarm.task.name"
_SERVICE = "com.docker.swarm.service.name"
#: Docker tells a task what generic resources it was given: DOCKER_RESOURCE_<KIND>=<how many, or which>.
_RESOURCE = re.compile(r"DOCKER_RESOURCE_(.*GPU.*)=(.+)", re.IGNORECASE)
_VISIBLE = "NVIDIA_VISIBLE_DEVICES"
#: Where the runtime also takes the names of GPUs from, as mounts.
_VISIBLE_MOUNTS = "/var/run/nvidia-container-devices"
#: The devices' major number (Documentation/admin-guide/devices.txt of Linux).
_CGROUP_RULE = re.compile(r"[ac] 195:.*")
#: A CDI device is VENDOR/CLASS=NAME (U(https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md)).
_CDI = re.compile(r"\b([\w.-]+\.)?nvidia\.com/[\w.-]+=")


class Holder(t.NamedTuple):
    """A container, and how it holds a GPU; C(how) is empty for one that is privileged and asks for none, but sees all."""

    name: str
    how: str


def holders(inspected: str, known: t.Sequence[str] = ()) -> list[Holder]:
    """The containers that hold a GPU, from the text of C(docker inspect) of those that run.

    A privileged container sees every device of the host, so it counts too, unless its name or its service's is C(known) to use
    no GPU.
    """
    found = []
    for container in json.loads(inspected or "[]"):
        labels = container.get("Config", {}).get("Labels") or {}
        own = str(container.get("Name", "")).lstrip("/")
        how = _how(container)
        name = str(labels.get(_TASK) or own)
        if how:
            found.append(Holder(name, how))
        elif container.get("HostConfig", {}).get("Privileged") and not {own, labels.get(_SERVICE)} & set(known):
            found.append(Holder(name, ""))
    return sorted(found)


def _how(container: Map) -> str:
    environment = container.get("Config", {}).get("Env") or []
    host = container.get("HostConfig", {})
    for line in environment:
        resource = _RESOURCE.fullmatch(line)
        if resource:
            return f"{resource.group(1)} {resource.group(2)}"
    requested = _requested(host)
    if requested:
        return requested
    rules = host.get("DeviceCgroupRules") or []
    if any(str(device.get("PathOnHost", "")).startswith("/dev/nvidia") for device in host.get("Devices") or []):
        return "/dev/nvidia*"
    if any(_CGROUP_RULE.fullmatch(str(rule).strip()) for rule in rules):
        return "a device rule for major 195"
    visible = [line.partition("=")[2] for line in environment if line.startswith(f"{_VISIBLE}=")]
    asks = bool(visible) and visible[-1] not in ("", "void", "none")
    mounted = any(
        str(mount.get("Destination", "")).startswith(_VISIBLE_MOUNTS) for mount in container.get("Mounts") or []
    )
    if str(host.get("Runtime", "")).startswith("nvidia") and (asks or mounted):
        return f"runtime {host['Runtime']}"
    return f"privileged, with {_VISIBLE}" if host.get("Privileged") and asks else ""


def _requested(host: Map) -> str:
    """What was asked for by C(--gpus), by C(--device) with the name of a CDI device, or by an annotation of CDI."""
    for request in host.get("DeviceRequests") or []:
        driver = request.get("Driver", "")
        if driver == "nvidia" or any("gpu" in words for words in request.get("Capabilities") or []):
            return "--gpus"
        if driver == "cdi" and _names_cdi(request.get("DeviceIDs") or []):
            return "a CDI device"
    if _names_cdi(device.get("PathOnHost", "") for device in host.get("Devices") or []):
        return "a CDI device"
    annotations = host.get("Annotations") or {}
    if _names_cdi(value for key, value in annotations.items() if key.startswith("cdi.k8s.io/")):
        return "a CDI annotation"
    return ""


def _names_cdi(texts: t.Iterable[t.Any]) -> bool:
    return any(_CDI.search(str(text)) for text in texts)


def offered(told: Map) -> list[str]:
    """The GPU resources that an Engine offers to its Swarm."""
    kinds = [
        spec.get("Kind", "") for resource in told.get("GenericResources") or [] for spec in resource.values() if spec
    ]
    return sorted({kind for kind in kinds if "gpu" in kind.lower()})


def gate_faults(
    inspected: str, info: str, node: str, known: t.Sequence[str] = (), offering: str = "", services: str = ""
) -> list[str]:
    """Why K3s must not hand out this host's GPUs, one line each.

    C(info) is the text of C(docker info) as JSON, and empty without Docker; C(node) is the spec of the node as JSON, as a manager tells it: a
    drained or paused one gets no further task, and neither does one whose GPUs module C(swarm_gpu) has withdrawn from all C(services), a line
    of JSON for each, with C(name), C(resources) and C(placement). C(known): see C(holders). C(offering) is the name of the node where K3s
    hands the GPUs out already.
    """
    found = holders(inspected, known)
    named = [f"{holder.name} ({holder.how})" for holder in found if holder.how]
    faults = [f"{', '.join(named)} use a GPU of this host outside K3s; move or stop them first"] if named else []
    unclear = [holder.name for holder in found if not holder.how]
    if unclear:
        faults.append(
            f"{', '.join(unclear)} are privileged and so see every GPU of this host; stop them, or name those that use none in "
            "nvidia_device_plugin_without_gpu"
        )
    told = json.loads(info) if info.strip().startswith("{") else {}
    faults += _swarm_faults(told, json.loads(node) if node.strip().startswith("{") else {}, services)
    if faults and offering:
        faults.append(
            f"K3s still hands out the GPUs of {offering}; nvidia_device_plugin_state: absent (playbooks/nvidia_remove.yml) takes them "
            "back"
        )
    return faults


def _swarm_faults(told: Map, node: Map, services: str) -> list[str]:
    """Engines say inactive, pending, active, error or locked (C(LocalNodeState) in U(https://docs.docker.com/reference/api/engine/))."""
    state = (told.get("Swarm") or {}).get("LocalNodeState") or "inactive"
    if state == "locked":
        return [
            "the Swarm's keys on this host are locked, so nobody can tell what it gives to its tasks; run docker swarm unlock first"
        ]
    if state not in ("active", "inactive"):
        return [
            f"this host's Engine says '{state}' of its Swarm, so nobody can tell what it gives to its tasks; mend that first (docker info)"
        ]
    kinds = offered(told) if state == "active" else []
    labels = node.get("Labels") or {}
    # A node that is being withdrawn is active again in a moment.
    if not kinds or (node.get("Availability") in ("drain", "pause") and labels.get(gpu.LABEL) != gpu.BEGUN):
        return []
    withdrawn = labels.get(gpu.LABEL) == gpu.GIVEN
    free = _unconstrained(services) if withdrawn else []
    if withdrawn and not free:
        return []
    why = f"{', '.join(free)} lack the constraint {gpu.CONSTRAINT}" if free else ""
    line = (
        f"the Swarm may still give this host's {', '.join(kinds)} to a task ({why or 'availability ' + str(node.get('Availability') or 'unknown')}); "
        "withdraw them (module swarm_gpu), or run docker node update --availability drain for it first"
    )
    return [line]


def _unconstrained(services: str) -> list[str]:
    """The services that could get a GPU of a withdrawn node all the same; without any word of a manager that is known of none."""
    found = []
    for line in services.splitlines() or ["{}"]:
        try:
            service = json.loads(line)
            name, template = service["name"], {"Resources": service["resources"]}
            constraints = (service["placement"] or {}).get("Constraints") or []
        except (ValueError, KeyError, TypeError):
            return ["services that no manager has told of"]
        if gpu_resources.reserved(template) and gpu.CONSTRAINT not in constraints:
            found.append(name)
    return sorted(found)
