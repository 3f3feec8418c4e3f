"""The cutover's way back with a real name server that takes no update: stores and services go back, and the run says so at its end."""

from __future__ import annotations

import itertools
import json
import re

import played

from . import conftest
from .test_shift_real import NEW, Controller

FAULT = "it does not know key replatform"
NAMES = """#!/usr/bin/python
# WANT_JSON
print('{"changed": false, "resources": [{"metadata": {"name": "disk"}, "spec": {}}]}')
"""
SERVICES = [
    {"name": "web", "group": "shop", "kind": "http", "port": 80, "running": 1, "endpoints": []},
    {"name": "disk", "group": "shop", "kind": "files", "port": 81, "running": 1, "endpoints": []},
]


def done(what):
    """A task that says what has gone back."""
    return json.dumps(
        [{"name": "Go back", "ansible.builtin.debug": {"msg": f"{what} of {{{{ inventory_hostname }}}}"}}]
    )


def lay_out(folder):
    """The roles of the cutover and of DNS as they are; edges, stores and cluster only say that they were asked."""
    links = ("plugins", "meta", "galaxy.yml", "roles/cutover", "roles/dns")
    ours = played.collection(folder, {"kubernetes.core.k8s_info": NAMES}, *links)
    tasks = {
        "edge/tasks/guard_ended": "guard",
        "edge/tasks/shift_back": "services",
        "data_handover/tasks/main": "stores",
    }
    for name, what in tasks.items():
        path = ours / f"roles/{name}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(done(what))


class WayBack:
    """Brings back what two edges serve, as playbooks/rollback.yml plays it."""

    def __init__(self, folder, servers, name):
        self.folder = folder
        lay_out(folder)
        seen = {"swarm": "active", "is_manager": True, "hostname": "node", "services": SERVICES}
        self.settings = {
            "ansible_connection": "local",
            "cutover_seen": seen,
            "cutover_swarm_hosts": ["one"],
            "cutover_groups": ["shop"],
            "cutover_services": [{k: s[k] for k in ("name", "group", "kind", "port")} for s in SERVICES],
            "cutover_stack": "shop",
            "cutover_k3s_addresses": ["192.0.2.9"],
            "cutover_namespace": "shop",
            "cutover_kubeconfig": "/nonexistent",
            "cutover_artifacts": str(folder),
            "cutover_dns_hook": "sophia.replatform.dns",
            "dns_zone": conftest.ZONE,
            "dns_server": servers.primary.address,
            "dns_servers": [servers.secondary.address],
            "dns_records": [{"name": name, "values": NEW}],
            "dns_lowered_ttl": 1,
        }
        role = {"name": "sophia.replatform.cutover", "tasks_from": "rolled_back"}
        self.plays = [
            {
                "hosts": "edge",
                "gather_facts": False,
                "any_errors_fatal": True,
                "tasks": [{"name": "Back", "ansible.builtin.include_role": role}],
            },
            {
                "hosts": "edge",
                "gather_facts": False,
                "tasks": [{"name": "Next", "ansible.builtin.debug": {"msg": "what comes after the way back"}}],
            },
        ]

    def play(self, secret):
        """The exit status, what was said, what happened in which order, failed and rescued at each edge, and what went back."""
        settings = {**self.settings, "dns_key": {"name": "replatform", "secret": secret}}
        inventory = {"all": {"children": {"edge": {"hosts": {"one": settings, "two": settings}}}}}
        run = played.play(self.folder, inventory, self.plays, PYTHONPATH=conftest.PYTHON)
        counts = {
            host: (int(failed), int(rescued))
            for host, failed, rescued in re.findall(
                r"^(\w+) +: .*failed=(\d+) .*rescued=(\d+)", run.output, re.MULTILINE
            )
        }
        happened = re.findall(rf"(guard|stores|services) of (one|two)|({FAULT})", run.output)
        order = [what for what, _same in itertools.groupby(kind or fault for kind, _edge, fault in happened)]
        back = {f"{kind} of {edge}" for kind, edge, _fault in happened if kind}
        return run.code, run.said, order, counts, back


ALL = {"guard of one", "guard of two", "stores of one", "services of one", "services of two"}


def test_a_fault_of_dns_keeps_nothing_else_on_k3s_and_ends_the_run(tmp_path, servers):
    name = servers.quick_name()
    controller = Controller(servers, name)
    controller.run("shifted")
    controller.now += 3600
    controller.run("shifted")
    assert servers.look(name)[1] == NEW
    back = WayBack(tmp_path, servers, name)

    code, said, order, counts, went = back.play(conftest.WRONG)
    assert order == ["guard", FAULT, "stores", "services", FAULT] and went == ALL, said
    assert code != 0 and "what comes after the way back" not in said
    assert counts == {"one": (1, 1), "two": (0, 0)}, said
    assert "the DNS records are not back: " in said and conftest.WRONG not in said
    assert servers.look(name)[1] == NEW

    code, said, order, counts, went = back.play(conftest.SECRET)
    assert order == ["guard", "stores", "services"] and went == ALL, said
    assert code == 0 and "what comes after the way back" in said
    assert counts == {"one": (0, 0), "two": (0, 0)}
    assert servers.look(name) == (2, ["192.0.2.1"])
