"""What role swarm_restoration refuses, with stand-ins for the modules that ask an Engine: in one line, before anything is made."""

from __future__ import annotations

import json
import os
import pathlib
import sys
import typing as t

import played
import pytest
import yaml
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.kept import to_keep

pytestmark = pytest.mark.slow

HOSTS = ("m1", "m2", "w1")
# An Engine answers what is in its file; what the stack is asked for is written down.
INFO = """#!{python}
import json, os
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule(argument_spec={{"stack": {{"type": "str"}}}}, supports_check_mode=True)
module.exit_json(**json.load(open(os.path.join({folder!r}, os.environ["ENGINE"] + ".engine"))))
"""
DOCKER = """#!{python}
import os
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule(argument_spec={{"stack": {{}}, "note": {{}}}}, supports_check_mode=True)
gone = os.path.exists({folder!r} + "/" + os.environ["ENGINE"] + ".gone")
module.exit_json(present=not gone, removed=["docker.io"] if gone else [])
"""
STACK = """#!{python}
from ansible.module_utils.basic import AnsibleModule
options = ("stack", "state", "kept", "journal", "deadline")
module = AnsibleModule(
    argument_spec={{**dict.fromkeys(options, {{}}), "secrets": {{"type": "dict", "no_log": True}}}}, supports_check_mode=True
)
with open({folder!r} + "/asked", "a") as file:
    file.write("look\\n" if module.check_mode else "make\\n")
module.fail_json(msg="the values of database_password are not known")
"""
# A Swarm that can be made, whose ID is c2.
SWARM = {
    "community.docker.docker_swarm": """#!{python}
from ansible.module_utils.basic import AnsibleModule
options = ("state", "advertise_addr", "default_addr_pool", "subnet_size", "data_path_port", "remote_addrs")
module = AnsibleModule(
    argument_spec={{**dict.fromkeys(options, {{"type": "raw"}}), "join_token": {{"no_log": True}}}}, supports_check_mode=True
)
module.exit_json(changed=True)
""",
    "community.docker.docker_swarm_info": """#!{python}
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule(argument_spec={{}}, supports_check_mode=True)
module.exit_json(swarm_facts={{"ID": "c2", "JoinTokens": {{"Manager": "m", "Worker": "w"}}}})
""",
    "community.docker.docker_node": """#!{python}
from ansible.module_utils.basic import AnsibleModule
options = ("hostname", "labels", "labels_state", "role", "availability")
AnsibleModule(argument_spec=dict.fromkeys(options, {{"type": "raw"}}), supports_check_mode=True).exit_json()
""",
}
KEPT = {
    "cluster": {"id": "c1", "default_addr_pool": ["10.1.0.0/16"], "subnet_size": 24, "data_path_port": 4789},
    "nodes": [
        {
            "id": f"id-{name}",
            "hostname": name,
            "role": role,
            "labels": {},
            "availability": "active",
            "state": "ready",
            "address": "192.0.2.1",
        }
        for name, role in zip(HOSTS, ("manager", "manager", "worker"))
    ],
    "objects": {"networks": [], "configs": [], "secrets": [{"id": "s1", "name": "database_password", "own": True}]},
    "specs": {},
}
NONE = {"swarm": "inactive", "is_manager": False, "node_id": "", "nodes": []}


class Stage:
    """Three hosts that are in no Swarm; m1 has what was kept."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        texts = {"swarm_stack_info": INFO, "swarm_stack": STACK, "docker_engine_info": DOCKER}
        modules = {
            f"sophia.replatform.{name}": text.format(python=sys.executable, folder=str(folder))
            for name, text in texts.items()
        }
        modules |= {name: text.format(python=sys.executable) for name, text in SWARM.items()}
        played.collection(folder, modules, "roles/swarm_restoration")
        for host in HOSTS:
            (folder / host).mkdir()
            self.engine(host)
        self.keep("m1", KEPT)

    def engine(self, host: str, **seen: t.Any) -> None:
        (self.folder / f"{host}.engine").write_text(json.dumps({**NONE, "hostname": host, **seen}))

    def keep(self, host: str, kept: dict[str, t.Any]) -> None:
        (self.folder / host / "swarm-shop.json").write_text(json.dumps(kept))

    def play(self, hosts: t.Sequence[str] = HOSTS, **variables: t.Any) -> str:
        """What was said by a run that failed and changed nothing."""
        ran = self.run(hosts, {"roles": ["sophia.replatform.swarm_restoration"]}, **variables)
        assert ran.code != 0, ran.said
        assert "changed=1" not in ran.said
        return ran.said

    def run(self, hosts: t.Sequence[str], what: dict[str, t.Any], *options: str, **variables: t.Any) -> played.Played:
        every = {
            "ansible_connection": "local",
            "swarm_restoration_stack": "shop",
            "swarm_restoration_state_dir": f"{self.folder}/{{{{ inventory_hostname }}}}",
            **variables,
        }
        inventory = {"all": {"hosts": dict.fromkeys(hosts), "vars": every}}
        play = {
            "hosts": "all",
            "gather_facts": False,
            "any_errors_fatal": True,
            "environment": {"ENGINE": "{{ inventory_hostname }}"},
            **what,
        }
        return played.play(self.folder, inventory, [play], *options, TZ="UTC")

    def kept(self, host: str) -> dict[str, t.Any]:
        return dict(json.loads((self.folder / host / "swarm-shop.json").read_text()))

    def asked(self) -> list[str]:
        file = self.folder / "asked"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture(name="stage")
def stage_fixture(tmp_path: pathlib.Path) -> Stage:
    return Stage(tmp_path)


def test_nothing_was_kept(stage: Stage) -> None:
    (stage.folder / "m1/swarm-shop.json").unlink()
    assert "swarm-shop.json is on no host of this play" in stage.play()


def test_two_hosts_have_something(stage: Stage) -> None:
    nodes = [{**node, "leader": node["hostname"] == "m2"} for node in KEPT["nodes"]]
    stage.keep("w1", {**KEPT, "nodes": nodes, "specs": {"shop_web": {}, "shop_db": {}}})
    os.utime(stage.folder / "w1/swarm-shop.json", (1795981819, 1795981819))
    output = stage.play()
    assert "swarm-shop.json is on m1 (0 services, led by no node of it, of 20" in output
    assert "w1 (2 services, led by m2, of 2026-11-29 19:50); name the host whose file counts in swarm_restor" in output
    (stage.folder / "m1/swarm-shop.json").write_text("{")
    assert "the values of" in stage.play(swarm_restoration_host="w1")


def test_hosts_have_no_docker(stage: Stage) -> None:
    for host in ("m2", "w1"):
        (stage.folder / f"{host}.gone").touch()
    assert "Docker is not installed on m2, w1: install docker.io there, see that docker.service runs" in stage.play()
    assert stage.asked() == []


def test_a_node_of_then_is_no_host_now(stage: Stage) -> None:
    output = stage.play(hosts=("m1", "m2"))
    assert "w1 were nodes of the Swarm and are no hosts of this play: add them to the inventory's groups" in output
    assert stage.asked() == []


def test_hosts_are_in_another_swarm(stage: Stage) -> None:
    stage.engine("w1", swarm="active", node_id="of-another")
    output = stage.play()
    assert "w1 are in a Swarm that m1 does not manage: have them leave it first" in output
    assert stage.asked() == []


def test_what_can_not_be_made_is_refused_before_there_is_a_swarm(stage: Stage) -> None:
    output = stage.play()
    assert "the values of database_password are not known" in output
    assert "Begin the Swarm where it was led" not in output
    assert stage.asked() == ["look"]


def test_a_stack_whose_restoration_was_cut_off_is_still_kept_whole(stage: Stage) -> None:
    stage.keep("m1", {**KEPT, "specs": {"shop_web": {}, "shop_db": {}}})
    role = "sophia.replatform.swarm_restoration"
    tasks = [{"ansible.builtin.include_role": {"name": role, "tasks_from": part}} for part in ("observe", "nodes")]
    before = stage.kept("m1")
    assert "changed=2" in stage.run(HOSTS, {"tasks": tasks}, "--check").said
    assert stage.kept("m1") == before
    ran = stage.run(HOSTS, {"tasks": tasks}, "--diff")
    assert ran.code == 0, ran.said
    kept = stage.kept("m1")
    assert kept == {**before, "cluster": {**before["cluster"], "id": "c2"}}
    assert (stage.folder / "m1/swarm-shop.json").stat().st_mode & 0o777 == 0o600
    half = {**kept, "specs": {"shop_db": {}}}
    assert to_keep(half, [kept])["specs"].keys() == {"shop_web", "shop_db"}


def test_a_pause_of_ours_is_no_part_of_what_a_node_was_and_a_drain_of_somebody_is(tmp_path: pathlib.Path) -> None:
    role = played.ROOT / "roles/swarm_restoration"
    (task,) = [one for one in yaml.safe_load((role / "tasks/nodes.yml").read_text()) if "labels" in one["name"]]
    withdrawing, draining = {"replatform.sophia.ai.gpu": "withdrawing"}, {"replatform.sophia.ai/drain": "was active"}
    nodes = [
        {"labels": labels, "availability": availability}
        for availability in ("pause", "drain")
        for labels in ({}, withdrawing, draining)
    ]
    shown = {"ansible.builtin.debug": {"msg": "is: {{ availability }}"}, "loop": nodes}
    there = {**task["vars"], "availability": task["community.docker.docker_node"]["availability"]}
    tasks = [{**shown, "vars": there}]
    play = {"hosts": "localhost", "gather_facts": False, "vars_files": [f"{role}/vars/main.yml"], "tasks": tasks}
    output = played.play(tmp_path, "localhost,", [play], "-c", "local").output
    said = [line.split("is: ")[1].strip('"') for line in output.splitlines() if '"msg": "is: ' in line]
    assert said == ["pause", "active", "active", "drain", "drain", "drain"], output
