# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one-shot service whose task mounts secrets so that they can be read. Pure: its specification, and finding it again.

Its command only sleeps, for as long as the run may last. A value passes through the stream of an exec, which the Engine
writes nowhere; the task's own output, which it would write to a log, stays empty and has no log driver.
"""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import Raw, is_running

LABEL = "replatform.sophia.ai/secret-copy"
FOLDER = "/run/secrets"
_SECOND_NS = 1_000_000_000


def specification(run: str, node_id: str, image: str, secrets: t.Mapping[str, str], seconds: int) -> dict[str, t.Any]:
    """The service of O(run), a job of one task on the node O(node_id) that mounts O(secrets), given as IDs by name.

    Jobs came with Engine 20.10 (API 1.41). Source: moby C(api/swagger.yaml), C(ServiceSpec).
    """
    return {
        "Name": f"replatform-secret-copy-{run}",
        "Labels": {LABEL: run},
        "Mode": {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 1}},
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": image,
                "Labels": {LABEL: run},
                "Command": ["sleep", str(seconds)],
                "User": "0:0",
                # The image's own check would keep the task from running.
                "Healthcheck": {"Test": ["NONE"]},
                "StopSignal": "SIGKILL",
                "StopGracePeriod": _SECOND_NS,
                "Secrets": [
                    {
                        "SecretID": secret_id,
                        "SecretName": name,
                        "File": {"Name": name, "UID": "0", "GID": "0", "Mode": 0o400},
                    }
                    for name, secret_id in secrets.items()
                ],
            },
            "LogDriver": {"Name": "none"},
            "Placement": {"Constraints": [f"node.id=={node_id}"]},
            "RestartPolicy": {"Condition": "none"},
        },
    }


def services(world: Raw) -> list[Raw]:
    """The services of this kind, whichever run made them."""
    return [service for service in world["services"] if LABEL in (service["Spec"].get("Labels") or {})]


def run_of(service: Raw) -> str:
    return str(service["Spec"]["Labels"][LABEL])


def task_of(world: Raw, service: Raw) -> Raw | None:
    """The newest task of the service, if it has one yet."""
    tasks = [task for task in world["tasks"] if task["ServiceID"] == service["ID"]]
    return max(tasks, key=lambda task: str(task.get("CreatedAt", "")), default=None)


def image_for(world: Raw, names: t.Collection[str], node_id: str) -> str:
    """The image of a service that mounts one of the secrets O(names); one with a running task here first, since then the
    image is here. Empty when there is none.
    """
    here = {task["ServiceID"] for task in world["tasks"] if task.get("NodeID") == node_id and is_running(task)}
    found = [
        (service["ID"] not in here, str(service["Spec"]["Name"]), str(container["Image"]))
        for service in world["services"]
        for container in [service["Spec"]["TaskTemplate"].get("ContainerSpec") or {}]
        if LABEL not in (service["Spec"].get("Labels") or {})
        and any(secret["SecretName"] in names for secret in container.get("Secrets") or [])
    ]
    return min(found)[2] if found else ""
