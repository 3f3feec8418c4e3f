# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rim: each operation on a Swarm as the loop drives it, with an injected API client."""

from __future__ import annotations

import dataclasses
import typing as t
from collections import Counter

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Step
from ansible_collections.sophia.replatform.plugins.module_utils.operation import line, wait_while
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import (
    drain,
    foreseen,
    gpu,
    leave,
    placement,
    restoration,
    spare,
    specs,
    stack,
)
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.client import (
    api_errors,
    create_network,
    create_service,
    create_thing,
    post_service,
)
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import STACK_LABEL, Raw, read_swarm

# One wait is one record in the journal; a longer one is several, so that the deadline is looked at in between.
SLICE_S = 10.0
# The Engine's words for a write that lost a race, for one that may have been made or not while the managers elected a
# leader, and for a network that still has an end on some node.
_RACES = ("update out of sequence", "lost leader status", "is in use by task", "has active endpoints")


class SwarmOperation:
    """What the operations share: the client, the look at the Swarm, and waits that end when the decision changes."""

    def __init__(self, client: t.Any) -> None:
        self.client = client

    def observe(self) -> dict[str, t.Any]:
        with api_errors("read the Swarm"):
            return read_swarm(self.client)

    def next_step(self, world: Raw) -> Decision:
        raise NotImplementedError

    def act(self, step: Step) -> t.Mapping[str, t.Any] | None:
        if step.name.startswith("wait_for_"):
            return wait_while(lambda: self._still(step), SLICE_S)
        try:
            with api_errors(line({"name": step.name, **step.data})):
                self.write(step)
        except ReplatformError as exc:
            # Read again and decide again; the deadline ends what never comes right.
            if not any(race in str(exc) for race in _RACES):
                raise
            return {"again": str(exc), **wait_while(lambda: True, 1.0)}
        return None

    def write(self, step: Step) -> None:
        raise NotImplementedError

    def _still(self, step: Step) -> bool:
        decision = self.next_step(self.observe())
        return isinstance(decision, Step) and decision.name == step.name


def _post_gpu_spec(client: t.Any, world: Raw, step: Step) -> None:
    """Write what a step of RV(gpu) makes of a service, from the spec in O(world), so that a change in between is a conflict and not lost."""
    (service,) = [one for one in world["services"] if one["Spec"]["Name"] == step.data["service"]]
    post_service(client, service, gpu.spec_after(step.name, service["Spec"]))


class Drain(SwarmOperation):
    """A node to be drained, active, demoted or removed; the move of one service may take O(move_timeout) seconds."""

    def __init__(self, client: t.Any, wanted: drain.Wanted, move_timeout: float = 120.0) -> None:
        super().__init__(client)
        self.wanted = wanted
        self.move_timeout = move_timeout
        self.world: Raw = {}
        self.waited: Counter[tuple[str, str]] = Counter()
        self.late: set[tuple[str, str]] = set()

    def observe(self) -> dict[str, t.Any]:
        """The Swarm; a manager that seems lost is looked at again for a while, since heartbeats are missed under load."""
        world = super().observe()

        def lost() -> bool:
            world.update(super(Drain, self).observe())
            return bool(drain.unreachable(world))

        if drain.unreachable(world) and self.wanted.state != "active":
            wait_while(lost, SLICE_S)
        world["late"] = frozenset(self.late)
        # What is written is made from what was decided on, so that a change in between is a conflict and not lost.
        if world["nodes"]:
            self.world = world
        return world

    def next_step(self, world: Raw) -> Decision:
        return drain.next_step(world, self.wanted)

    def act(self, step: Step) -> t.Mapping[str, t.Any] | None:
        if step.name == "give_up":
            self.give_up(step.data["reason"])
            return None
        result = super().act(step)
        what = step.data.get("service") or step.data.get("other")
        if step.name.startswith("wait_for_") and what:
            wait = (step.name, what)
            self.waited[wait] += (result or {}).get("waited_s", 0)
            if self.waited[wait] >= self.move_timeout:
                self.late.add(wait)
        return result

    def write(self, step: Step) -> None:
        node = self._node(self.world)
        service = self._service(step) if "service" in step.data else None
        if step.name in ("pause", "pin"):
            # Should the answer to it be lost, it counts as made.
            self.world = self.simulate(self.world, step)
        if step.name == "remove":
            self.client.remove_node(node["ID"])
        elif service:
            self._note_a_surge_in_vain(step, service, node)
            post_service(self.client, service, foreseen.service_spec(step, service, node["ID"]))
        else:
            self.client.update_node(node["ID"], node["Version"]["Index"], foreseen.node_spec(step, node))

    def simulate(self, world: Raw, step: Step) -> dict[str, t.Any]:
        if step.name == "give_up":
            self.give_up(step.data["reason"])
            return dict(world)
        return foreseen.world_after(world, step, self._node(world)["ID"])

    def give_up(self, reason: str) -> None:
        """From now on what was changed is taken back, because of O(reason), or of the one that was given before."""
        self.wanted = dataclasses.replace(self.wanted, state="active", because=self.wanted.because or reason)

    def wait_for_answer(self) -> None:
        """Wait until the Swarm can be read, as long as a move may take: managers that elect a leader answer nothing."""
        wait_while(self._is_silent, self.move_timeout)

    def _is_silent(self) -> bool:
        try:
            super().observe()
        except ReplatformError:
            return True
        return False

    def _node(self, world: Raw) -> Raw:
        (node,) = drain.find(world, self.wanted.node)
        return node

    def _service(self, step: Step) -> Raw:
        (service,) = [one for one in self.world["services"] if one["Spec"]["Name"] == step.data["service"]]
        return service

    def _note_a_surge_in_vain(self, step: Step, service: Raw, node: Raw) -> None:
        """A task too many that did not come to the node would not come the next time, either."""
        noted = specs.noted(service) or {}
        here = len(placement.wanted_tasks(self.world, service, node))
        if step.name == "revert" and not specs.is_pin(noted) and here <= noted["here"]:
            self.late.add(("surge", step.data["service"]))


class Removal(SwarmOperation):
    """A stack to be gone; with O(last) the Swarm is to go with it."""

    def __init__(self, client: t.Any, name: str, handed_over: t.Collection[str], last: bool = False) -> None:
        super().__init__(client)
        self.name = name
        self.handed_over = frozenset(handed_over)
        self.last = last
        self.simulate = stack.simulate_removal

    def observe(self) -> dict[str, t.Any]:
        world = super().observe()
        if world["nodes"]:
            label = {"label": f"{STACK_LABEL}={self.name}"}
            with api_errors(f"read stack {self.name}"):
                for kind in stack.KINDS:
                    world[kind] = getattr(self.client, f"{kind}s")(filters=label)
        return world

    def next_step(self, world: Raw) -> Decision:
        return stack.next_removal(world, self.name, self.handed_over, self.last)

    def write(self, step: Step) -> None:
        getattr(self.client, step.name)(step.data["id"])


class Restoration(SwarmOperation):
    """A stack to be there as it was kept; O(values) are those of its secrets, by name. With O(foresee) it needs no Swarm yet."""

    def __init__(
        self, client: t.Any, name: str, kept: Raw, values: t.Mapping[str, bytes], foresee: bool = False
    ) -> None:
        super().__init__(client)
        self.name = name
        self.kept = kept
        self.values = values
        self.foresee = foresee
        self.world: Raw = {}

    def observe(self) -> dict[str, t.Any]:
        world = super().observe()
        with api_errors("read what the Swarm has"):
            for kind in stack.KINDS:
                world[kind] = getattr(self.client, f"{kind}s")() if world["nodes"] else []
        # Those that one host alone knows have names of their own.
        world["network"] = [network for network in world["network"] if network.get("Scope") == "swarm"]
        if self.foresee:
            world = restoration.foreseen(world, self.kept)
        self.world = world
        return world

    def next_step(self, world: Raw) -> Decision:
        return restoration.next_step(world, self.kept, self.values.keys())

    def simulate(self, world: Raw, step: Step) -> dict[str, t.Any]:
        return restoration.simulate(world, step, self.kept)

    def write(self, step: Step) -> None:
        if step.name == "constrain":
            _post_gpu_spec(self.client, self.world, step)
            return
        kind = step.name.partition("_")[2]
        if kind == "service":
            create_service(self.client, restoration.created_spec(self.world, self.kept, step.data["service"]))
            return
        (thing,) = [one for one in self.kept["objects"][f"{kind}s"] if one["name"] == step.data[kind]]
        labels = restoration.labels_of(kind, thing, self.name)
        if kind == "network":
            create_network(self.client, thing, restoration.options_of(thing), labels)
            return
        content = self.values[thing["name"]] if kind == "secret" else thing["content"].encode()
        create_thing(self.client, kind, thing, content, labels)


class Scaling(SwarmOperation):
    """A service to have a number of tasks."""

    def __init__(self, client: t.Any, service: str, replicas: int) -> None:
        super().__init__(client)
        self.service = service
        self.replicas = replicas
        self.simulate = stack.simulate_scaling

    def next_step(self, world: Raw) -> Decision:
        return stack.next_scaling(world, self.service, self.replicas)

    def write(self, step: Step) -> None:
        service = self.client.inspect_service(self.service)
        spec = dict(service["Spec"], Mode={"Replicated": {"Replicas": self.replicas}})
        post_service(self.client, service, spec)


class Spare(SwarmOperation):
    """A service to have its spare task, or to have it no longer."""

    def __init__(self, client: t.Any, service: str, wanted: bool) -> None:
        super().__init__(client)
        self.service = service
        self.wanted = wanted
        self.world: Raw = {}
        self.simulate = spare.simulate

    def observe(self) -> dict[str, t.Any]:
        # What is written is made from what was decided on, so that a change in between is a conflict and not lost.
        world = super().observe()
        self.world = world
        return world

    def next_step(self, world: Raw) -> Decision:
        return spare.next_step(world, self.service, self.wanted)

    def write(self, step: Step) -> None:
        (service,) = [one for one in self.world["services"] if one["Spec"]["Name"] == self.service]
        post_service(self.client, service, spare.spec_after(step.name, service["Spec"]))


class Gpu(SwarmOperation):
    """The GPUs of a node to be given to no task any more, or to the Swarm's tasks again."""

    def __init__(self, client: t.Any, node: str, state: str, kinds: t.Collection[str]) -> None:
        super().__init__(client)
        self.node = node
        self.state = state
        self.kinds = frozenset(kinds)
        self.world: Raw = {}

    def observe(self) -> dict[str, t.Any]:
        # What is written is made from what was decided on, so that a change in between is a conflict and not lost.
        world = super().observe()
        self.world = world
        return world

    def next_step(self, world: Raw) -> Decision:
        return gpu.next_step(world, self.node, self.state, self.kinds)

    def simulate(self, world: Raw, step: Step) -> dict[str, t.Any]:
        return gpu.simulate(world, step, self.node)

    def write(self, step: Step) -> None:
        if "service" in step.data:
            _post_gpu_spec(self.client, self.world, step)
            return
        (node,) = drain.find(self.world, self.node)
        self.client.update_node(node["ID"], node["Version"]["Index"], gpu.spec_after(step.name, node["Spec"]))


class Leave(SwarmOperation):
    """This Engine to be out of its Swarm."""

    def __init__(self, client: t.Any, last: bool) -> None:
        super().__init__(client)
        self.last = last
        self.simulate = leave.simulate

    def observe(self) -> dict[str, t.Any]:
        with api_errors("read the Engine"):
            world: dict[str, t.Any] = {"info": self.client.info(), "nodes": [], "services": []}
            world["containers"] = self.client.containers(all=True, filters={"label": "com.docker.swarm.task.id"})
            if self.last and world["info"].get("Swarm", {}).get("ControlAvailable"):
                world.update(nodes=self.client.nodes(), services=self.client.services())
        return world

    def next_step(self, world: Raw) -> Decision:
        return leave.next_step(world, self.last)

    def write(self, step: Step) -> None:
        self.client.leave_swarm(force=step.data["force"])
