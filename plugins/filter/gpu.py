# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The NVIDIA roles' questions to the pure functions of module_utils/gpu; each filter is documented in its own YAML file."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.gpu import (
    driver_plan,
    handover,
    loaded,
    packages,
    removal,
    resources,
    rollout,
    runtime,
    swarm_gate,
    toolkit_plan,
)


def _told(function: t.Callable[..., dict[str, t.Any]]) -> t.Callable[..., dict[str, t.Any]]:
    """A refusal becomes a part of the answer, C(refused), so that a role can say it in one line."""

    def wrapped(*args: t.Any, **kwargs: t.Any) -> dict[str, t.Any]:
        try:
            return {"refused": "", **function(*args, **kwargs)}
        except RefusedError as exc:
            return {"refused": str(exc), "needed": False}

    return wrapped


def expected_resources(
    profile: t.Mapping[str, t.Any], configs: t.Mapping[str, t.Any], default: str, own: str
) -> dict[str, int] | None:
    return resources.expected_resources(profile, resources.config_of(configs, default, own))


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "gpu_driver_faults": loaded.driver_faults,
            "gpu_driver_plan": _told(driver_plan.driver_plan),
            "gpu_driver_removal": _told(removal.driver_removal),
            "gpu_expected_resources": expected_resources,
            "gpu_gate_faults": swarm_gate.gate_faults,
            "gpu_handover": handover.plan,
            "gpu_install_faults": packages.install_faults,
            "gpu_job_fault": resources.job_fault,
            "gpu_kernels_without": loaded.kernels_without,
            "gpu_node_faults": resources.node_faults,
            "gpu_plugin_faults": resources.plugin_faults,
            "gpu_purge_faults": packages.purge_faults,
            "gpu_reboot_reasons": driver_plan.reboot_reasons,
            "gpu_rollout_fault": rollout.rollout_fault,
            "gpu_rollout_seen": rollout.is_observed,
            "gpu_runtime_stale": runtime.runtime_stale,
            "gpu_version_faults": packages.version_faults,
            "gpu_toolkit_plan": _told(toolkit_plan.toolkit_plan),
            "gpu_toolkit_removal": _told(removal.toolkit_removal),
            "gpu_users": resources.gpu_users,
            "gpu_workload_resource": resources.workload_resource,
        }
