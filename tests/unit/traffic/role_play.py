"""Plays role edge's tasks on this host, as a controller would."""

from __future__ import annotations

import os
import pathlib
import re
import typing as t

import played
import pytest

ROOT = pathlib.Path(__file__).parents[3]


class Play:
    """A play of entry points of role edge, each by the name of its tasks; settings of one run may differ."""

    def __init__(self, folder: pathlib.Path, **settings: t.Any) -> None:
        if os.geteuid():
            pytest.skip("needs root, which the role's files belong to")
        self.folder = folder
        self.settings = {
            "ansible_connection": "local",
            "edge_config_dir": str(folder / "role"),
            "edge_install_dir": str(folder / "lib"),
            "edge_state_dir": str(folder / "var"),
            "edge_user": "root",
            "edge_dead_man": False,
            "edge_controller_timeout": 0,
            "edge_health_check": {"interval": 1, "timeout": 20},
            "edge_analysis": {
                "interval": 2,
                "threshold": 1,
                "step_weights": [50],
                "max_weight": 100,
                "metrics": METRICS,
            },
            "edge_services": [{"name": "app", "host": "app.lab", "path": "/health"}],
            "edge_shift_service": {"name": "app", "host": "app.lab", "path": "/health"},
            **settings,
        }

    def __call__(self, *entries: str, check: bool = False, **changes: t.Any) -> Played:
        return self.at_each({"one": changes}, *entries, check=check)["one"]

    def at_each(self, hosts: t.Mapping[str, t.Any], *entries: str, check: bool = False) -> dict[str, Played]:
        """What came of it by host, each with settings of its own."""
        includes = [
            {
                "name": e,
                "ansible.builtin.include_role": {"name": "sophia.replatform.edge", "tasks_from": e, "public": True},
            }
            for e in entries
        ]
        plays = [{"hosts": "edge", "gather_facts": False, "tasks": includes}]
        inventory = {name: {**self.settings, **changes} for name, changes in hosts.items()}
        given = ("-e", f"__edge_unit={self.folder}/edge.service", *(["--check"] if check else []))
        run = played.play(self.folder, {"edge": {"hosts": inventory}}, plays, *given)
        return {name: _played(name, run.output) for name in hosts}


def _played(host: str, said: str) -> Played:
    recap = re.search(rf"^{host} +: .*changed=(\d+) .*failed=(\d+)", said, re.MULTILINE)
    assert recap, said
    about = [line for line in said.splitlines() if host == "one" or f"[{host}]" in line]
    return Played(" ".join(" ".join(about).split()), int(recap[1]), int(recap[2]))


class Played(t.NamedTuple):
    said: str
    changed: int
    failed: int


METRICS = [{"name": "request-success-rate", "threshold_range": {"min": 99}}]


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    """All files below a folder, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
