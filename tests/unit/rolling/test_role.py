"""The role in real plays, against hosts that are this machine and a cluster that is a file."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import signal
import sys
import time

import kube_raw as raw
import played
import pytest
import yaml
from ansible_collections.sophia.replatform.plugins.module_utils.journal import read_journal
from ansible_collections.sophia.replatform.plugins.module_utils.rolling import drain

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[3]
ROLE = ROOT / "roles/rolling"
FAKE = pathlib.Path(__file__).parent / "fake_kubectl.py"
OLD = "v1.35.6+k3s1"
NEW = "v1.35.7+k3s1"

PLAYS = """
- hosts: k3s_server:k3s_agent
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: sophia.replatform.rolling, tasks_from: half_way}
- hosts: rolling_half_way
  gather_facts: false
  serial: 1
  any_errors_fatal: true
  tasks: &change
    - ansible.builtin.include_role: {name: sophia.replatform.rolling}
      vars:
        rolling_needed: >-
          {{ rolling_seen | sophia.replatform.k3s_nodes | selectattr('name', 'equalto', inventory_hostname)
             | rejectattr('version', 'equalto', rolling_expected.version) | length > 0 }}
        rolling_reason: K3s upgrade
        rolling_tasks: "{{ playbook_dir }}/act.yml"
        rolling_expected: {version: v1.35.7+k3s1}
- hosts: k3s_server:k3s_agent:!rolling_half_way
  gather_facts: false
  serial: 1
  any_errors_fatal: true
  tasks: *change
"""

# It installs, and the node reports the new version; with a file broken-NODE it changes nothing, with hang-NODE it does not end.
ACT = """
- ansible.builtin.command: "{{ ansible_playbook_python }} {{ playbook_dir }}/act.py {{ inventory_hostname }}"
  changed_when: true
"""
ACT_PY = """
import json, pathlib, sys, time
here, name = pathlib.Path(__file__).parent, sys.argv[1]
if (here / f"hang-{name}").exists():
    (here / "hangs").touch()
    time.sleep(60)
state = json.loads((here / "state.json").read_text())
down = [n["metadata"]["name"] for n in state["nodes"] if n["spec"].get("unschedulable")]
assert down == [name], down
for node in state["nodes"]:
    if node["metadata"]["name"] == name and not (here / f"broken-{name}").exists():
        node["status"]["nodeInfo"]["kubeletVersion"] = "v1.35.7+k3s1"
(here / "state.json").write_text(json.dumps(state))
"""


class Fleet:
    """A server, an agent with a pod, and the plays that change them one by one."""

    def __init__(self, folder, **state):
        self.folder = folder
        self.path = folder / "state.json"
        nodes = [raw.node("s1", server=True, voter=True), raw.node("a1")]
        web = raw.pod("web")
        web["spec"]["nodeName"] = "a1"
        self.path.write_text(json.dumps({"nodes": nodes, "pods": [web], "budgets": [], **state}))
        (folder / "k3s.service").touch()
        (folder / "plays.yml").write_text(PLAYS)
        (folder / "act.yml").write_text(ACT)
        (folder / "act.py").write_text(ACT_PY)
        hosts = {name: {"ansible_connection": "local"} for name in ("s1", "a1")}
        groups = {"k3s_server": {"hosts": {"s1": None}}, "k3s_agent": {"hosts": {"a1": None}}}
        (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "children": groups}}))

    def begin(self, *options):
        variables = {
            "rolling_kubectl": [sys.executable, "-S", str(FAKE), str(self.path)],
            "rolling_state_dir": str(self.folder / "state"),
            "rolling_gate_timeout": 1,
            "__rolling_delay": 0,
            "__rolling_unit_paths": [str(self.folder)],
        }
        given = ("-e", json.dumps(variables), *options)
        return played.start(self.folder, "hosts.yml", "plays.yml", *given)

    def run(self, *options):
        process = self.begin(*options)
        output, _none = process.communicate(timeout=120)
        return process.returncode, output

    def node(self, name):
        return next(one for one in json.loads(self.path.read_text())["nodes"] if one["metadata"]["name"] == name)

    def versions(self):
        return [self.node(name)["status"]["nodeInfo"]["kubeletVersion"] for name in ("s1", "a1")]

    def steps(self):
        records = read_journal(str(self.folder / "state/journal.jsonl"))
        return [(r["subject"], r["step"], r["event"]) for r in records if r["operation"] == "rolling"]


def test_killed_in_an_act_then_stopped_at_the_gate_then_finished(tmp_path):
    fleet = Fleet(tmp_path)
    (tmp_path / "hang-a1").touch()
    process = fleet.begin()
    end = time.monotonic() + 600
    while not (tmp_path / "hangs").exists():
        assert time.monotonic() < end and process.poll() is None, process.communicate()[0]
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert fleet.versions() == [NEW, OLD]
    assert not drain.is_cordoned(fleet.node("s1")) and drain.is_half_way(fleet.node("a1"))
    killed = len(fleet.steps())

    (tmp_path / "hang-a1").unlink()
    (tmp_path / "broken-a1").touch()
    code, output = fleet.run()
    assert code != 0
    fault = f"The gate: after 1 s (rolling_gate_timeout): a1 runs {OLD}, not {NEW}"
    assert f"a1 has not passed (K3s upgrade): {fault}. It is left cordoned" in output
    assert drain.mark(fleet.node("a1"))["fault"] == fault
    assert [step[0] for step in fleet.steps()[killed:]] == ["a1"] * 4, "it began with the node that was half-way"
    assert fleet.steps()[-1] == ("a1", "change", "failed")

    (tmp_path / "broken-a1").unlink()
    code, output = fleet.run()
    assert code == 0, output
    assert fleet.versions() == [NEW, NEW]
    assert not drain.is_cordoned(fleet.node("a1")) and drain.mark(fleet.node("a1")) is None
    assert fleet.steps()[-5:] == [
        ("a1", "change", "start"),
        ("a1", "act", "start"),
        ("a1", "act", "ok"),
        ("a1", "gate", "ok"),
        ("a1", "change", "ok"),
    ]
    assert re.search(r"^s1 .*changed=0 ", output, re.MULTILINE), "what has passed is not touched again"


def test_check_mode_changes_nothing(tmp_path):
    fleet = Fleet(tmp_path)
    before = json.loads(fleet.path.read_text())
    code, output = fleet.run("--check", "--diff", "--limit", "a1")
    assert code == 0, output
    assert "+evict node=a1 pods=['shop/web']" in output
    after = json.loads(fleet.path.read_text())
    after.pop("calls")
    assert after == before
    assert fleet.steps() == []


LOOK = """
- hosts: k3s_server:k3s_agent
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - ansible.builtin.include_role: {name: sophia.replatform.rolling, tasks_from: half_way}
    - ansible.builtin.include_role: {name: sophia.replatform.rolling, tasks_from: drainable}
"""


def test_what_a_drain_would_refuse_is_refused_before_any_node_is_touched(tmp_path):
    fleet = Fleet(tmp_path)
    (tmp_path / "plays.yml").write_text(LOOK + PLAYS)
    state = json.loads(fleet.path.read_text())
    (web,) = state["pods"]
    web["spec"]["volumes"].append({"name": "data", "emptyDir": {}})
    fleet.path.write_text(json.dumps(state))
    code, output = fleet.run()
    assert code != 0
    assert "a1 is not drained: shop/web would lose the data of an emptyDir" in output
    assert fleet.versions() == [OLD, OLD] and fleet.steps() == []
    assert not any(drain.is_cordoned(fleet.node(name)) for name in ("s1", "a1"))
    assert not (tmp_path / "state").exists()

    code, output = fleet.run("-e", "rolling_delete_emptydir_data=true")
    assert code == 0, output
    assert fleet.versions() == [NEW, NEW]


SYSTEMCTL = "#!/bin/sh\necho Tue 2026-11-24 05:00:00 UTC\n"


def test_a_reboot_is_refused_before_any_node_is_touched_and_asks_only_of_nodes_that_need_it(tmp_path, monkeypatch):
    fleet = Fleet(tmp_path)
    (tmp_path / "plays.yml").write_text(f"- ansible.builtin.import_playbook: {ROOT}/playbooks/reboot.yml\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/systemctl").write_text(SYSTEMCTL)
    (tmp_path / "bin/systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    state = json.loads(fleet.path.read_text())
    state["pods"][0]["spec"]["volumes"].append({"name": "data", "emptyDir": {}})
    fleet.path.write_text(json.dumps(state))
    inventory = yaml.safe_load((tmp_path / "hosts.yml").read_text())
    inventory["all"]["hosts"]["new"] = {"ansible_connection": "local"}
    inventory["all"]["children"]["k3s_agent"]["hosts"]["new"] = None
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory))

    def reboot(before, hosts):
        return fleet.run("-e", "ansible_become=false", "-e", f"reboot_booted_before={before}", "--limit", hosts)

    code, output = reboot("2026-11-24T05:00:01Z", "s1,a1,new")
    assert code != 0
    assert "a1 is not drained: shop/web would lose the data of an emptyDir" in output
    assert "the cluster has no node" not in output
    assert fleet.steps() == [] and not drain.is_cordoned(fleet.node("s1"))

    code, output = reboot("2026-11-24T05:00:00Z", "s1,a1")
    assert code == 0, output
    assert fleet.steps() == []


def test_every_default_is_described_and_the_same():
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    described = {name: option.get("default") for name, option in specs["main"]["options"].items()}
    described |= {name: option.get("default") for name, option in specs["half_way"]["options"].items()}
    assert defaults == {name: described[name] for name in defaults}
    assert set(described) - set(defaults) == {"rolling_needed", "rolling_reason"}
    for entry in ("half_way", "drainable"):
        for name, option in specs[entry]["options"].items():
            assert option == specs["main"]["options"].get(name, option)


@pytest.mark.parametrize(
    ("name", "changing"),
    [
        (
            "k3s.yml",
            [
                "rolling_half_way",
                "k3s_server:!k3s_current:!k3s_due:!k3s_forming:!rolling_half_way",
                "k3s_server:&k3s_due:!rolling_half_way",
                "k3s_agent:&k3s_due:!rolling_half_way",
                "k3s_late",
            ],
        ),
        ("reboot.yml", ["rolling_half_way", "k3s_server:!rolling_half_way", "k3s_agent:!rolling_half_way"]),
    ],
)
def test_servers_are_changed_one_at_a_time_and_a_fault_ends_the_run(name, changing):
    plays = [play for play in yaml.safe_load((ROOT / "playbooks" / name).read_text()) if "serial" in play]
    assert [play["hosts"] for play in plays] == changing
    assert all(play["serial"] == 1 for play in plays if not play["hosts"].startswith("k3s_agent"))
    assert all(play["any_errors_fatal"] for play in plays)


def test_what_can_be_refused_comes_first_then_new_hosts_and_then_the_firewall_before_any_node_joins():
    plays = yaml.safe_load((ROOT / "playbooks/k3s.yml").read_text())
    asked = [
        task["ansible.builtin.include_role"] for task in plays[0]["tasks"] if "ansible.builtin.include_role" in task
    ]
    assert [role["tasks_from"] for role in asked] == ["half_way", "due", "drainable"]
    firsts = [play["tasks"][0]["ansible.builtin.include_role"]["tasks_from"] for play in plays[1:3]]
    assert firsts == ["prepare", "firewall"]
    assert all(play["hosts"].startswith("k3s_server:k3s_agent") and play["any_errors_fatal"] for play in plays[:3])
    there = ("k3s_current", "k3s_due", "k3s_stopped", "rolling_half_way")
    assert plays[1]["hosts"].split(":")[2:] == [f"!{group}" for group in there]
