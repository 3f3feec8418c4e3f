"""How role swarm_retirement ends: ports closed, Docker kept or removed, with stand-ins for what asks an Engine and for apt."""

from __future__ import annotations

import json
import os
import pathlib
import sys
import typing as t

import played
import pytest

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[3]
HEAD = """#!{python}
import json, os
from ansible.module_utils.basic import AnsibleModule
host = {folder!r} + "/" + os.environ["HOST"]
module = AnsibleModule(argument_spec={{key: {{"type": "raw"}} for key in {options!r}.split()}}, supports_check_mode=True)
world = json.load(open(host + "/world"))
def done(what, **changes):
    open(host + "/done", "a").write(what + "\\n")
    json.dump({{**world, **changes}}, open(host + "/world", "w"))
"""
MODULES = {
    "sophia.replatform.swarm_stack_info": (
        "stack specs",
        """
none = dict(swarm="inactive", is_manager=False, node_id="", hostname=os.environ["HOST"], nodes=[], local_services=[])
module.exit_json(**{**none, **world.get("seen", {})})
""",
    ),
    "sophia.replatform.swarm_leave": ("journal deadline last_manager", "done('leave')\nmodule.exit_json()"),
    "sophia.replatform.docker_engine_info": (
        "stack size",
        """
there = bool(world["packages"])
module.exit_json(present=there, manager="apt", root="/data/docker", mib=77, units=world["units"], **{
    key: world.get(key, []) for key in ("packages", "needed_by", "goes_along")})
""",
    ),
    "sophia.replatform.swarm_ports": (
        "note published data_path_port firewall journal deadline",
        """
given = module.params
said = f"close {given['published']} {given['data_path_port']} {given['firewall']}"
if world["closed"]:
    module.exit_json(changed=False, left=[])
if not module.check_mode:
    done(said, closed=True)
module.exit_json(changed=True, left=["port 8001/tcp is held by nginx (pid 7)"])
""",
    ),
    "ansible.builtin.apt": (
        "name state purge autoremove",
        """
given = module.params
assert (given["state"], given["purge"], given["autoremove"]) == ("absent", False, False)
if not module.check_mode:
    done("remove " + " ".join(given["name"]), packages=[])
module.exit_json(changed=True)
""",
    ),
    "ansible.builtin.systemd_service": (
        "name state enabled",
        """
if world["ended"]:
    module.exit_json(changed=False)
done("end " + module.params["name"], ended=True)
module.exit_json(changed=True)
""",
    ),
}
KEPT = {
    "cluster": {"data_path_port": 5789},
    "specs": {
        "shop_web": {
            "TaskTemplate": {"ContainerSpec": {"Env": ["PASSWORD=hunter2"]}},
            "EndpointSpec": {"Ports": [{"PublishedPort": 8001}]},
        }
    },
}
HOSTS = ("a", "b")
SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
only_soaked = pytest.mark.skipif(not SOAK, reason="one of the plays that make soak runs")


class Stage:
    """Two hosts that have left their Swarm; what it was is kept on the first."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        modules = {
            name: HEAD.format(python=sys.executable, folder=str(folder), options=options) + body
            for name, (options, body) in MODULES.items()
        }
        # Ansible's own are found beside the play.
        (folder / "library").mkdir()
        for name in [name for name in modules if name.startswith("ansible.")]:
            (folder / f"library/{name.rpartition('.')[2]}.py").write_text(modules.pop(name))
        played.collection(folder, modules, "roles/swarm_retirement", "plugins/filter", "plugins/module_utils")
        role = folder / "roles/swarm_retirement"
        role.parent.mkdir()
        role.mkdir()
        for path in (ROOT / "roles/swarm_retirement").glob("*/*"):
            file = role / path.relative_to(ROOT / "roles/swarm_retirement")
            file.parent.mkdir(exist_ok=True)
            # By its full name a module of Ansible's has no stand-in.
            text = path.read_text().replace("ansible.builtin.apt:", "apt:")
            file.write_text(text.replace("ansible.builtin.systemd_service:", "systemd_service:"))
        for host in HOSTS:
            (folder / host / "state").mkdir(parents=True)
            self.world(host)
        (folder / "a/state/swarm-shop.json").write_text(json.dumps(KEPT))

    def world(self, host: str, **more: t.Any) -> None:
        world = {"packages": ["docker.io"], "units": [], "closed": False, "ended": False, **more}
        (self.folder / host / "world").write_text(json.dumps(world))

    def play(self, *options: str, entry: str = "end", **given: t.Any) -> str:
        every = {
            "ansible_connection": "local",
            "swarm_retirement_stack": "shop",
            "swarm_retirement_handed_over": ["web"],
            "swarm_retirement_state_dir": f"{self.folder}/{{{{ inventory_hostname }}}}/state",
            **given,
        }
        play = {
            "hosts": "all",
            "gather_facts": False,
            "any_errors_fatal": True,
            "environment": {"HOST": "{{ inventory_hostname }}"},
            "tasks": [{"ansible.builtin.include_role": {"name": "swarm_retirement", "tasks_from": entry}}],
        }
        inventory = {"all": {"hosts": dict.fromkeys(HOSTS), "vars": every}}
        ran = played.play(self.folder, inventory, [play], "-vvv", "--diff", *options)
        assert "hunter2" not in ran.output
        return ran.said

    def done(self) -> list[str]:
        files = [self.folder / host / "done" for host in HOSTS]
        return [line for file in files if file.exists() for line in file.read_text().splitlines()]


@pytest.fixture(name="stage")
def stage_fixture(tmp_path: pathlib.Path) -> Stage:
    return Stage(tmp_path)


@only_soaked
def test_ports_are_closed_as_the_swarm_was_kept_and_docker_stays(stage: Stage) -> None:
    output = stage.play()
    closed = "close [{'port': 8001, 'protocol': 'tcp'}] 5789 closed"
    assert stage.done() == [closed, closed]
    assert "not the Swarm's, and left as it is: port 8001/tcp is held by nginx (pid 7)" in output


def test_docker_is_removed_by_choice_and_a_second_run_changes_nothing(stage: Stage) -> None:
    stage.world("a", units=["docker.service"])  # of another hand than the package's
    if SOAK:
        stage.play("--check", swarm_retirement_docker="removed")
    assert stage.done() == []
    output = stage.play(swarm_retirement_docker="removed")
    assert "close [{'port': 8001, 'protocol': 'tcp'}] 5789 closed" in stage.done()
    assert "not the Swarm's, and left as it is: port 8001/tcp is held by nginx (pid 7)" in output
    removed = [one for one in stage.done() if not one.startswith("close")]
    assert removed == ["remove docker.io", "end docker.service", "remove docker.io"]
    assert "docker.io are removed; Docker's data with its volumes stays in /data/docker (77 MiB)" in output
    assert "The way back: apt install docker.io" in output
    assert json.loads((stage.folder / "a/state/docker-packages.json").read_text()) == ["docker.io"]
    assert stage.play(swarm_retirement_docker="removed").count("changed=0") == 2


def test_docker_that_is_needed_is_refused_in_one_line_before_anything(stage: Stage) -> None:
    stage.world("b", needed_by=["container registry (exited)"], goes_along=["lab-tool"])
    output = stage.play(entry="main", swarm_retirement_docker="removed")
    assert (
        "swarm_retirement_docker: Docker can not be removed from b, where it is needed by container registry (exited),"
        " package lab-tool; remove those, or set it to kept"
    ) in output
    assert stage.done() == []


def test_a_host_in_a_swarm_that_nobody_here_manages_does_not_leave_it(stage: Stage) -> None:
    stage.world("b", seen={"swarm": "active", "node_id": "x9"})
    output = stage.play(entry="main")
    assert (
        "b: in a Swarm that no host of the inventory manages; add its managers to the inventory's group swarm_manager"
        in output
    )
    assert stage.done() == []


@only_soaked
def test_docker_that_is_no_package_is_refused(stage: Stage) -> None:
    module = stage.folder / "collections/ansible_collections/sophia/replatform/plugins/modules/docker_engine_info.py"
    module.write_text(module.read_text().replace("present=there", "present=True"))
    stage.world("a", packages=[])
    assert "Docker on a is none of the packages that are known" in stage.play(swarm_retirement_docker="removed")
