"""Role edge's approval: for a gate that stands there, once, and by somebody."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys

import yaml

ROOT = pathlib.Path(__file__).parents[3]
SETTINGS = {
    "ansible_connection": "local",
    "ansible_python_interpreter": sys.executable,
    "edge_analysis": {
        "step_weights": [5, 50],
        "max_weight": 100,
        "gates": [
            {"name": "on-call", "type": "approval", "weights": [50]},
            {"name": "owner", "type": "approval"},
            {"name": "smoke", "type": "command", "command": ["/bin/true"]},
        ],
    },
}
ASKED = {
    "good": ("app", "on-call", 50, "ada"),
    "everywhere": ("app", "owner", 100, "ada"),
    "elsewhere": ("app", "on-call", 5, "ada"),
    "command": ("app", "smoke", 50, "ada"),
    "nobody": ("app", "on-call", 50, " "),
}


def approve(tmp_path):
    """Each of the approvals on a host of its own; what it said, and by host what Ansible counted as changed and failed."""
    names = [f"edge_approve_{name}" for name in ("service", "gate", "weight", "by")]
    hosts = {
        host: {**SETTINGS, "edge_state_dir": str(tmp_path / host), **dict(zip(names, asked))}
        for host, asked in ASKED.items()
    }
    role = {"ansible.builtin.include_role": {"name": "sophia.replatform.edge", "tasks_from": "approve"}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": [role]}]))
    command = [str(pathlib.Path(sys.executable).with_name("ansible-playbook")), "-i", str(tmp_path / "hosts.yml")]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"}
    run = subprocess.run(
        [*command, str(tmp_path / "play.yml")], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    recap = re.findall(r"^(\w+) +: .*changed=(\d+) .*failed=(\d+)", run.stdout, re.MULTILINE)
    return run.stdout, {host: (int(changed), int(failed)) for host, changed, failed in recap}


def test_an_approval_is_for_a_gate_that_stands_there_and_is_written_once(tmp_path):
    said, counted = approve(tmp_path)
    refused = dict.fromkeys(("elsewhere", "command", "nobody"), (0, 1))
    assert counted == {"good": (2, 0), "everywhere": (2, 0), **refused}, said
    assert "gate 'on-call' of service app waits for an approval before 50 (gates" in said
    assert "gate 'smoke' of service app waits for an approval before no weight" in said
    written = tmp_path / "good/traffic/approvals/app-on-call-50.json"
    first = written.read_text()
    assert json.loads(first)["by"] == "ada" and written.stat().st_mode & 0o777 == 0o640
    said, counted = approve(tmp_path)
    assert counted == {"good": (0, 0), "everywhere": (0, 0), **refused}, said
    assert written.read_text() == first
