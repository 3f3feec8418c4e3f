"""What role swarm_retirement keeps where another host led the Swarm before, with stand-ins for the modules that ask an Engine."""

from __future__ import annotations

import json
import pathlib
import sys
import typing as t

import played
import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.kept import to_keep

pytestmark = pytest.mark.slow

HEAD = """#!{python}
import json, os
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule(argument_spec={{"stack": {{}}, "specs": {{}}}}, supports_check_mode=True)
"""
MODULES = {
    "sophia.replatform.swarm_stack_info": "module.exit_json(**json.load(open(os.environ['SWARM'])))",
    "community.docker.docker_swarm_info": "module.exit_json(swarm_facts={'ID': 'c1'})",
}
NODES = [{"id": "b", "hostname": "b", "role": "manager", "leader": True, "state": "ready"}]


def what_is(image: str = "web:1", services: t.Sequence[str] = ("db", "web"), cluster: str = "c1") -> dict[str, t.Any]:
    """A Swarm as it is kept."""
    container = {"Image": image, "Env": ["PASSWORD=hunter2", "AT={{.Node.Hostname}}"]}
    return {
        "cluster": {"id": cluster, "default_addr_pool": [], "subnet_size": 24, "data_path_port": 4789},
        "nodes": NODES,
        "objects": {"networks": [], "secrets": [], "configs": [{"name": "shop_at", "content": "{{.Node.Hostname}}"}]},
        "specs": {f"shop_{name}": {"TaskTemplate": {"ContainerSpec": container}} for name in services},
    }


def test_a_swarm_is_kept_as_it_is_while_its_stack_is_whole():
    now = what_is("web:2")
    assert to_keep(now, []) == now
    assert to_keep(now, [what_is("web:1")]) == now
    assert to_keep(now, [what_is(services=["db"])]) == now


def test_a_stack_that_is_being_removed_is_as_it_was_kept_while_it_was_whole():
    whole, half, none = what_is("web:1"), what_is(services=["db"]), what_is(services=[])
    assert to_keep(half, [half, whole]) == to_keep(none, [none, half, whole]) == whole


def test_what_came_or_changed_since_is_kept_beside_what_is_gone():
    was, now = what_is("web:1"), what_is("web:2", ["web", "cache"])
    was["objects"]["secrets"] = [{"name": "db_password", "id": "s1"}, {"name": "of_both", "id": "s2"}]
    now["objects"]["secrets"] = [{"name": "of_both", "id": "s3"}, {"name": "cache_password", "id": "s4"}]
    now["nodes"] = [*NODES, {"id": "c", "hostname": "c"}]
    kept = to_keep(now, [was])
    assert kept["specs"] == {"shop_db": was["specs"]["shop_db"], **now["specs"]}
    assert kept["objects"]["secrets"] == [*now["objects"]["secrets"], was["objects"]["secrets"][0]]
    assert kept["objects"]["configs"] == now["objects"]["configs"]
    assert kept["nodes"] == now["nodes"]


def test_a_stack_that_is_gone_leaves_what_was_kept_of_its_nodes():
    was, now = what_is(services=[]), what_is(services=[])
    now["nodes"] = []
    assert to_keep(now, [was]) == was


def test_what_another_swarm_was_counts_for_nothing():
    now, older = what_is(services=[]), what_is()
    del older["cluster"]
    assert to_keep(now, [what_is(cluster="c0"), older]) == now


# By Swarm, whose host b leads: what it is, and what host a has kept of it, and host c of the one before it.
SWARMS = {
    "removing": (what_is(services=["db"]), {"a": what_is()}),
    "updated": (what_is("web:2"), {"a": what_is("web:1"), "c": what_is("web:0", cluster="c0")}),
    "begun": (what_is(services=[]), {"b": what_is(cluster="c0")}),
    "empty": (what_is(services=[]), {}),
}


def play(folder: pathlib.Path, *options: str) -> str:
    # As the role sees them.
    seen = {host: {"is_manager": host == "b", "node_id": host, "nodes": NODES} for host in "abc"}
    hosts = {
        f"{swarm}-{host}": {"__swarm_retirement_seen": seen[host]}
        for swarm, (_now, files) in SWARMS.items()
        for host in {"b", *files}
    }
    given = {
        "ansible_connection": "local",
        "swarm_retirement_stack": "shop",
        "swarm_retirement_handed_over": ["web", "db", "of_another_name"],
        "swarm_retirement_state_dir": f"{folder}/{{{{ inventory_hostname }}}}",
    }
    role = {"name": "sophia.replatform.swarm_retirement", "tasks_from": "keep"}
    plays = [
        {
            "hosts": f"{swarm}-*",
            "gather_facts": False,
            "environment": {"SWARM": f"{folder}/{swarm}.swarm"},
            "tasks": [{"ansible.builtin.include_role": role}],
        }
        for swarm in SWARMS
    ]
    inventory = {"all": {"hosts": hosts, "vars": given}}
    ran = played.play(folder, inventory, plays, "-vvv", "--diff", *options, ANSIBLE_FORKS="2")
    assert ran.code == 0, ran.output
    assert "hunter2" not in ran.output
    return ran.said


@pytest.fixture(name="folder")
def folder_fixture(tmp_path: pathlib.Path) -> pathlib.Path:
    modules = {name: HEAD.format(python=sys.executable) + body for name, body in MODULES.items()}
    played.collection(tmp_path, modules, "roles/swarm_retirement", "plugins/filter", "plugins/module_utils")
    for swarm, (now, files) in SWARMS.items():
        services = [{"full_name": name, "spec": spec} for name, spec in now["specs"].items()]
        whole = {"nodes": now["nodes"], "objects": now["objects"], "services": services}
        (tmp_path / f"{swarm}.swarm").write_text(json.dumps(whole))
        for host, was in files.items():
            (tmp_path / f"{swarm}-{host}").mkdir()
            (tmp_path / f"{swarm}-{host}/swarm-shop.json").write_text(json.dumps(was))
    return tmp_path


def test_the_whole_stack_is_kept_on_whichever_host_leads_now(folder: pathlib.Path) -> None:
    output = play(folder)

    def kept(host: str) -> dict[str, t.Any]:
        return dict(json.loads((folder / host / "swarm-shop.json").read_text()))

    assert kept("removing-a") == kept("removing-b") == what_is()
    assert "shop_web of stack shop were kept and are not in the Swarm any more" in output
    assert kept("updated-a") == kept("updated-b") == what_is("web:2")
    assert kept("updated-c") == what_is("web:0", cluster="c0")
    assert kept("begun-b") == what_is(cluster="c0")
    assert kept("empty-b") == what_is(services=[])
    assert (folder / "updated-b/swarm-shop.json").stat().st_mode & 0o777 == 0o600
    assert play(folder, "--limit", "removing-*").count("changed=0") == 2
