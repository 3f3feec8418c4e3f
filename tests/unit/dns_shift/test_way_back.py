"""The cutover's way back with a real name server that takes no update: stores and services go back, and the run says so at its end."""

from __future__ import annotations

import itertools
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

from . import conftest
from .test_shift_real import NEW, Controller

ROOT = pathlib.Path(__file__).parents[3]
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


@pytest.fixture(name="collections")
def collections_fixture(tmp_path):
    """The roles of the cutover and of DNS as they are; edges, stores and cluster only say that they were asked."""
    ours = tmp_path / "collections/ansible_collections/sophia/replatform"
    files = {
        ours / "roles/edge/tasks/guard_ended.yml": done("guard"),
        ours / "roles/edge/tasks/shift_back.yml": done("services"),
        ours / "roles/data_handover/tasks/main.yml": done("stores"),
        ours.parents[1] / "kubernetes/core/plugins/modules/k8s_info.py": NAMES,
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for path in ("plugins", "meta", "galaxy.yml", "roles/cutover", "roles/dns"):
        (ours / path).symlink_to(ROOT / path)
    return tmp_path / "collections"


class WayBack:
    """Brings back what two edges serve, as playbooks/rollback.yml plays it."""

    def __init__(self, folder, collections, servers, name):
        self.folder, self.collections = folder, collections
        seen = {"swarm": "active", "is_manager": True, "hostname": "node", "services": SERVICES}
        self.settings = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
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
        plays = [
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
        (folder / "play.json").write_text(json.dumps(plays))

    def play(self, secret):
        """The exit status, what was said, what happened in which order, failed and rescued at each edge, and what went back."""
        settings = {**self.settings, "dns_key": {"name": "replatform", "secret": secret}}
        (self.folder / "hosts.json").write_text(
            json.dumps({"all": {"children": {"edge": {"hosts": {"one": settings, "two": settings}}}}})
        )
        program = str(pathlib.Path(sys.executable).with_name("ansible-playbook"))
        run = subprocess.run(
            [program, "-i", self.folder / "hosts.json", self.folder / "play.json"],
            cwd=self.folder,
            env={
                **{key: value for key, value in os.environ.items() if key != "ANSIBLE_CONFIG"},
                "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
                "ANSIBLE_NOCOLOR": "1",
                "PYTHONPATH": conftest.PYTHON,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        counts = {
            host: (int(failed), int(rescued))
            for host, failed, rescued in re.findall(
                r"^(\w+) +: .*failed=(\d+) .*rescued=(\d+)", run.stdout, re.MULTILINE
            )
        }
        said = " ".join((run.stdout + run.stderr).split())
        happened = re.findall(rf"(guard|stores|services) of (one|two)|({FAULT})", run.stdout)
        order = [what for what, _same in itertools.groupby(kind or fault for kind, _edge, fault in happened)]
        back = {f"{kind} of {edge}" for kind, edge, _fault in happened if kind}
        return run.returncode, said, order, counts, back


ALL = {"guard of one", "guard of two", "stores of one", "services of one", "services of two"}


def test_a_fault_of_dns_keeps_nothing_else_on_k3s_and_ends_the_run(tmp_path, servers, collections):
    name = servers.quick_name()
    controller = Controller(servers, name)
    controller.run("shifted")
    controller.now += 3600
    controller.run("shifted")
    assert servers.look(name)[1] == NEW
    back = WayBack(tmp_path, collections, servers, name)

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
