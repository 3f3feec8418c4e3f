"""What role swarm_retirement refuses to take away, with stand-ins for the modules that ask an Engine and a cluster."""

from __future__ import annotations

import json
import pathlib
import sys
import typing as t

import played
import pytest

pytestmark = pytest.mark.slow

HEAD = """#!{python}
import json, os
from ansible.module_utils.basic import AnsibleModule
folder = {folder!r} + "/" + os.environ["HOST"]
module = AnsibleModule(argument_spec={{key: {{"type": "raw"}} for key in {options!r}.split()}}, supports_check_mode=True)
def done(what):
    open(folder + "/done", "a").write(what + "\\n")
"""
# Each answers what is in a file, or writes down what it is asked for.
MODULES = {
    "sophia.replatform.swarm_stack_info": (
        "stack specs",
        "swarm = json.load(open(folder + '/../swarm'))\nmodule.exit_json(**swarm[bool(module.params['specs'])])",
    ),
    "sophia.replatform.swarm_stack": (
        "stack handed_over last_stack journal deadline",
        "assert module.params['last_stack']\nmodule.check_mode and module.exit_json()\ndone('remove the stack')\nmodule.fail_json(msg='here the test ends')",
    ),
    "sophia.replatform.swarm_drain": ("node state may_stop move journal deadline", "module.exit_json()"),
    "community.docker.docker_swarm_info": ("", "module.exit_json(swarm_facts={'ID': 'c1'})"),
    "community.docker.docker_host_info": (
        "volumes volumes_filters",
        "module.exit_json(volumes=[{'Name': 'shop_cache'}, {'Name': 'shop_data'}])",
    ),
    "community.docker.docker_volume": ("name state", "done(module.params['name'])\nmodule.exit_json(changed=True)"),
    "kubernetes.core.k8s_info": (
        "kubeconfig api_version kind namespace hidden_fields",
        "found = json.load(open(folder + '/cluster'))\nmodule.exit_json(resources=found[module.params['kind']])",
    ),
}
MOUNT = {"Type": "volume", "Source": "shop_data", "Target": "/data"}
WEB = {
    "Name": "shop_web",
    "Mode": {"Replicated": {}},
    "TaskTemplate": {"ContainerSpec": {"Env": ["PASSWORD=hunter2"], "Mounts": [MOUNT]}},
}
SEEN = {
    "swarm": "active",
    "is_manager": True,
    "node_id": "n1",
    "hostname": "m1",
    "nodes": [{"id": "n1", "hostname": "m1", "role": "manager", "leader": True, "state": "ready"}],
}
TOKEN = {"id": "s1", "name": "shop_token", "own": True}
SWARM = [
    SEEN,
    {
        **SEEN,
        "objects": {"networks": [], "secrets": [TOKEN], "configs": []},
        "services": [{"name": "web", "full_name": "shop_web", "spec": WEB}],
    },
]
CLUSTER = {
    "Secret": [{"kind": "Secret", "metadata": {"name": "token"}}],
    "PersistentVolumeClaim": [
        {"kind": "PersistentVolumeClaim", "metadata": {"name": "data-web-0"}, "status": {"phase": "Bound"}}
    ],
    "Pod": [
        {
            "kind": "Pod",
            "metadata": {"name": "web-0"},
            "spec": {"containers": [{"env": [{"name": "PASSWORD", "value": "hunter2"}]}]},
        }
    ],
}
# By host, the entry of the role, what is given to it, and the cluster; none does not answer.
HOSTS: dict[str, tuple[str, dict[str, t.Any], t.Any]] = {
    "whole": ("main", {}, CLUSTER),
    "homeless": ("main", {"swarm_retirement_volumes": "removed"}, {**CLUSTER, "Secret": []}),
    "alone": ("homes", {"swarm_retirement_kubeconfig": ""}, None),
    "silent": ("homes", {"swarm_retirement_may_be_lost": ["shop_token"]}, None),
    "gone": (
        "volumes",
        {"swarm_retirement_volumes": "removed", "swarm_retirement_may_be_lost": ["shop_cache"]},
        CLUSTER,
    ),
}


class Stage:
    """Hosts that each are the leader of a Swarm whose stack has a secret and a volume."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        modules = {
            name: HEAD.format(python=sys.executable, folder=str(folder), options=options) + body
            for name, (options, body) in MODULES.items()
        }
        played.collection(folder, modules, "roles/swarm_retirement", "plugins/filter", "plugins/module_utils")
        (folder / "swarm").write_text(json.dumps(SWARM))
        for host, (_entry, _given, cluster) in HOSTS.items():
            (folder / host).mkdir()
            if cluster:
                (folder / host / "cluster").write_text(json.dumps(cluster))

    def play(self, hosts: t.Iterable[str], *options: str) -> str:
        """What was said; a play for each host, and one that fails does not end the others."""
        given = {
            "ansible_connection": "local",
            "swarm_retirement_stack": "shop",
            "swarm_retirement_handed_over": ["web"],
            "swarm_retirement_state_dir": f"{self.folder}/{{{{ inventory_hostname }}}}",
            "swarm_retirement_kubeconfig": "/kubeconfig",
            "swarm_retirement_filled": ["web"],
        }
        plays = []
        for host in hosts:
            entry, more, _cluster = HOSTS[host]
            seen = {"__swarm_retirement_whole": SWARM[1]} if entry == "homes" else {}
            role = {"name": "sophia.replatform.swarm_retirement", "tasks_from": entry}
            tasks = [{"block": [{"ansible.builtin.include_role": role}], "rescue": [{"ansible.builtin.meta": "noop"}]}]
            common = {"gather_facts": False, "environment": {"HOST": host}}
            plays.append({"hosts": host, **common, "vars": {**seen, **more}, "tasks": tasks})
        inventory = {"all": {"hosts": dict.fromkeys(HOSTS), "vars": given}}
        return played.play(self.folder, inventory, plays, *options).output

    def done(self, host: str) -> list[str]:
        file = self.folder / host / "done"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture(name="stage", scope="module")
def stage_fixture(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("homes"))


@pytest.fixture(name="output", scope="module")
def output_fixture(stage: Stage) -> str:
    return stage.play([host for host in HOSTS if host != "silent"], "-vvv", "--diff")


def test_a_stack_is_removed_once_all_that_it_has_is_at_home(stage: Stage, output: str) -> None:
    assert "here the test ends" in output
    assert stage.done("whole") == ["remove the stack"]


def test_what_has_no_home_is_refused_by_name_in_one_line_before_anything_is_removed(stage: Stage, output: str) -> None:
    [said] = [
        line for line in output.splitlines() if '"msg": "secret shop_token, volume shop_cache of stack shop' in line
    ]
    assert "would be lost: namespace default has no home for them; copy secrets" in said
    assert "\\n" not in said
    assert stage.done("homeless") == []


def test_without_a_cluster_nothing_has_a_home(output: str) -> None:
    says = "of stack shop would be lost: no cluster is named in swarm_retirement_kubeconfig"
    assert f"secret shop_token, volume shop_data {says}" in output


def test_volumes_go_after_the_swarm_when_each_has_a_home_or_may_be_lost(stage: Stage, output: str) -> None:
    assert "Remove the volumes whose data has a home" in output
    assert sorted(stage.done("gone")) == ["shop_cache", "shop_data"]


def test_no_value_is_shown(output: str) -> None:
    assert "Ask the cluster what it has" in output
    assert "hunter2" not in output


def test_check_mode_says_it_and_goes_on(stage: Stage) -> None:
    output = stage.play(["silent"], "--check")
    assert "volume shop_data of stack shop would be lost: the cluster of /kubeconfig does not answer" in output
    assert "rescued=0" in output
