# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pathlib
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tests/delivery"))

import sample


def given(**more):
    """The role's variables without their prefix: its defaults, the sample's settings, and those O(more)."""
    defaults = yaml.safe_load((ROOT / "roles/delivery/defaults/main.yml").read_text())
    found = {**defaults, "delivery_flux_branch": "main", **sample.SETTINGS}
    found.update({f"delivery_{name}": value for name, value in more.items()})
    return {name.removeprefix("delivery_"): value for name, value in found.items()}


@pytest.fixture
def settings():
    return given


@pytest.fixture
def checkout(tmp_path):
    return sample.repository(tmp_path / "repository")
