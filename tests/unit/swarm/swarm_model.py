"""A small model of a Swarm: scheduler, orchestrator, updater and constraint enforcer, as a real one (20.10) was seen to work.

Time passes with each look at the tasks. At every moment each service must have as many running tasks as it shall have.
"""

from __future__ import annotations

import copy
import re
from collections import Counter

import swarm_raw as raw
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError

ENDED = ("shutdown", "failed", "rejected")
# Looks at the tasks that a task needs to start, and that it needs to stop.
STARTING = ["new", "assigned", "starting", "running"]
STOPPING = 2
MONITOR = 2


class Killed(BaseException):
    """The run ended here; nothing may catch it."""


class Swarm:
    """Nodes n1 (the manager), n2, ...; each service is from RV(service). It is also the client of its API.

    Dies at the write number O(die_at), before or, with O(after), when it was made; before a write whose number is in
    O(meddle), somebody else writes all things after they were looked at. O(at) has what happens once that many writes are made.
    The API gives no answer to the next O(silent) looks, and makes no write whose number is in O(failing).
    """

    def __init__(self, nodes, services, *, memory=100, managers=1):
        roles = ["manager" if i <= managers else "worker" for i in range(1, nodes + 1)]
        self.nodes_ = {f"n{i}": raw.node(f"n{i}", role, leader=i == 1) for i, role in enumerate(roles, 1)}
        for node in self.nodes_.values():
            node["Description"]["Resources"] = {"NanoCPUs": 0, "MemoryBytes": memory}
        self.services_ = {service["ID"]: service for service in services}
        self.tasks_ = []
        self.crashes = {}  # service ID: the only nodes on which its tasks run
        self.stoppable = set()
        self.watched = False
        self.writes = 0
        self.die_at = None
        self.after = False
        self.meddle = ()
        self.at = {}
        self.silent = 0
        self.failing = ()
        for _tick in range(12):
            self.tick()
        # What found no room at the start is short from the start.
        self.least = {name: self.running(service) for name, service in self.services_.items()}
        self.watched = True

    # The API

    def info(self):
        self.at.pop(self.writes, lambda: None)()
        if self.silent:
            self.silent -= 1
            raise ReplatformError("could not read the Swarm: The swarm does not have a leader")
        return raw.info(node_id="n1")

    def nodes(self):
        return copy.deepcopy(list(self.nodes_.values()))

    def services(self):
        answer = copy.deepcopy(list(self.services_.values()))
        for service in answer:
            config = service["Spec"].get("UpdateConfig")
            if config and not config.get("Delay"):
                config.pop("Delay", None)  # as the Engine does
        return answer

    def tasks(self):
        self.tick()
        for thing in [*self.services_.values(), *self.nodes_.values()] if self.writes in self.meddle else []:
            thing["Version"]["Index"] += 1
            thing["Spec"].setdefault("Labels", {})["somebody"] = f"else {self.writes}"
        return copy.deepcopy(self.tasks_)

    def update_node(self, identity, version, spec):
        node = self.nodes_[identity]
        assert "Labels" in spec, "an update without the labels wipes them"
        self._write(node, version, lambda: self._node_written(node, spec))

    def _url(self, path, identity):
        assert path == "/services/{0}/update"
        return identity

    def _post_json(self, identity, data, params):
        assert params["registryAuthFrom"] == "spec"
        service = self.services_[identity]
        self._write(service, params["version"], lambda: self._service_written(service, data))

    def _result(self, _answer, _json):
        return {}

    def _write(self, thing, version, change):
        number, self.writes = self.writes, self.writes + 1
        if number == self.die_at and not self.after:
            raise Killed
        if number in self.failing:
            raise ReplatformError("could not write: context deadline exceeded")
        if version != thing["Version"]["Index"]:
            raise ReplatformError("rpc error: code = Unknown desc = update out of sequence")
        thing["Version"]["Index"] += 1
        change()
        self.check()
        if number == self.die_at:
            raise Killed

    def _service_written(self, service, spec):
        # swarmkit reads it without a look (orchestrator/task.go, nodeMatches), and every manager ends in a panic.
        assert "Placement" in spec["TaskTemplate"], "a service that is updated without a Placement ends all managers"
        service["Spec"] = copy.deepcopy(spec)
        service["UpdateStatus"] = None
        service["quiet"] = 0

    def _node_written(self, node, spec):
        node["Spec"] = copy.deepcopy(spec)
        if spec["Availability"] == "active":
            here = [task for task in self._wanted() if task.get("NodeID") == node["ID"]]
            for task in here:
                if not self._meets(node, self.services_[task["ServiceID"]]):
                    task["Status"]["State"] = "rejected"
            # One of those with generic resources, which it has (constraintenforcer asks the wrong way round).
            for task in [one for one in here if _generic(one)][:1]:
                task["Status"]["State"] = "rejected"

    # What a Swarm does by itself

    def tick(self):
        for task in self.tasks_:
            self._progress(task)
        for service in self.services_.values():
            if "Global" in service["Spec"]["Mode"]:
                self._globals(service)
            else:
                self._replicas(service)
                self._update(service)
        for task in self._wanted():
            if not task.get("NodeID"):
                self._schedule(task)
        self.check()

    def _progress(self, task):
        state = task["Status"]["State"]
        if state in ENDED or not task.get("NodeID"):
            return
        if self.nodes_[task["NodeID"]]["Spec"]["Availability"] == "drain":
            task["DesiredState"] = "shutdown"
        if task["DesiredState"] == "shutdown":
            task["stopping"] = task.get("stopping", 0) + 1
            if task["stopping"] > STOPPING:
                task["Status"]["State"] = "shutdown"
        elif state == "starting" and task["NodeID"] not in self.crashes.get(task["ServiceID"], self.nodes_):
            task["Status"]["State"] = "failed"
        elif state != "running":
            task["Status"]["State"] = STARTING[STARTING.index(state) + 1]

    def _globals(self, service):
        have = {task["NodeID"] for task in self._tasks(service)}
        for node in self.nodes_.values():
            if node["ID"] not in have and node["Spec"]["Availability"] == "active" and self._meets(node, service):
                self._create(service, 1)["NodeID"] = node["ID"]
        for task in self._tasks(service):
            if not self._meets(self.nodes_[task["NodeID"]], service):
                task["DesiredState"] = "shutdown"

    def _replicas(self, service):
        slots = self._slots(service)
        want = service["Spec"]["Mode"]["Replicated"]["Replicas"]
        # The fullest node loses a task, running or not (orchestrator/replicated, slotsByIndex); one without a node goes first.
        seen = Counter()
        ranked = []
        for slot, tasks in sorted(slots.items(), key=lambda item: item[1][0]["Status"]["State"] != "running"):
            node = tasks[0].get("NodeID") if len(tasks) == 1 else None
            seen[node] += 1
            ranked.append((node is None, seen[node], slot))
        for _no_node, _index, slot in sorted(ranked, key=lambda one: one[:2])[want:]:
            for task in slots[slot]:
                task["DesiredState"] = "shutdown"
        stopping = {task["Slot"] for task in self.tasks_ if task["ServiceID"] == service["ID"] and self._is_live(task)}
        free = [slot for slot in range(1, want + len(slots) + 2) if slot not in slots and slot not in stopping]
        policy = service["Spec"]["TaskTemplate"].get("RestartPolicy", {}).get("Condition")
        if not (policy == "none" and self.watched):
            for slot in free[: max(0, want - len(slots))]:
                self._create(service, slot)

    def _update(self, service):
        """One slot at a time, in the service's own order; tasks of which the node is still right are left alone."""
        status = service.get("UpdateStatus")
        if status and status["State"] == "paused":
            return
        first = service["Spec"].get("UpdateConfig", {}).get("Order") == "start-first"
        dirty = []
        for slot, tasks in self._slots(service).items():
            bad = [t for t in tasks if t.get("NodeID") and not self._meets(self.nodes_[t["NodeID"]], service)]
            good = [t for t in tasks if t not in bad]
            if bad:
                dirty.append((slot, bad, good))
            # A real one keeps whichever has the lower ID, so here the worse: that which does not run yet.
            for extra in sorted(good, key=lambda task: (not task.get("NodeID"), task["Status"]["State"] == "running"))[
                1:
            ]:
                extra["DesiredState"] = "shutdown"
                if not extra.get("NodeID"):
                    extra["Status"]["State"] = "shutdown"
        if not dirty:
            service["quiet"] = service.get("quiet", 0) + 1
            if status and status["State"] == "updating" and service["quiet"] > MONITOR:
                service["UpdateStatus"] = {"State": "completed", "Message": "update completed"}
            return
        service["quiet"] = 0
        service["UpdateStatus"] = {"State": "updating", "Message": "update in progress"}
        slot, bad, good = dirty[0]
        if self._has_failed(service, slot):
            service["UpdateStatus"] = {"State": "paused", "Message": "update paused due to failure"}
        elif not first or any(task["Status"]["State"] == "running" for task in good):
            for task in bad:
                task["DesiredState"] = "shutdown"
        elif not good:
            self._create(service, slot)

    def _has_failed(self, service, slot):
        failed = [t for t in self.tasks_ if t["ServiceID"] == service["ID"] and t["Status"]["State"] == "failed"]
        return any(task["Slot"] == slot for task in failed)

    def _create(self, service, slot):
        task = raw.task("", None, "new", slot=slot)
        task.update(
            ID=f"t{len(self.tasks_)}", ServiceID=service["ID"], Spec=copy.deepcopy(service["Spec"]["TaskTemplate"])
        )
        self.tasks_.append(task)
        return task

    def _schedule(self, task):
        service = self.services_[task["ServiceID"]]
        fit = [node for node in self.nodes_.values() if self._has_room(node, service)]
        if not fit:
            task["Status"]["Err"] = "no suitable node"
            return
        here = Counter(one.get("NodeID") for one in self._tasks(service))
        failed = Counter(one["NodeID"] for one in self.tasks_ if one["Status"]["State"] == "failed")
        load = Counter(one.get("NodeID") for one in self._wanted())
        task["NodeID"] = min(
            fit, key=lambda node: (failed[node["ID"]] > 4, here[node["ID"]], load[node["ID"]], node["ID"])
        )["ID"]

    def _has_room(self, node, service):
        if node["Spec"]["Availability"] != "active" or not self._meets(node, service):
            return False
        tasks = [task for task in self.tasks_ if task.get("NodeID") == node["ID"] and self._is_live(task)]
        most = service["Spec"]["TaskTemplate"].get("Placement", {}).get("MaxReplicas", 0)
        if most and len([t for t in self._tasks(service) if t.get("NodeID") == node["ID"]]) >= most:
            return False
        if _port(service) and _port(service) in [_port(self.services_[task["ServiceID"]]) for task in tasks]:
            return False
        used = sum(_memory(self.services_[task["ServiceID"]]) for task in tasks)
        return used + _memory(service) <= node["Description"]["Resources"]["MemoryBytes"]

    @staticmethod
    def _meets(node, service):
        for constraint in service["Spec"]["TaskTemplate"].get("Placement", {}).get("Constraints", []):
            key, equal, value = constraint.partition("==") if "==" in constraint else constraint.partition("!=")
            assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9\-_.]+", key), f"key '{key}' is invalid"
            if key.startswith("node.labels."):
                found = node["Spec"]["Labels"].get(key.removeprefix("node.labels."), "")
            else:
                found = {"node.id": node["ID"], "node.hostname": node["Description"]["Hostname"]}[key]
            is_it = found == value
            if is_it != (equal == "=="):
                return False
        return True

    # Looks

    @staticmethod
    def _is_live(task):
        return task["Status"]["State"] not in ENDED

    def _wanted(self):
        return [task for task in self.tasks_ if self._is_live(task) and task["DesiredState"] == "running"]

    def _tasks(self, service):
        return [task for task in self._wanted() if task["ServiceID"] == service["ID"]]

    def _slots(self, service):
        slots = {}
        for task in self._tasks(service):
            slots.setdefault(task["Slot"], []).append(task)
        return slots

    def running(self, service):
        return len([task for task in self._tasks(service) if task["Status"]["State"] == "running"])

    def on(self, node_id):
        return [task for task in self.tasks_ if task.get("NodeID") == node_id and self._is_live(task)]

    def spread(self, service_id):
        return Counter(task["NodeID"] for task in self._wanted() if task["ServiceID"] == service_id)

    def specs(self):
        services = {name: copy.deepcopy(one["Spec"]) for name, one in self.services_.items()}
        return services, {name: copy.deepcopy(one["Spec"]) for name, one in self.nodes_.items()}

    def check(self):
        """No service falls below its number of tasks."""
        for service in self.services_.values():
            name, mode = service["Spec"]["Name"], service["Spec"]["Mode"]
            if self.watched and "Replicated" in mode and name not in self.stoppable:
                least = self.least[service["ID"]]
                assert self.running(service) >= least, f"{name}: {self.running(service)} of {least}"


def service(
    name,
    replicas=2,
    *,
    port=0,
    most=0,
    memory=0,
    health=True,
    volume=False,
    bind=False,
    constraints=(),
    order="stop-first",
    restart="any",
    gpus=0,
    kind="NVIDIA-GPU",
):
    """A service as the API gives it; O(replicas) none means a global one."""
    container = {"Image": f"{name}:1.0"}
    if health:
        container["Healthcheck"] = {"Test": ["CMD", "true"]}
    if volume or bind:
        container["Mounts"] = [{"Type": "volume" if volume else "bind", "Source": "data", "Target": "/data"}]
    template = {"ContainerSpec": container, "RestartPolicy": {"Condition": restart}}
    placement = {}  # the client and a stack send an empty one
    if most:
        placement["MaxReplicas"] = most
    if constraints:
        placement["Constraints"] = list(constraints)
    template["Placement"] = placement
    if memory:
        template["Resources"] = {"Reservations": {"MemoryBytes": memory}}
    if gpus:
        generic = {"DiscreteResourceSpec": {"Kind": kind, "Value": gpus}}
        template.setdefault("Resources", {}).setdefault("Reservations", {})["GenericResources"] = [generic]
    spec = {"Name": f"shop_{name}", "Labels": {"com.docker.stack.namespace": "shop"}, "TaskTemplate": template}
    spec["Mode"] = {"Global": {}} if replicas is None else {"Replicated": {"Replicas": replicas}}
    if order:
        spec["UpdateConfig"] = {
            "Parallelism": 2,
            "Delay": 7,
            "FailureAction": "rollback",
            "Order": order,
            "MaxFailureRatio": 0,
        }
    if port:
        spec["EndpointSpec"] = {"Ports": [{"TargetPort": port, "PublishedPort": port, "PublishMode": "host"}]}
    return {"ID": f"id-{name}", "Version": {"Index": 11}, "Spec": spec}


def _port(service):
    ports = service["Spec"].get("EndpointSpec", {}).get("Ports", [])
    return ports[0]["PublishedPort"] if ports else 0


def _generic(task):
    return task["Spec"].get("Resources", {}).get("Reservations", {}).get("GenericResources")


def _memory(service):
    return service["Spec"]["TaskTemplate"].get("Resources", {}).get("Reservations", {}).get("MemoryBytes", 0)
