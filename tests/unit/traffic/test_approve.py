"""Role edge's approval: for a gate that stands there, once, and by somebody."""

from __future__ import annotations

import json
import re

import played

SETTINGS = {
    "ansible_connection": "local",
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
    plays = [{"hosts": "all", "gather_facts": False, "tasks": [role]}]
    _code, said = played.play(tmp_path, {"all": {"hosts": hosts}}, plays)
    recap = re.findall(r"^(\w+) +: .*changed=(\d+) .*failed=(\d+)", said, re.MULTILINE)
    return said, {host: (int(changed), int(failed)) for host, changed, failed in recap}


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
