# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do next to have a stack back as it was kept before its Swarm retired. Pure: the world and what was kept in, a step out.

What was kept is what role C(swarm_retirement) writes: C(nodes), C(objects) and C(specs), as RV(stack.observed.add_specs) has them.
IDs are those of the Swarm of then; a spec is compared by names and written with the IDs of the Swarm of now.
"""

from __future__ import annotations

import copy
import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Done, Refused, Step
from ansible_collections.sophia.replatform.plugins.module_utils.secrets.manifest import FORMER_IDS
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import gpu, placement, schedules, specs
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.at_rest import at_rest
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.stack import KINDS, thing_id, thing_name
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import (
    STACK_LABEL,
    Raw,
    is_manager,
    is_running,
)

Ids = t.Mapping[str, t.Mapping[str, str]]

_NODE = re.compile(r"^(\s*node\.id\s*[!=]=\s*)(\S+)(\s*)$")
# What every Engine has; a Swarm tells neither their IDs nor that they are there.
_PREDEFINED = {"host", "bridge", "none"}
_UNTOLD = "a predefined network"
# The Engine gives these anew.
_ALLOCATED = "com.docker.network.driver.overlay.vxlanid_list"


def next_step(world: Raw, kept: Raw, given: t.Collection[str]) -> Decision:
    """The next step to have what was O(kept) back. O(given) are the names of the secrets whose values are known.

    O(world) has C(info), C(nodes), C(services), C(tasks), C(network), C(secret) and C(config) of the whole Swarm.
    """
    if not is_manager(world["info"]):
        return Refused("this Engine is no manager of a Swarm: make the Swarm first")
    wanted = services(kept)
    there = {service["Spec"]["Name"]: service for service in world["services"]}
    refused = _refused(world, kept, wanted, there, given)
    if refused:
        return Refused(refused)
    for kind in KINDS:
        for thing in missing(world, kept, kind):
            return Step(f"create_{kind}", {kind: thing["name"]})
    for name in wanted:
        if name not in there:
            return Step("create_service", {"service": name})
    for name in wanted:
        if gpu.is_kept_off(world["nodes"], there[name]["Spec"]):
            return Step("constrain", {"service": name})
    clocked = [name for name, spec in wanted.items() if schedules.is_begun_by_a_clock(spec)]
    for name in sorted(wanted.keys() - clocked):
        waiting = _waiting(world, there[name])
        if waiting:
            return Step("wait_for_service", {"service": name, **waiting}, changes=False)
    jobs = sorted(kept["specs"].keys() - wanted.keys())
    left_out = f"; {', '.join(jobs)} would run again and were left out" if jobs else ""
    begun = f"; {', '.join(clocked)} have no task until their scheduler begins them" if clocked else ""
    return Done(f"{len(wanted)} services are as they were kept{begun}{left_out}")


def foreseen(world: Raw, kept: Raw) -> dict[str, t.Any]:
    """The world in which RV(next_step) begins once all nodes that were kept are in the Swarm; for check mode, where some are not yet."""
    there = _hostnames(world)
    missing_nodes = [
        {
            "ID": node["id"],
            "Spec": {"Role": node["role"], "Availability": "active", "Labels": node["labels"]},
            "Description": {"Hostname": node["hostname"]},
            "Status": {"State": "ready", "Addr": node["address"]},
        }
        for node in kept["nodes"]
        if node["state"] != "down" and node["hostname"] not in there
    ]
    info = {"Swarm": {"LocalNodeState": "active", "ControlAvailable": True}}
    return {**world, "info": info, "nodes": [*world["nodes"], *missing_nodes]}


def services(kept: Raw) -> dict[str, dict[str, t.Any]]:
    """The kept specs by full name, without what a drain or a spare task had put into them, and without jobs, which would run again.

    What a scheduler begins has no task until then.
    """
    found = {name: at_rest(spec) for name, spec in sorted(kept["specs"].items())}
    result = {}
    for name, spec in found.items():
        if not schedules.is_job(spec) and not schedules.is_begun_by_a_clock(spec):
            result[name] = spec
        elif "Replicated" in spec["Mode"] and schedules.is_begun_by_a_clock(spec):
            result[name] = {**spec, "Mode": {"Replicated": {**spec["Mode"]["Replicated"], "Replicas": 0}}}
    return result


def missing(world: Raw, kept: Raw, kind: str) -> list[dict[str, t.Any]]:
    """What was kept of a kind, belongs to the stack or is named by a service of it, and is not there."""
    there = {thing_name(thing) for thing in world[kind]}
    named = _named(kept, kind)
    return [
        thing
        for thing in kept["objects"][f"{kind}s"]
        if thing["name"] not in there and (thing["own"] or thing["id"] in named)
    ]


def labels_of(kind: str, thing: Raw, stack: str) -> dict[str, str]:
    """The labels that an object is made with. One for the IDs that it had says that what was copied of it then holds it still."""
    labels = dict(thing.get("labels") or {})
    ids = {} if kind == "network" else {FORMER_IDS: " ".join([*labels.get(FORMER_IDS, "").split(), thing["id"]])}
    return {**labels, **ids, **({STACK_LABEL: stack} if thing["own"] else {})}


def options_of(network: Raw) -> dict[str, str]:
    """The driver's options that a network is made with."""
    return {key: value for key, value in network["options"].items() if key != _ALLOCATED}


def created_spec(world: Raw, kept: Raw, name: str) -> dict[str, t.Any]:
    """The spec that service O(name) is made with: as it was kept, with the IDs of this Swarm, and off GPUs that are not the Swarm's."""
    named = _translated(services(kept)[name], _kept_names(kept), by_name=False)
    spec = _translated(named, _world_ids(world), lenient=True, by_name=False)
    return gpu.constrained(spec) if gpu.is_kept_off(world["nodes"], spec) else spec


def simulate(world: Raw, step: Step, kept: Raw) -> dict[str, t.Any]:
    """The world after O(step), as far as RV(next_step) looks at it."""
    after = copy.deepcopy(dict(world))
    kind = step.name.partition("_")[2]
    if kind in KINDS:
        name = step.data[kind]
        after[kind].append({"Id": f"new-{name}", "Name": name, "Spec": {"Name": name}})
    elif step.name == "constrain":
        (service,) = [one for one in after["services"] if one["Spec"]["Name"] == step.data["service"]]
        service["Spec"] = gpu.constrained(service["Spec"])
    elif step.name == "create_service":
        name = step.data["service"]
        after["services"].append({"ID": f"new-{name}", "Spec": created_spec(world, kept, name)})
    else:
        (service,) = [one for one in after["services"] if one["Spec"]["Name"] == step.data["service"]]
        state = {"DesiredState": "running", "Status": {"State": "running"}}
        after["tasks"] = [task for task in after["tasks"] if task["ServiceID"] != service["ID"]]
        after["tasks"] += [{"ServiceID": service["ID"], **state}] * max(1, step.data["wanted"])
    return after


def _refused(world: Raw, kept: Raw, wanted: Raw, there: Raw, given: t.Collection[str]) -> str:
    """Why nothing may be made; empty where nothing speaks against it."""
    valueless = [thing["name"] for thing in missing(world, kept, "secret") if thing["name"] not in given]
    if valueless:
        return f"the values of {', '.join(valueless)} are not known: give them in secrets, or make them by docker secret create"
    binary = [thing["name"] for thing in missing(world, kept, "config") if thing["content"] is None]
    if binary:
        return f"the configs {', '.join(binary)} are no text and were not kept: make them by docker config create"
    try:
        names, now = _kept_names(kept), _world_names(world)
        old = {name: _translated(spec, names) for name, spec in wanted.items()}
        differing = sorted(name for name in old if name in there and not _is_as(there[name]["Spec"], old[name], now))
    except ReplatformError as exc:
        return str(exc)
    absent = sorted(
        {_host_of(one) for spec in old.values() for one in specs.constraints(spec)} - _hostnames(world) - {""}
    )
    if absent:
        return f"services are bound to the nodes {', '.join(absent)}, which are not in this Swarm: have them join first"
    bare = [
        name
        for name, spec in old.items()
        if gpu.is_kept_off(world["nodes"], spec) and "Placement" not in spec["TaskTemplate"]
    ]
    if bare:
        return f"{', '.join(bare)} can't be kept off the GPUs that K3s has: give the spec a Placement with Constraints in the file"
    if differing:
        return (
            f"{', '.join(differing)} are there and not as they were kept: take them out of specs in the file where they are to stay as they are,"
            " or remove them"
        )
    return ""


def _is_as(spec: Raw, kept: Raw, now: Ids) -> bool:
    """Whether a service that is there is the one that was kept, whatever number of tasks it shall have by now."""
    found = _translated(at_rest(spec), now, lenient=True)
    return _without_counts(found) == _without_counts(kept)


def _without_counts(spec: Raw) -> dict[str, t.Any]:
    """The spec but for its number of tasks, and for how often it was begun anew, which a scheduler does by both."""
    mode = spec["Mode"]
    template = {key: value for key, value in spec["TaskTemplate"].items() if key != "ForceUpdate"}
    return {**spec, "TaskTemplate": template, "Mode": {**mode, "Replicated": {}} if "Replicated" in mode else mode}


def _waiting(world: Raw, service: Raw) -> dict[str, t.Any]:
    """How far the tasks of a service are; nothing where all of them run, or have ended well where that may be."""
    tasks = [task for task in world["tasks"] if task["ServiceID"] == service["ID"]]
    running = sum(map(is_running, tasks))
    mode = service["Spec"]["Mode"]
    if "Replicated" in mode:
        wanted = int(mode["Replicated"].get("Replicas", 1))
    else:
        wanted = sum(_takes(node, service["Spec"]) for node in world["nodes"])
    if running + (_ended_well(tasks) if schedules.may_end(service["Spec"]) else 0) >= wanted:
        return {}
    errors = [task["Status"].get("Err") for task in sorted(tasks, key=lambda task: str(task.get("UpdatedAt", "")))]
    return {"running": running, "wanted": wanted, "error": next((error for error in reversed(errors) if error), "")}


def _ended_well(tasks: t.Iterable[Raw]) -> int:
    """In how many slots, or on how many nodes for a global service, the newest task has done its work."""
    newest: dict[t.Any, Raw] = {}
    for task in sorted(tasks, key=lambda task: str(task.get("CreatedAt", ""))):
        if task["DesiredState"] != "remove":
            newest[task.get("Slot") or task.get("NodeID")] = task
    return sum(task["Status"]["State"] == "complete" for task in newest.values())


def _takes(node: Raw, spec: Raw) -> bool:
    """Whether a global service shall have a task on the node."""
    usable = node["Status"]["State"] == "ready" and node["Spec"]["Availability"] == "active"
    platforms = (spec["TaskTemplate"].get("Placement") or {}).get("Platforms") or []
    return (
        usable
        and placement.runs(node, platforms)
        and all(placement.meets(node, one) for one in specs.constraints(spec))
    )


def _named(kept: Raw, kind: str) -> set[str]:
    """The IDs, or names, of a kind that the kept services name."""
    seen: set[str] = set()

    def see(found: str, value: str) -> str:
        if found == kind:
            seen.add(value)
        return value

    for spec in services(kept).values():
        each_reference(spec, see)
    return seen


def _translated(spec: Raw, ids: Ids, lenient: bool = False, by_name: bool = True) -> dict[str, t.Any]:
    """The spec with every reference replaced by what O(ids) has for it, by kind; a name stays as it is.

    With O(by_name) a predefined network is no more than that. Raises C(ReplatformError) for a reference that is not there,
    unless O(lenient).
    """

    def replace(kind: str, value: str) -> str:
        if value in ids[kind]:
            return ids[kind][value]
        if value in ids[kind].values():
            return value
        if kind == "network" and (lenient or value in _PREDEFINED):
            return _UNTOLD if by_name else value
        if lenient:
            return value
        raise ReplatformError(
            f"service {spec['Name']} names the {kind} {value}, which was not kept: write in the file, in place of it, the name of one that is"
        )

    return each_reference(spec, replace)


def each_reference(spec: Raw, replace: t.Callable[[str, str], str]) -> dict[str, t.Any]:
    """The spec with each ID in it replaced: those of networks, secrets, configs, and of nodes in constraints."""
    after = copy.deepcopy(dict(spec))
    template = after["TaskTemplate"]
    container = template.get("ContainerSpec") or {}
    for attached in (*(template.get("Networks") or []), *(after.get("Networks") or [])):
        attached["Target"] = replace("network", attached["Target"])
    for kind in ("Secret", "Config"):
        for used in container.get(f"{kind}s") or []:
            used[f"{kind}ID"] = replace(kind.lower(), used[f"{kind}ID"])
    credential = (container.get("Privileges") or {}).get("CredentialSpec") or {}
    if credential.get("Config"):
        credential["Config"] = replace("config", credential["Config"])
    if specs.constraints(after):
        template["Placement"]["Constraints"] = [
            _NODE.sub(lambda at: at[1] + replace("node", at[2]) + at[3], one) for one in specs.constraints(after)
        ]
    return after


def _host_of(constraint: str) -> str:
    """The node that a constraint binds to, where its ID has been replaced by its name."""
    at = _NODE.match(constraint)
    return at[2] if at and "==" in at[1] else ""


def _kept_names(kept: Raw) -> Ids:
    names = {kind: {thing["id"]: thing["name"] for thing in kept["objects"][f"{kind}s"]} for kind in KINDS}
    return {**names, "node": {node["id"]: node["hostname"] for node in kept["nodes"]}}


def _world_names(world: Raw) -> Ids:
    names = {kind: {thing_id(thing): thing_name(thing) for thing in world[kind]} for kind in KINDS}
    return {**names, "node": {node["ID"]: node["Description"]["Hostname"] for node in _nodes(world)}}


def _world_ids(world: Raw) -> Ids:
    return {kind: {name: found for found, name in names.items()} for kind, names in _world_names(world).items()}


def _nodes(world: Raw) -> list[Raw]:
    """The nodes but for those that are down: one that has left is listed until it is removed, beside the one that it came back as."""
    return [node for node in world["nodes"] if node["Status"]["State"] != "down"]


def _hostnames(world: Raw) -> set[str]:
    return {node["Description"]["Hostname"] for node in _nodes(world)}
