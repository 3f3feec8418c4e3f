# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The key table: every key of a service, and the rule that gives its verdict.

Sources: docker/cli cli/compose/schema/data/config_schema_v3.13.json (which keys there are),
cli/compose/types/types.go (which ones docker stack deploy ignores or forbids).
"""

from __future__ import annotations

from ansible_collections.sophia.replatform.plugins.module_utils.stack import (
    rules_files,
    rules_network,
    rules_process,
)
from ansible_collections.sophia.replatform.plugins.module_utils.stack.context import Rule
from ansible_collections.sophia.replatform.plugins.module_utils.stack.rules_deploy import DEPLOY, forbidden, note, walk

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
    "restart",
    "security_opt",
    "shm_size",
    "userns_mode",
)

_FORBIDDEN = (
    "extends",
    "volume_driver",
    "volumes_from",
    "cpu_quota",
    "cpu_shares",
    "cpuset",
    "mem_limit",
    "memswap_limit",
)

RULES: dict[str, Rule] = {
    **{key: note("docker stack deploy ignores it, and so does the chart") for key in _IGNORED},
    **{key: forbidden for key in _FORBIDDEN},
    "cap_add": rules_process.capabilities("add"),
    "cap_drop": rules_process.capabilities("drop"),
    "command": rules_process.command,
    "configs": rules_files.configs,
    "container_name": note("Swarm names its containers itself, and so does Kubernetes"),
    "credential_spec": note("Windows only"),
    "depends_on": note("Swarm ignores it too; a service must wait for its peers itself"),
    "deploy": walk(DEPLOY),
    "dns": rules_network.dns,
    "dns_search": rules_network.dns_search,
    "entrypoint": rules_process.entrypoint,
    "env_file": rules_process.env_file,
    "environment": rules_process.environment,
    "expose": rules_network.expose,
    "extra_hosts": rules_network.extra_hosts,
    "healthcheck": rules_process.healthcheck,
    "hostname": rules_process.hostname,
    "image": rules_process.image,
    "init": note("no init process is put in front; let the image bring one if it leaves zombies"),
    "isolation": note("Windows only"),
    "labels": rules_process.labels,
    "logging": note("the kubelet keeps and turns logs over; collect them from the nodes"),
    "networks": rules_network.networks,
    "ports": rules_network.ports,
    "read_only": rules_process.read_only,
    "secrets": rules_files.secrets,
    "stdin_open": rules_process.flag("stdin"),
    "stop_grace_period": rules_process.stop_grace_period,
    "stop_signal": rules_process.stop_signal,
    "sysctls": rules_network.sysctls,
    "tmpfs": rules_files.tmpfs,
    "tty": rules_process.flag("tty"),
    "ulimits": note("no limit a pod: set it for containerd on the nodes"),
    "user": rules_process.user,
    "volumes": rules_files.volumes,
    "working_dir": rules_process.working_dir,
}
