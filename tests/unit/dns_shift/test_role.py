"""Role dns, by itself and as the hook of the cutover, on real name servers and with short TTLs that are really waited out."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal

import played
import pytest

from . import conftest

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[3]
NEW = ["203.0.113.9"]
HOOK = """
- name: Note down what was asked
  ansible.builtin.shell: echo "{{ dns_state }} {{ dns_wait }} {{ inventory_hostname }}" >> {{ dns_asked }}
"""


class Run:
    """Runs playbooks/dns.yml, with the settings of an inventory."""

    def __init__(self, folder, servers, name):
        self.folder, self.servers, self.name = folder, servers, name
        self.settings = {
            "ansible_connection": "local",
            "cutover_dns_hook": "sophia.replatform.dns",
            "cutover_artifacts": str(folder),
            "dns_zone": conftest.ZONE,
            "dns_server": servers.primary.address,
            "dns_servers": [servers.secondary.address],
            "dns_key": {"name": "replatform", "secret": conftest.SECRET},
            "dns_records": [{"name": name, "values": NEW}],
            "dns_lowered_ttl": 1,
        }

    def start(self, *arguments, hosts=None, playbook=ROOT / "playbooks/dns.yml", **changes):
        inventory = {"all": hosts or {"hosts": {"localhost": {**self.settings, **changes}}}}
        environment = {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_ROLES_PATH": str(self.folder / "roles"),
            "PYTHONPATH": conftest.PYTHON,
        }
        return played.start(self.folder, inventory, playbook, *arguments, **environment)

    def play(self, state, *arguments, **changes):
        """What was said, and how much was changed and failed."""
        said, _none = self.start("-e", f"state={state}", *arguments, **changes).communicate()
        recap = re.search(r"^localhost +: .*changed=(\d+) .*failed=(\d+)", said, re.MULTILINE)
        assert recap, said
        return said, int(recap[1]), int(recap[2])

    def journal(self):
        records = [json.loads(line) for line in (self.folder / "journal.jsonl").read_text().splitlines()]
        return [record["step"] for record in records if record["event"] == "ok" and record["step"] != "await_servers"]


@pytest.fixture
def run(tmp_path, servers):
    return Run(tmp_path, servers, servers.quick_name())


def test_there_with_both_waits_and_on_and_back_and_no_secret_anywhere(run):
    old = run.servers.look(run.name)
    said, changed, failed = run.play("shifted", "--check", "--diff")
    assert (changed, failed) == (1, 0) and run.servers.look(run.name) == old
    heard, changed, failed = run.play("shifted", "-vvvv", "--diff")
    assert (changed, failed) == (2, 0), heard
    assert re.search(r"\(item=[12] s left\)", heard), "what is left is said"
    assert run.journal() == ["lower_ttl", "note_deadline", "change", "note_deadline"]
    assert run.servers.look(run.name, run.servers.secondary) == (1, NEW)
    assert run.play("shifted")[1:] == (0, 0)
    told, changed, failed = run.play("rolled_back", "-vvvv")
    assert (changed, failed) == (2, 0), told
    assert run.servers.look(run.name, run.servers.secondary) == old
    assert run.play("rolled_back")[1:] == (0, 0)
    for text in (said, heard, told, (run.folder / "journal.jsonl").read_text()):
        assert conftest.SECRET not in text


def test_the_last_ttl_and_no_wait_where_none_is_wanted(run):
    old = run.servers.look(run.name)
    said, changed, failed = run.play("shifted", "-e", "dns_wait=false")
    assert (changed, failed) == (1, 0) and "s left" not in said
    assert run.servers.look(run.name) == (1, old[1])
    assert run.play("shifted")[1:] == (1, 0)
    assert run.play("promoted")[1:] == (1, 0)
    assert run.servers.look(run.name) == (old[0], NEW)
    assert run.play("promoted")[1:] == (0, 0)


def test_killed_while_it_waits_and_run_again(run):
    killed = run.start("-e", "state=shifted")
    for line in killed.stdout:
        if "Wait, and say how long is left" in line:
            break
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    note = run.servers.look(f"_replatform.{run.name}", rdtype="TXT")[1]
    assert "until" in note[0] and "null" not in note[0]
    said, changed, failed = run.play("shifted")
    assert (changed, failed) == (1, 0), said
    assert run.journal() == ["lower_ttl", "note_deadline", "change", "note_deadline"], "nothing was done twice"


@pytest.mark.parametrize(
    "changes, line",
    [
        ({"dns_key": {"name": "replatform", "secret": conftest.WRONG}}, "it does not know key replatform. (key_name"),
        ({"dns_lowered_ttl": 0}, "lowered_ttl: 0 is no TTL from 1 to"),
        ({"dns_records": [{"name": "ns", "values": NEW}] * 2}, "records: ns.example.test. A is there twice"),
        ({"cutover_dns_hook": ""}, "name the role that keeps the records as cutover_dns_hook"),
    ],
)
def test_a_fault_is_one_clear_line(run, changes, line):
    said, changed, failed = run.play("lowered", "-vvv", **changes)
    assert (changed, failed) == (0, 1)
    assert line in " ".join(said.split())
    assert conftest.WRONG not in said


def test_the_cutover_calls_whatever_role_is_named(run, tmp_path):
    (tmp_path / "roles/mine/tasks").mkdir(parents=True)
    (tmp_path / "roles/mine/tasks/main.yml").write_text(HOOK)
    role = {"name": "sophia.replatform.cutover", "tasks_from": "dns"}
    tasks = [
        {"ansible.builtin.include_role": role, "vars": {"__cutover_dns_state": state, **more}}
        for state, more in (("lowered", {}), ("rolled_back", {"__cutover_dns_wait": False}))
    ]
    plays = [{"hosts": "edge", "gather_facts": False, "tasks": tasks}]
    settings = {**run.settings, "cutover_dns_hook": "mine", "dns_asked": str(tmp_path / "asked")}
    hosts = {"children": {"edge": {"hosts": {"one": settings, "two": settings}}}}
    said, _none = run.start(hosts=hosts, playbook=plays).communicate()
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == ["lowered True one", "rolled_back False one"], said


def test_the_records_come_last_on_the_way_there_and_first_on_the_way_back():
    def order(name):
        text = (ROOT / f"roles/cutover/tasks/{name}.yml").read_text()
        return re.findall(r"__cutover_dns_state: (\w+)|tasks_from: (shift)|include_tasks: (group|proof)\.yml", text)

    assert ["".join(found) for found in order("main")] == ["lowered", "group", "proof", "shifted"]
    assert ["".join(found) for found in order("rolled_back")] == ["rolled_back", "shift", "rolled_back"]
    assert ["".join(found) for found in order("promoted")][-1] == "promoted"
