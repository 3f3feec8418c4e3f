# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node should offer of its GPUs, and what a verification found."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError

Map = t.Mapping[str, t.Any]

GPU = "nvidia.com/gpu"
#: What the device plugin calls slices with C(migStrategy) V(mixed), for example nvidia.com/mig-1g.5gb.
MIG = "nvidia.com/mig-"
_VENDOR = "nvidia.com/"


def expected_resources(profile: Map, config: Map) -> dict[str, int] | None:
    """Quantity by resource that a node with this profile offers under a device plugin configuration; None: can't be told.

    How MIG cuts a GPU is decided on the host, so with it nothing is expected.
    """
    if (config.get("flags") or {}).get("migStrategy", "none") != "none":
        return None
    slicing = (config.get("sharing") or {}).get("timeSlicing") or {}
    for resource in slicing.get("resources") or []:
        if resource.get("name") == GPU:
            shared = slicing.get("renameByDefault", False)
            name = resource.get("rename") or (f"{GPU}.shared" if shared else GPU)
            return {name: int(profile["gpu_count"]) * int(resource["replicas"])}
    return {GPU: int(profile["gpu_count"])}


def node_faults(node: Map, expected: Map | None) -> list[str]:
    """How a node's allocatable resources differ from what is expected; where that can't be told, it must offer anything at all."""
    name = node.get("metadata", {}).get("name", "the node")
    if expected is None:
        return (
            []
            if offered(node)
            else [f"{name} offers no GPU and no slice of one; nvidia-smi mig -lgi on its host tells its slices"]
        )
    allocatable = node.get("status", {}).get("allocatable", {})
    return [
        f"{name} offers {allocatable.get(resource, 0)} {resource}, and its host has {count}"
        for resource, count in expected.items()
        if int(allocatable.get(resource, 0)) != count
    ]


def offered(node: Map) -> dict[str, int]:
    """What of its GPUs a node offers to pods: quantity by resource, without those of which there is none."""
    allocatable = node.get("status", {}).get("allocatable", {})
    counts = {name: int(count) for name, count in allocatable.items() if name.startswith(_VENDOR)}
    return {name: count for name, count in sorted(counts.items()) if count}


def workload_resource(node: Map, expected: Map | None) -> str:
    """The resource that a verification asks for one of; empty where the node offers none.

    With MIG it is a slice that the node offers, since V(mixed) leaves no whole GPU, or the GPUs that V(single) makes of slices.
    """
    names = sorted(expected or offered(node), key=lambda name: (not name.startswith(MIG), name != GPU, name))
    return names[0] if names else ""


def gpu_users(pods: t.Iterable[Map]) -> list[str]:
    """The pods, as C(namespace/name), that have asked for a GPU or a slice of one and have not ended."""
    return sorted(
        f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        for pod in pods
        if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed") and _asks(pod.get("spec") or {})
    )


def _asks(spec: Map) -> bool:
    containers = [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
    limits = [(container.get("resources") or {}).get("limits") or {} for container in containers]
    return any(name.startswith(_VENDOR) for asked in limits for name in asked)


def job_fault(job: Map, pods: t.Sequence[Map]) -> str:
    """Why a verification's Job did not succeed; empty when it did."""
    status = job.get("status") or {}
    if status.get("succeeded"):
        return ""
    conditions = [
        f"{c.get('reason')}: {c.get('message')}" for c in status.get("conditions") or [] if c.get("type") == "Failed"
    ]
    waiting = []
    for pod in pods:
        told = pod.get("status", {})
        waiting += [
            c.get("message", "")
            for c in told.get("conditions") or []
            if c.get("status") == "False" and c.get("message")
        ]
        for container in told.get("containerStatuses") or []:
            state = container.get("state", {})
            reason = state.get("waiting") or state.get("terminated") or {}
            if reason.get("reason") and reason.get("reason") != "Completed":
                waiting.append(" ".join(str(reason[key]) for key in ("reason", "message") if reason.get(key)))
    return "; ".join(dict.fromkeys([*conditions, *waiting])) or "its pod was not started"


def plugin_faults(images: Map, configs: Map, default: str, wanted: str) -> list[str]:
    """What is wrong with the device plugin's settings, one line each, beginning with the variable.

    C(images) are image references by variable, C(configs) the named configurations, C(wanted) this host's one.
    """
    faults = [
        f"{variable}: '{image}' is not pinned; give it with its digest (name@sha256:...), as skopeo inspect tells it"
        for variable, image in images.items()
        if not pinned(image)
    ]
    if configs and default not in configs:
        faults.append(f"nvidia_device_plugin_default_config: '{default}' is none of {', '.join(sorted(configs))}")
    if wanted and wanted not in configs:
        faults.append(
            f"nvidia_device_plugin_node_config: '{wanted}' is none of nvidia_device_plugin_configs ({', '.join(sorted(configs))})"
        )
    for name, config in sorted(configs.items()):
        faults += [f"nvidia_device_plugin_configs: {name}: {fault}" for fault in _config_faults(config)]
    return faults


def pinned(image: str) -> bool:
    """Whether an image reference carries a whole SHA-256 digest."""
    digest = image.rpartition("@sha256:")[2] if "@sha256:" in image else ""
    return len(digest) == 64 and all(character in "0123456789abcdef" for character in digest)


def _config_faults(config: t.Any) -> list[str]:
    if not isinstance(config, t.Mapping):
        return ["a mapping is wanted (version, flags, sharing)"]
    faults = [] if config.get("version") == "v1" else ["version: v1 is missing"]
    strategy = (config.get("flags") or {}).get("migStrategy", "none")
    if strategy not in ("none", "single", "mixed"):
        faults.append(f"flags.migStrategy '{strategy}' is none of none, single, mixed")
    for resource in ((config.get("sharing") or {}).get("timeSlicing") or {}).get("resources") or []:
        replicas = resource.get("replicas")
        if not isinstance(replicas, int) or replicas < 2:
            faults.append(f"sharing.timeSlicing: {resource.get('name')} wants two replicas or more, not {replicas}")
    return faults


def config_of(configs: Map, default: str, wanted: str) -> Map:
    """The configuration that a node gets: its own, or the default, or none at all."""
    name = wanted or default
    if not configs or not name:
        return {}
    if name not in configs:
        raise RefusedError(f"nvidia_device_plugin_configs has no '{name}'")
    return t.cast(Map, configs[name])
