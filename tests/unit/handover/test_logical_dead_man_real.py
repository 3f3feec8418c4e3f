# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clients that a run of a handover by logical replication holds go on when it is killed or frozen, on real servers."""

from __future__ import annotations

import itertools

import pytest

from . import stores
from .test_dead_man_real import gone_on, records, said_by_dead_man
from .test_logical_real import SOAK, judge, new_fleet, sides, under_load

pytestmark = pytest.mark.slow

# The last of each that the run gets to, and whether the new one is the primary then: held; fenced, and nothing is decided; each follows
# the other; the new one takes writes, and clients are not led to it yet.
HOLDING = {"pause.ok": False, "fence.ok": False, "turn.ok": True, "open.ok": True, "repoint.ok": True}
SAMPLE = [("fence.ok", True), ("turn.ok", False)]


@pytest.fixture(scope="module")
def fleet():
    made = new_fleet(same=True)
    made.run("standby", made.k3s)
    yield made
    made.end()


@pytest.mark.parametrize(("at", "frozen"), itertools.product(HOLDING, (False, True)) if SOAK else SAMPLE)
def test_clients_go_on_though_nobody_runs_it_again(fleet, at, frozen):
    target, primary = sides(fleet)
    known = len(records(fleet))
    with under_load(fleet) as load:
        assert fleet.run("primary", target, die=(at,), dead_man=1 if frozen else 60, frozen=frozen) == {}
        gone_on(load[0])
        stores.until(lambda: len(said_by_dead_man(fleet, known)) == 2, "it has ended")
        said = said_by_dead_man(fleet, known)
        assert [one["event"] for one in said] == ["start", "ok"]
        assert ("was killed" in said[0]["data"]["reason"]) == frozen
        assert fleet.primary() is (target if HOLDING[at] else primary)
        # Whoever runs it again finds nothing in the way.
        assert "failed" not in fleet.run("primary", target)
    judge(fleet, load, 1)
