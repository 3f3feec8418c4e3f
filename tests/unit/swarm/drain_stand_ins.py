"""What the stand-in modules of drain_stage do to the world in its file, each a call; C(act) is all that they ask."""

from __future__ import annotations

import json
import os
import pathlib
import signal


class Stopped(Exception):
    """A module's message."""


def act(folder, name, given, check_mode):
    """The module's answer. Each write is noted, and C(die_at) of the world ends the whole run at the write with that number."""
    world = World(pathlib.Path(folder), check_mode)
    try:
        return {"changed": False, **(globals()[name](world, given) or {"changed": world.changed})}
    except Stopped as exc:
        return {"msg": str(exc)}


class World:
    def __init__(self, folder, check_mode):
        self.folder = folder
        self.check_mode = check_mode
        self.changed = False
        self.__dict__.update(self.read())

    def read(self):
        self.raw = json.loads((self.folder / "world.json").read_text())
        return {key: self.raw[key] for key in ("nodes", "services", "routes")}

    def write(self, *what):
        """One write: whether it is allowed is looked at, then it is noted and made, and then the run may be ended."""
        self.changed = True
        if self.check_mode:
            return
        self.look()
        with (self.folder / "calls").open("a", encoding="utf-8") as calls:
            calls.write(json.dumps(what) + "\n")
        self.raw["writes"] += 1
        (self.folder / "world.json").write_text(json.dumps(self.raw))
        if self.raw["writes"] == self.raw.get("die_at"):
            os.killpg(int((self.folder / "group").read_text()), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)  # a module has a session of its own

    def look(self):
        for routes in self.routes.values():
            for name, servers in routes.items():
                running = {address(node) for node in self.services[name]["tasks"]}
                # A task that ends on a node that is not drained is taken out by the health check; one server must be left.
                if not set(servers) & running:
                    raise Stopped(f"requests are lost: {name} is led to {servers}, and runs on {sorted(running)}")


def address(node):
    return f"192.0.2.{node[1:]}:80"


def swarm_stack_info(world, _given):
    if world.raw.get("swarm") == "inactive":
        return {"swarm": "inactive", "is_manager": False, "nodes": [], "services": []}
    nodes = [
        {
            "id": f"id-{node}",
            "hostname": node,
            "address": f"192.0.2.{node[1:]}",
            "availability": state,
            "state": "ready",
        }
        for node, state in world.nodes.items()
    ]
    services = [
        {
            "name": name,
            "full_name": f"shop_{name}",
            "mode": "replicated",
            "replicas": one["replicas"],
            "spare": "spare" in one,
            "running": len(one["tasks"]),
            "endpoints": [address(node) for node in sorted(one["tasks"])],
            "tasks": [{"id": node, "node": node} for node in one["tasks"]],
        }
        for name, one in world.services.items()
    ]
    return {"swarm": "active", "is_manager": True, "nodes": nodes, "services": services}


def home(world, service):
    """A node that takes one more task, if there is any."""
    free = [node for node, state in world.nodes.items() if state == "active" and node not in service["tasks"]]
    if not free or world.raw.get("full"):
        raise Stopped("no suitable node")
    return free[0]


def swarm_scale(world, given):
    service = world.services[given["service"].removeprefix("shop_")]
    if given["spare"] and "spare" not in service:
        service.update(spare=service["replicas"], replicas=service["replicas"] + 1)
        world.write("scale", given["service"], service["replicas"])
    if given["spare"] and len(service["tasks"]) < service["replicas"]:
        service["tasks"].append(home(world, service))
        world.write("task", given["service"], service["tasks"][-1])
    if not given["spare"] and "spare" in service:
        service["replicas"] = service.pop("spare")
        del service["tasks"][service["replicas"] :]
        world.write("scale", given["service"], service["replicas"])


def swarm_drain(world, given):
    node = given["node"]
    if given["state"] == "active":
        if world.nodes[node] != "active":
            world.nodes[node] = "active"
            world.write("active", node)
        return
    for name, service in world.services.items():
        if node not in service["tasks"]:
            continue
        if world.raw.get("unmovable") == name and (not world.check_mode or world.raw.get("foreseen")):
            raise Stopped(f"{node} is not drained: shop_{name} can't be moved")
        if world.check_mode:
            continue
        if any(address(node) in routes.get(name, []) for routes in world.routes.values()):
            raise Stopped(f"requests are lost: a route of {name} still leads to {node}")
        service["tasks"].append(home(world, service))
        service["tasks"].remove(node)
        world.write("move", name, service["tasks"][-1])
    if world.nodes[node] != "drain":
        world.nodes[node] = "drain"
        world.write("drain", node)


def traffic_shift(world, given):
    edge, name = given["dynamic_dir"].split("/")[0], given["name"]
    servers = given["primary"]["servers"]
    if world.raw.get("down") == edge:
        raise Stopped("the edge's API does not answer")
    if world.routes[edge][name] != servers:
        world.routes[edge][name] = servers
        world.write("route", edge, name, *servers)
