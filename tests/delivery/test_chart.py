# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The chart is committed by itself when the hand-over of a store has changed it."""

from __future__ import annotations

import json

import pytest
import sample
from render import run

pytestmark = pytest.mark.slow


@pytest.fixture
def commit(checkout, tmp_path):
    role = {"name": "sophia.replatform.delivery", "tasks_from": "chart"}
    plays = [{"hosts": "localhost", "gather_facts": False, "tasks": [{"ansible.builtin.include_role": role}]}]
    (tmp_path / "chart.yml").write_text(json.dumps(plays))

    def play(*options):
        given = {**sample.SETTINGS, "delivery_repository": str(checkout)}
        return run(tmp_path / "chart.yml", given, *options)

    return play


def change(checkout):
    values = checkout / "chart/values.yaml"
    values.write_text(values.read_text() + "handedOver: true\n")
    (checkout / "notes.txt").write_text("somebody's own\n")


def test_the_chart_alone_is_committed_once(checkout, commit):
    sample.git(checkout, "switch", "--quiet", "--create", sample.SETTINGS["delivery_branch"])
    change(checkout)
    forecast = commit("--check")
    assert not forecast.failed and forecast.changed == 0, forecast.said[-3000:]
    done = commit()
    assert not done.failed and done.changed == 2, done.said[-3000:]
    assert sample.git(checkout, "show", "--format=%s", "--name-only").split("\n\n") == [
        "Keep the chart as it is deployed",
        "chart/values.yaml\n",
    ]
    assert sample.git(checkout, "status", "--porcelain") == "?? notes.txt\n"
    assert commit().changed == 0


def test_another_branch_is_refused(checkout, commit):
    change(checkout)
    done = commit()
    assert done.failed and "delivery_branch: " in done.said and "switch to it" in done.said
    assert sample.git(checkout, "log", "--format=%s", "-1").strip() != "Keep the chart as it is deployed"
