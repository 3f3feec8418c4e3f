# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The live specs of a stack's services as the keys of a stack file, the way back from docker/cli cli/compose/convert.

One conversion then serves both. What the API says and no stack file can is told in verdicts of its own; a field that
nobody knows is refused, since a newer Engine may mean something by it.
"""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.inverse_container import (
    SWARM,
    Beside,
    container,
    dense,
    nanoseconds,
    own_labels,
)
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import FileSource, Service, Stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.spec_fields import Fields, Raw
from ansible_collections.sophia.replatform.plugins.module_utils.stack.verdicts import REFUSED, REPORTED
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.at_rest import at_rest


def live_stack(name: str, live: t.Sequence[Raw], objects: Raw, exclude: t.Container[str] = ()) -> Stack:
    """The services of C(live) that have a C(spec), as C(swarm_stack_info) returns them with C(specs).

    What only services of C(exclude) name is left out.
    """
    stack = Stack(name)
    for section in ("secrets", "configs"):
        for item in objects.get(section, []):
            key = _key(stack, item)
            source = FileSource(key, not item["own"], item.get("content"), keys=template_driver(item), file=SWARM)
            getattr(stack, section)[key] = source
    for item in objects.get("networks", []):
        key = _key(stack, item)
        opts = {k: v for k, v in item["options"].items() if k == "encrypted"}
        stack.networks[key] = FileSource(
            key, not item["own"], driver=item["driver"], driver_opts=opts, internal=item["internal"], file=SWARM
        )
    for item in live:
        if item.get("spec"):
            stack.services[str(item["name"])] = _service(stack, str(item["name"]), at_rest(item["spec"]), objects)
    for section in ("secrets", "configs", "networks"):
        known: dict[str, FileSource] = getattr(stack, section)
        for key in set(known) - _used(stack, section, exclude):
            del known[key]
    return stack


def template_driver(item: Raw) -> dict[str, str]:
    """The key that a stack file has for a secret or config of the Swarm whose templates are filled in; none for another."""
    name = (item.get("templating") or {}).get("Name")
    return {"template_driver": str(name)} if name else {}


def _used(stack: Stack, section: str, exclude: t.Container[str]) -> set[str]:
    """What the stack's own services name; the Swarm has things of other stacks too."""
    services = [service for name, service in stack.services.items() if name not in exclude]
    entries = [entry for service in services for entry in service.keys.get(section, [])]
    return {entry["source"] if isinstance(entry, dict) else entry for entry in entries}


def _key(stack: Stack, item: Raw) -> str:
    name, prefix = str(item["name"]), f"{stack.name}_"
    return name[len(prefix) :] if item["own"] and name.startswith(prefix) else name


def _service(stack: Stack, name: str, spec: Raw, objects: Raw) -> Service:
    fields = Fields(spec)
    fields.take("Name")
    task = fields.below("TaskTemplate")
    beside: Beside = []
    deploy: dict[str, t.Any] = {"labels": own_labels(fields.take("Labels", {}))}
    concurrent = _mode(fields.below("Mode"), deploy)
    keys = container(task.below("ContainerSpec"), stack, beside)
    _task(task, keys, deploy, beside)
    networks = task.take("Networks") or fields.take("Networks", [])
    fields.take("Networks")
    attached = _networks(networks, stack, objects, name)
    for key, field in (("update_config", "UpdateConfig"), ("rollback_config", "RollbackConfig")):
        deploy[key] = _update(fields.below(field))
    endpoint = fields.below("EndpointSpec")
    deploy["endpoint_mode"] = endpoint.take("Mode")
    keys["ports"] = [_port(port) for port in endpoint.each("Ports")]
    keys["deploy"] = deploy
    for path in fields.left():
        beside.append(
            (f"(spec).{path}", REFUSED, "the Swarm means something by it that no rule knows; exclude the service")
        )
    whole = {**dense(keys), **({"networks": attached} if attached else {})}
    return Service(name, SWARM, whole, concurrent, tuple(beside))


def _mode(mode: Fields, deploy: dict[str, t.Any]) -> int | None:
    replicated, job = mode.take("Replicated"), mode.take("ReplicatedJob")
    if replicated is not None:
        deploy["replicas"] = replicated.get("Replicas", 1)
        return None
    if job is not None:
        deploy.update(mode="replicated-job", replicas=job.get("TotalCompletions", 1))
        return int(job.get("MaxConcurrent") or 1)
    deploy["mode"] = "global-job" if mode.take("GlobalJob") is not None else "global"
    mode.take("Global")
    return None


def _task(task: Fields, keys: dict[str, t.Any], deploy: dict[str, t.Any], beside: Beside) -> None:
    task.take("ForceUpdate")
    if task.take("Runtime", "container") != "container":
        beside.append(("(spec).Runtime", REFUSED, "it is no container; exclude the service"))
    logging = task.below("LogDriver")
    keys["logging"] = {"driver": logging.take("Name"), "options": logging.take("Options")}
    resources, place = task.below("Resources"), task.below("Placement")
    deploy["resources"] = {
        "limits": _amounts(resources.below("Limits")),
        "reservations": _amounts(resources.below("Reservations")),
    }
    policy = task.below("RestartPolicy")
    deploy["restart_policy"] = {
        "condition": policy.take("Condition") or None,
        "delay": nanoseconds(policy.take("Delay")),
        "max_attempts": policy.take("MaxAttempts") or None,
        "window": nanoseconds(policy.take("Window")),
    }
    deploy["placement"] = {
        "constraints": place.take("Constraints"),
        "preferences": [{"spread": item["Spread"]["SpreadDescriptor"]} for item in place.take("Preferences", [])],
        "max_replicas_per_node": place.take("MaxReplicas") or None,
    }
    platforms = {(item.get("OS", ""), item.get("Architecture", "")) for item in place.take("Platforms", [])}
    if len(platforms) == 1 and all(next(iter(platforms))):
        keys["platform"] = "/".join(next(iter(platforms)))
    elif platforms:
        beside.append(("(spec).Placement.Platforms", REPORTED, "an image for several platforms: a node takes its own"))


def _amounts(resources: Fields) -> dict[str, t.Any]:
    cpus = resources.take("NanoCPUs")
    generic = []
    for item in resources.take("GenericResources", []):
        spec = item.get("DiscreteResourceSpec") or {}
        generic.append({"discrete_resource_spec": {"kind": spec.get("Kind", ""), "value": spec.get("Value", 0)}})
    return {
        "cpus": f"{int(cpus) / 1e9:.9f}".rstrip("0").rstrip(".") if cpus else None,
        "memory": resources.take("MemoryBytes") or None,
        "pids": resources.take("Pids") or None,
        "generic_resources": generic,
    }


def _update(config: Fields) -> dict[str, t.Any]:
    return {
        "parallelism": config.take("Parallelism"),
        "delay": nanoseconds(config.take("Delay")),
        "failure_action": config.take("FailureAction") or None,
        "monitor": nanoseconds(config.take("Monitor")),
        "max_failure_ratio": config.take("MaxFailureRatio") or None,
        "order": config.take("Order") or None,
    }


def _port(port: Fields) -> dict[str, t.Any]:
    return {
        "target": port.take("TargetPort"),
        "published": port.take("PublishedPort", 0),
        "protocol": port.take("Protocol", "tcp"),
        "mode": port.take("PublishMode", "ingress"),
        **({"name": name} if (name := port.take("Name")) else {}),
    }


def _networks(attached: t.Sequence[Raw], stack: Stack, objects: Raw, service: str) -> dict[str, t.Any]:
    """Each by the name that a stack file would use; the service's own name is an alias everywhere."""
    known = {item["id"]: _key(stack, item) for item in objects.get("networks", [])}
    known.update({item["name"]: _key(stack, item) for item in objects.get("networks", [])})
    result: dict[str, t.Any] = {}
    for item in attached:
        target = str(item["Target"])
        key = known.get(target, target)
        stack.networks.setdefault(key, FileSource(key, True, file=SWARM))
        aliases = [alias for alias in item.get("Aliases") or [] if alias != service]
        opts = item.get("DriverOpts") or {}
        result[key] = {**({"aliases": aliases} if aliases else {}), **({"driver_opts": opts} if opts else {})} or None
    return result
