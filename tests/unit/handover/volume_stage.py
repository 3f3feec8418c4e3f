"""The role data_handover for a store of kind files: the real role, the real volume_handover and rsync, and a Swarm and a cluster that
are a file, each starting and stopping a real service."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import sys
import typing as t

import played
import yaml

from . import stores, volumes

ROOT = pathlib.Path(__file__).parents[3]

# What a module of the Swarm or the cluster does: it reads or changes world.json, and runs the service of the side.
STAND_IN = r"""#!{python}
import json, pathlib, sys
sys.path.insert(0, "{tests}")
from ansible.module_utils.basic import AnsibleModule
from volume_world import World
module = AnsibleModule(argument_spec=dict.fromkeys({options}, {{"type": "raw"}}), supports_check_mode=True)
try:
    module.exit_json(**World(pathlib.Path("{folder}")).{name}(module.params, module.check_mode))
except Exception as exc:
    module.fail_json(msg=str(exc))
"""
NOTE = "from volume_world import World; import json, pathlib, sys; World(pathlib.Path(sys.argv[1])).names(json.loads(sys.argv[2]))"
NAMED = ("kubeconfig", "api_version", "kind", "namespace")
MODULES = {
    "sophia.replatform.swarm_stack_info": ["stack"],
    "sophia.replatform.volume_info": ["volume"],
    "sophia.replatform.swarm_scale": ["service", "replicas", "deadline", "journal"],
    "kubernetes.core.k8s_info": [*NAMED, "name"],
    "kubernetes.core.k8s_scale": [*NAMED, "name", "replicas", "wait", "wait_timeout"],
    "kubernetes.core.k8s": [*NAMED, "name", "state", "definition", "wait"],
}
STORE = {"name": "wiki", "kind": "files", "port": 80, "files": {"volume": "wiki_data", "window": 120}}


class Stage:
    """Folders, services and a collection whose role and whose module volume_handover are the real ones."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        modules = {
            name: STAND_IN.format(
                python=sys.executable, tests=stores.HERE, options=options, folder=folder, name=name.rpartition(".")[2]
            )
            for name, options in MODULES.items()
        }
        real = ("plugins/module_utils", "plugins/modules/volume_handover.py", "roles/data_handover")
        mine = played.collection(folder, modules, *real)
        (mine / "roles/platform/tasks").mkdir(parents=True)
        names = "{{ [platform_handed_over, platform_handed_back] | to_json }}"
        note = {"argv": [sys.executable, "-c", NOTE, str(folder), names]}
        task = {
            "name": "Switch",
            "ansible.builtin.command": note,
            "environment": {"PYTHONPATH": str(stores.HERE)},
            "check_mode": False,
            "when": "not ansible_check_mode",
        }
        (mine / "roles/platform/tasks/main.yml").write_text(yaml.safe_dump([task]))
        for name in ("swarm", "k3s", "approvals", "state"):
            (folder / name).mkdir()

    def approve(self, to: str = "k3s", window: int = 120) -> None:
        (self.folder / "approvals" / f"wiki-window-{to}-{window}.json").write_text('{"by": "ada", "at": "2026-11-28"}')

    def record(self, **found: t.Any) -> None:
        """What the runs before have noted down."""
        (self.folder / "state" / "volumes").mkdir()
        folders = sorted(str(self.folder / side) for side in ("swarm", "k3s"))
        record = {"folders": folders, "proven": "", "manifest": "", "opened": 0.0, **found}
        (self.folder / "state" / "volumes" / "wiki.json").write_text(json.dumps(record))

    def start(
        self,
        to: str = "k3s",
        store: t.Mapping[str, t.Any] | None = None,
        options: t.Sequence[str] = (),
        entry: str = "main",
    ) -> t.Any:
        """ansible-playbook with an entry point of the role, and its output in C(said)."""
        values = {
            "data_handover_stores": [store or STORE],
            "data_handover_to": to,
            "data_handover_stack": "shop",
            "data_handover_manager": "localhost",
            "data_handover_namespace": "shop",
            "data_handover_kubeconfig": "/kubeconfig",
            "data_handover_artifacts": str(self.folder / "artifacts"),
            "data_handover_nodes": {"node-1": "localhost", "node-2": "beside"},
            "data_handover_state_dir": str(self.folder / "state"),
            "data_handover_approvals": str(self.folder / "approvals"),
        }
        role = {"name": "sophia.replatform.data_handover", "tasks_from": entry}
        plays = [{"hosts": "localhost", "gather_facts": False, "tasks": [{"ansible.builtin.include_role": role}]}]
        beside = self.folder / "python-beside"
        beside.write_text(f'#!/bin/sh\nAT=beside exec {sys.executable} "$@"\n')
        beside.chmod(0o755)
        hosts = {"localhost": {"ansible_connection": "local"}}
        hosts["beside"] = {**hosts["localhost"], "ansible_python_interpreter": str(beside)}
        inventory = {"all": {"hosts": hosts}}
        given = ("-e", json.dumps(values), "-e", "ansible_become=false", *options)
        with open(self.folder / "said", "w", encoding="utf-8") as said:
            return played.start(self.folder, inventory, plays, *given, stdout=said)

    def play(self, to: str = "k3s", **given: t.Any) -> tuple[int, str]:
        status = self.start(to, **given).wait()
        return status, " ".join((self.folder / "said").read_text().split())

    def end(self) -> None:
        """No service is left."""
        for one in self.folder.glob("*.pid"):
            os.kill(int(one.read_text()), signal.SIGTERM)

    def judge(self) -> int:
        """Nothing was lost or doubled, and never did two run; how many numbers there are."""
        side = "k3s" if json.loads((self.folder / "world.json").read_text())["led"] else "swarm"
        said = volumes.numbers(self.folder / "acknowledged")
        wanted = volumes.numbers(self.folder / side / "lines")
        assert wanted[: len(said)] == said == list(range(1, len(said) + 1)), "lost or doubled"
        assert not (self.folder / "violations").exists(), (self.folder / "violations").read_text()
        return len(said)
