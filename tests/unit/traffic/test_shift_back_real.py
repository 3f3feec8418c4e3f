"""Traffic goes back by hand while one of two real edges is dead: every service, at the edge that lives, and in the file of the other."""

from __future__ import annotations

import os
import pathlib
import signal

import played
import pytest
import yaml

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[3]
SERVICES = [{"name": name, "host": f"{name}.lab", "path": "/health"} for name in ("app", "shop")]
# As playbooks/rollback.yml plays it.
PLAY = [
    {
        "hosts": "edge",
        "gather_facts": False,
        "any_errors_fatal": True,
        "tasks": [
            {
                "name": "Shift",
                "ansible.builtin.include_role": {"name": "sophia.replatform.edge", "tasks_from": "{{ entry }}"},
                "loop": "{{ edge_services if entry == 'shift' else [{}] }}",
                "loop_control": {"loop_var": "edge_shift_service"},
            }
        ],
    }
]


def play(folder, edges, backends, entry):
    hosts = {
        name: {
            "ansible_connection": "local",
            "edge_config_dir": str(edge.dynamic_dir.parent),
            "edge_state_dir": str(edge.dynamic_dir.parent / "var"),
            "edge_install_dir": str(ROOT / "roles/edge/files"),
            "edge_api_port": edge.api,
            "edge_shift_state": "shifted",
            "edge_shift_primary": [primary.address],
            "edge_shift_canary": [canary.address],
            "edge_health_check": {"interval": 1, "timeout": 3},
            "edge_analysis": {"skip_analysis": True},
            "edge_dead_man": False,
            "edge_services": SERVICES,
            "edge_back_services": SERVICES,
            "entry": entry,
        }
        for name, edge, primary, canary in zip(("one", "two"), edges, backends[::2], backends[1::2])
    }
    return played.play(folder, {"all": {"children": {"edge": {"hosts": hosts}}}}, PLAY)


def shares(edge):
    """The weight of each side of each service in the edge's files."""
    files = [yaml.safe_load((edge.dynamic_dir / f"{service['name']}.yml").read_text()) for service in SERVICES]
    return [
        {
            side["name"].rpartition("-")[2]: side["weight"]
            for side in file["http"]["services"][service["name"]]["weighted"]["services"]
        }
        for file, service in zip(files, SERVICES)
    ]


def test_a_dead_edge_keeps_no_service_on_the_new_side(tmp_path, edges, sides_of_two):
    there = play(tmp_path, edges, sides_of_two, "shift")
    assert there.code == 0, there.output
    assert [shares(edge) for edge in edges] == [[{"swarm": 0, "k3s": 100}] * 2] * 2
    os.kill(edges[1].process.pid, signal.SIGKILL)
    for _again in range(2):
        back = play(tmp_path, edges, sides_of_two, "shift_back")
        assert back.code != 0
        assert [shares(edge) for edge in edges] == [[{"swarm": 100, "k3s": 0}] * 2] * 2, back.output
        last = [line for line in back.output.splitlines() if "fatal: [one]" in line][-1]
        assert "app: " in last and "shop: " in last and "two: " in last and "one: " not in last, back.output
