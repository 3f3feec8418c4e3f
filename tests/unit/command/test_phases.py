# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which phases a run is about."""

from __future__ import annotations

import pathlib

from hypothesis import given
from hypothesis import strategies as st

from replatform.phases import NAMES, PHASES, RECORDED, chosen, remaining

STATUSES = st.fixed_dictionaries({name: st.sampled_from(["ok", "failed", "running", None]) for name in RECORDED})


def test_they_are_those_of_the_whole_migration():
    playbooks = pathlib.Path(__file__).parents[3] / "playbooks"
    imported = [
        line.split(": ")[1]
        for line in (playbooks / "migrate.yml").read_text().splitlines()
        if "import_playbook" in line
    ]
    assert [phase.playbook for phase in PHASES] == imported


@given(names=st.lists(st.sampled_from(NAMES)))
def test_phases_are_in_order_and_each_once(names):
    found = [phase.name for phase in chosen(names)]
    assert found == [name for name in NAMES if name in names or not names]


@given(statuses=STATUSES)
def test_a_run_goes_on_at_the_first_that_is_not_complete(statuses):
    left = [phase.name for phase in remaining(statuses)]
    open_ones = [name for name in RECORDED if statuses[name] != "ok"]
    if all(status is None for status in statuses.values()):
        assert left == list(NAMES)
    else:
        assert left == (list(RECORDED[RECORDED.index(open_ones[0]) :]) if open_ones else [])
