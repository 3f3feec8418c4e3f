# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do next to have secrets and configs of a Swarm in a namespace. Pure: raw API answers and digests in, a step out.

The Engine's API gives a config's data, never a secret's: a secret is read in a task that mounts it. No value is ever part
of a world; a digest stands for it.
"""

from __future__ import annotations

import copy
import typing as t
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Done, Refused, Step
from ansible_collections.sophia.replatform.plugins.module_utils.secrets import carrier
from ansible_collections.sophia.replatform.plugins.module_utils.stack.context import dns_name
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import TERMINAL, Raw, is_manager

SECRET = "Secret"
CONFIG = "ConfigMap"
_SWARM = {SECRET: "secrets", CONFIG: "configs"}
# What stands for the digest of a value that check mode can't read.
UNREAD = "unread"


@dataclass(frozen=True)
class Wanted:
    """Names of secrets and configs of the Swarm; the image of the task that mounts the secrets, or none to take that of a
    service that does; and the name of this very run, which its service carries as a label.
    """

    secrets: tuple[str, ...]
    configs: tuple[str, ...]
    image: str
    run: str


@dataclass(frozen=True)
class Item:
    """One secret or config: the object that it becomes (C(Secret) or C(ConfigMap), by name) and what it is on the Swarm."""

    kind: str
    source: str

    @property
    def name(self) -> str:
        """The object's name; the key within it is the name on the Swarm, as it is."""
        return dns_name(self.source)


@dataclass(frozen=True)
class Held:
    """What the cluster holds: the digest of the value (none when the key is not there), the ID of the Swarm's secret that
    it came from (empty when this module did not write it), who keeps it up to date, and whether it can't be changed.
    """

    digest: str | None = None
    source_id: str = ""
    keeper: str = ""
    immutable: bool = False


def items(wanted: Wanted) -> list[Item]:
    """Everything that is to be copied, configs first, since they need no task."""
    return [*(Item(CONFIG, name) for name in wanted.configs), *(Item(SECRET, name) for name in wanted.secrets)]


def next_step(world: Raw, wanted: Wanted) -> Decision:
    """The next step for O(world): the Swarm's C(info), C(nodes), C(services) and C(tasks); the C(secrets) and C(configs) it
    knows, as IDs by name; C(containers), those here of a task of this module; C(cluster), a RV(Held) for every item that
    is there; C(digests) of the values that were read; C(written), the items that this run has written; and C(run).
    """
    if not is_manager(world["info"]):
        return Refused("this Engine is no manager of a Swarm: run on a manager")
    refused = _unknown(world, wanted) or _clash(wanted)
    if refused:
        return refused
    for service in carrier.services(world):
        if carrier.run_of(service) != wanted.run:
            return Step("remove_leftover", {"service": service["Spec"]["Name"], "id": service["ID"]})
    for item in items(wanted):
        decision = _settle(world, wanted, item)
        if decision:
            return decision
    for service in carrier.services(world):
        return Step("stop_task", {"service": service["Spec"]["Name"], "id": service["ID"]}, changes=False)
    if world["containers"]:
        return Step("wait_for_end", {"containers": len(world["containers"])}, changes=False)
    return Done(f"{len(wanted.secrets)} secrets and {len(wanted.configs)} configs are in the cluster")


def _unknown(world: Raw, wanted: Wanted) -> Refused | None:
    for kind, key in _SWARM.items():
        names = sorted({item.source for item in items(wanted) if item.kind == kind} - set(world[key]))
        if names:
            return Refused(f"{key}: the Swarm has none by the name {', '.join(names)}: see docker {key[:-1]} ls")
    return None


def _clash(wanted: Wanted) -> Refused | None:
    taken: dict[tuple[str, str], str] = {}
    for item in items(wanted):
        other = taken.setdefault((item.kind, item.name), item.source)
        if other != item.source:
            return Refused(
                f"{other} and {item.source} would both be the {item.kind} {item.name}: copy one of them by hand"
            )
    return None


def _settle(world: Raw, wanted: Wanted, item: Item) -> Decision | None:
    held: Held | None = world["cluster"].get(item)
    digest = world["digests"].get(item)
    if digest is None:
        return _look(world, wanted, item)
    source_id = world[_SWARM[item.kind]][item.source]
    if held and held.digest == digest and held.source_id in ("", source_id):
        return None
    if item in world["written"]:
        return Refused(
            f"{item.kind} {item.name} was written and holds another value: something in the cluster changes it"
        )
    if held and held.keeper:
        return Refused(
            f"{item.kind} {item.name} holds another value than {item.source}, and {held.keeper} keeps it so:"
            f" mend its source, or leave {item.source} out"
        )
    if held and held.immutable:
        return Refused(f"{item.kind} {item.name} holds another value than {item.source} and is immutable: delete it")
    data = {"kind": item.kind, "name": item.name, "source": item.source, "id": source_id}
    return Step("update" if held else "create", data)


def _look(world: Raw, wanted: Wanted, item: Item) -> Decision:
    own = carrier.services(world)
    if not own:
        return _start(world, wanted)
    task = carrier.task_of(world, own[0])
    state = str(task["Status"]["State"]) if task else "new"
    if task and state == "running":
        return Step("compare", {"kind": item.kind, "name": item.name, "source": item.source}, changes=False)
    if task and state in TERMINAL:
        said = task["Status"].get("Err") or task["Status"].get("Message") or "no reason given"
        return Refused(f"image: the task that reads the secrets is '{state}' ({said}): name one with cat and sleep")
    return Step("wait_for_task", {"state": state}, changes=False)


def _start(world: Raw, wanted: Wanted) -> Decision:
    node = next((node for node in world["nodes"] if node["ID"] == world["info"]["Swarm"].get("NodeID")), None)
    if not node or node["Spec"]["Availability"] != "active":
        return Refused("this manager takes no tasks, so nothing can read the secrets here: run on one that is active")
    image = wanted.image or carrier.image_for(world, wanted.secrets, node["ID"])
    if not image:
        return Refused(f"image: no service mounts {', '.join(wanted.secrets)}: name an image with cat and sleep")
    return Step("start_task", {"image": image, "secrets": len(wanted.secrets)}, changes=False)


def simulate(world: Raw, step: Step) -> dict[str, t.Any]:
    """The world after O(step), as far as RV(next_step) looks at it.

    Check mode starts no task: a value that is there is taken to be the right one, one that is not stays unread.
    """
    after = copy.deepcopy(dict(world))
    item = Item(step.data["kind"], step.data["source"]) if "kind" in step.data else None
    if step.name in ("remove_leftover", "stop_task"):
        after["services"] = [service for service in after["services"] if service["ID"] != step.data["id"]]
        after["containers"] = []
    elif step.name == "start_task":
        after["services"].append(
            {"ID": "simulated", "Spec": {"Name": "simulated", "Labels": {carrier.LABEL: world["run"]}}}
        )
        after["tasks"].append({"ServiceID": "simulated", "CreatedAt": "", "Status": {"State": "running"}})
    elif step.name == "wait_for_end":
        after["containers"] = []
    elif step.name == "wait_for_task":
        for task in after["tasks"]:
            task["Status"]["State"] = "running"
    elif step.name == "compare":
        held = after["cluster"].get(item)
        after["digests"][item] = (held.digest if held else None) or UNREAD
    else:
        after["cluster"][item] = Held(after["digests"][item], step.data["id"])
    return after
