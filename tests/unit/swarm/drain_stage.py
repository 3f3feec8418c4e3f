"""Runs playbooks/drain.yml, with the real role edge, against stand-ins for the modules that act on one world in a file.

At each write the world is looked at: no task ends that a route leads to while it is one of the node that is drained, and no route leads
to where nothing runs.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import pathlib
import re
import signal
import sys

import played

ROOT = pathlib.Path(__file__).parents[3]
MODULES = ("swarm_stack_info", "swarm_scale", "swarm_drain", "traffic_shift")
MODULE = """#!{python}
import sys
sys.path.insert(0, {here!r})
from ansible.module_utils.basic import AnsibleModule
import drain_stand_ins
module = AnsibleModule(argument_spec=dict.fromkeys({options}, {{"type": "raw"}}), supports_check_mode=True)
given = {{key: value for key, value in module.params.items() if value is not None}}
answer = drain_stand_ins.act({folder!r}, {name!r}, given, module.check_mode)
(module.fail_json if "msg" in answer else module.exit_json)(**answer)
"""
OPTIONS = re.compile(r'^            "(\w+)": \{', re.MULTILINE)


class Answers(http.server.BaseHTTPRequestHandler):
    """The edge as clients ask it: 200, and who was asked for is noted."""

    asked: list[str]

    def do_GET(self):
        self.asked.append(self.headers["Host"])
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args):
        pass


class Stage:
    """Managers m1 and m2, edges as many as asked for; O(services) by name are the nodes of the running tasks."""

    def __init__(self, folder, services, *, port, edges=1, managers=("m1",)):
        self.folder = folder
        self.port = port
        self.edges = [f"e{number}" for number in range(1, edges + 1)]
        self.managers = managers
        self.names = sorted(services)
        real = ("roles/edge", "playbooks", "plugins/filter", "plugins/module_utils", "plugins/modules/http_probe.py")
        modules = {}
        for name in MODULES:
            options = [
                *OPTIONS.findall((ROOT / f"plugins/modules/{name}.py").read_text()),
                "journal",
                "phase",
                "deadline",
            ]
            modules[f"sophia.replatform.{name}"] = MODULE.format(
                python=sys.executable,
                here=str(pathlib.Path(__file__).parent),
                options=options,
                folder=str(folder),
                name=name,
            )
        played.collection(folder, modules, *real)
        world = {
            "nodes": {f"n{i}": "active" for i in range(1, 5)},
            "services": {name: {"replicas": len(nodes), "tasks": nodes} for name, nodes in services.items()},
            "routes": {edge: {} for edge in self.edges},
        }
        for name, nodes in services.items():
            for edge in self.edges:
                world["routes"][edge][name] = [f"192.0.2.{node[1:]}:80" for node in nodes]
        self.write({**world, "writes": 0})

    def write(self, world):
        (self.folder / "world.json").write_text(json.dumps(world))

    def world(self):
        """What is to be the same again: all but the count of writes."""
        world = json.loads((self.folder / "world.json").read_text())
        return {key: world[key] for key in ("nodes", "services", "routes")}

    def change(self, **keys):
        self.write({**json.loads((self.folder / "world.json").read_text()), **keys})

    def play(self, *options, variables=None):
        """The exit status, how much each host counted as changed, what was called, and what was said."""
        hosts = {"ansible_connection": "local", "ansible_become": False, "edge_services": self.services()}
        shared = {"edge_stack": "shop", "replatform_state_dir": str(self.folder / "state"), "edge_http_port": self.port}
        groups = {
            "swarm_manager": {"hosts": dict.fromkeys(self.managers)},
            "edge": {"hosts": {edge: {"edge_config_dir": edge} for edge in self.edges}},
        }
        inventory = {"all": {"children": groups, "vars": {**hosts, **shared}}}
        (self.folder / "calls").write_text("")
        process = played.start(
            self.folder, inventory, ROOT / "playbooks/drain.yml", *options, "-e", json.dumps(variables or {}),
            ANSIBLE_FORKS="1",  # the edges in their order
        )  # fmt: skip
        (self.folder / "group").write_text(str(process.pid))
        said, _none = process.communicate(timeout=280)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        calls = [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]
        changed = sum(int(one) for one in re.findall(r"changed=(\d+)", said))
        return process.returncode, changed, calls, " ".join(said.split())

    def services(self):
        return [{"name": name, "host": f"{name}.test", "path": "/"} for name in self.names]
