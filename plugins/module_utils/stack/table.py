# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The key table: every key of a service, and the rule that gives its verdict.

Sources: docker/cli cli/compose/schema/data/config_schema_v3.13.json and compose-spec schema/compose-spec.json (which
keys there are), docker/cli cli/compose/types/types.go and cli/compose/convert/service.go (which ones docker stack
deploy ignores, forbids, or takes and does nothing with).
"""

from __future__ import annotations

from ansible_collections.sophia.replatform.plugins.module_utils.stack import (
    rules_compose,
    rules_files,
    rules_network,
    rules_process,
)
from ansible_collections.sophia.replatform.plugins.module_utils.stack.context import Rule
from ansible_collections.sophia.replatform.plugins.module_utils.stack.rules_deploy import (
    DEPLOY,
    note,
    refusal,
    restart,
    walk,
)
from ansible_collections.sophia.replatform.plugins.module_utils.stack.rules_resources import amount, gpus

_IGNORED = (
    "build",
    "cgroupns_mode",
    "cgroup_parent",
    "devices",
    "domainname",
    "external_links",
    "ipc",
    "links",
    "mac_address",
    "network_mode",
    "pid",
    "privileged",
    "security_opt",
    "shm_size",
    "userns_mode",
)

_LIMITS = "docker stack deploy does not take it: write deploy.resources.limits.{}"

_REFUSED = {
    "cpu_count": _LIMITS.format("cpus"),
    "cpu_percent": _LIMITS.format("cpus"),
    "cpu_period": _LIMITS.format("cpus"),
    "cpu_quota": _LIMITS.format("cpus"),
    "cpu_shares": "docker stack deploy does not take it: write deploy.resources.reservations.cpus",
    "cpuset": "docker stack deploy does not take it: write deploy.resources.limits.cpus, and a static CPU manager",
    "device_cgroup_rules": "a pod gets a device from a device plugin: ask for it as an extended resource",
    "extends": "docker stack deploy does not take it: write the keys out",
    "mem_limit": _LIMITS.format("memory"),
    "memswap_limit": _LIMITS.format("memory"),
    "models": "run the model as a service of its own",
    "post_start": "docker stack deploy does not take it: run it from the image's entrypoint",
    "pre_stop": "docker stack deploy does not take it: run it from the image's entrypoint, on the stop signal",
    "profiles": "the service runs on request alone: take the key out, or exclude the service",
    "provider": "a plug-in of Compose provides it: run it by hand, and exclude the service",
    "use_api_socket": "K3s has no Docker for the container to command: exclude the service",
    "volume_driver": "name the driver under the top-level 'volumes'",
    "volumes_from": "name the volume under the top-level 'volumes', and mount it in each service",
}

_NOTED = {
    "attach": "it is about what docker compose up prints",
    "blkio_config": "no limit of disk traffic a pod; give the service a node with a disk of its own if it matters",
    "cgroup": "a pod's containers have a cgroup namespace of their own",
    "container_name": "Swarm names its containers itself, and so does Kubernetes",
    "cpu_rt_period": "no real-time share a pod: give it to containerd on the nodes",
    "cpu_rt_runtime": "no real-time share a pod: give it to containerd on the nodes",
    "credential_spec": "Windows only",
    "depends_on": "Swarm ignores it too; a service must wait for its peers itself",
    "develop": "it is about developing, not running",
    "group_add": "docker stack deploy takes it and does nothing with it, and so does the chart",
    "init": "no init process is put in front; let the image bring one if it leaves zombies",
    "isolation": "Windows only",
    "logging": "the kubelet keeps and turns logs over; collect them from the nodes",
    "mem_swappiness": "swap is a matter of the node",
    "oom_kill_disable": "the kernel ends a container beyond its limit; give it a limit that is enough",
    "oom_score_adj": "the kubelet sets it: requests equal to limits make a pod the last to be ended",
    "pids_limit": "the kubelet's podPidsLimit bounds processes, per node",
    "pull_policy": "set it for the whole release: image_pull_policy",
    "pull_refresh_after": "set it for the whole release: image_pull_policy",
    "storage_opt": "bound a container's own files by a limit of ephemeral-storage",
    "tmpfs": "docker stack deploy takes it and does nothing with it; write a volume of the type tmpfs",
    "ulimits": "no limit a pod: set it for containerd on the nodes",
    "uts": "a pod has a host name of its own",
}

RULES: dict[str, Rule] = {
    **{key: note("docker stack deploy ignores it, and so does the chart") for key in _IGNORED},
    **{key: refusal(text) for key, text in _REFUSED.items()},
    **{key: note(text) for key, text in _NOTED.items()},
    "annotations": rules_compose.pod_annotations,
    "cap_add": rules_process.capabilities("add"),
    "cap_drop": rules_process.capabilities("drop"),
    "command": rules_process.command,
    "configs": rules_files.configs,
    "cpus": amount("limits", "cpu"),
    "deploy": walk(DEPLOY),
    "dns": rules_network.dns,
    "dns_opt": rules_network.dns_opt,
    "dns_search": rules_network.dns_search,
    "entrypoint": rules_process.entrypoint,
    "env_file": rules_process.env_file,
    "environment": rules_process.environment,
    "expose": rules_network.expose,
    "extra_hosts": rules_network.extra_hosts,
    "gpus": gpus,
    "healthcheck": rules_process.healthcheck,
    "hostname": rules_process.hostname,
    "image": rules_process.image,
    "label_file": rules_process.label_file,
    "labels": rules_process.labels,
    "mem_reservation": amount("requests", "memory"),
    "networks": rules_network.networks,
    "platform": rules_compose.platform,
    "ports": rules_network.ports,
    "read_only": rules_process.read_only,
    "restart": restart,
    "runtime": rules_compose.runtime,
    "scale": rules_compose.scale,
    "secrets": rules_files.secrets,
    "stdin_open": rules_process.flag("stdin"),
    "stop_grace_period": rules_process.stop_grace_period,
    "stop_signal": rules_process.stop_signal,
    "sysctls": rules_network.sysctls,
    "tty": rules_process.flag("tty"),
    "user": rules_process.user,
    "volumes": rules_files.volumes,
    "working_dir": rules_process.working_dir,
}
