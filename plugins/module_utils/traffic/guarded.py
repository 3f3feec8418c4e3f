# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One service that has moved, under guard: its sides are asked beside the look at Traefik's counters."""

from __future__ import annotations

import contextlib

from ansible_collections.sophia.replatform.plugins.module_utils.traffic.beside import Beside
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.guard_judge import Judge, Seen
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.metrics import Snapshot
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.probe import Probes, probe_all
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.prober_data import ProberData
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.prometheus import Queries
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import Route
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.watch import Plan

_PROBE_S = 1.0
_WAY_BACK_S = 5.0
_QUERY_S = 5.0


class Guarded:
    """O(route) as it stands, from now on. C(breach) says why its canary is in breach, C(way_back) why its primary side could not take it back."""

    def __init__(self, route: Route, plan: Plan) -> None:
        self.route = route
        self.breach = ""
        self._plan = plan
        canary = route.canary.servers if route.canary else ()
        self._prober = ProberData(plan.prober_dir, route.name) if plan.prober_dir else None
        self._canary = Beside(Probes(canary, route.health).look, _PROBE_S)
        self._primary = Beside(lambda: nobody_answers(route), _WAY_BACK_S)
        self._queries = Beside(Queries(plan.prometheus_url, plan.metrics, route, plan.interval).look, _QUERY_S)
        self._judge: Judge | None = None
        self._started_s = 0.0
        self._beside = contextlib.ExitStack()
        for each in (self._canary, self._primary, self._queries):
            self._beside.enter_context(each.running())

    @property
    def way_back(self) -> str:
        return self._primary.said

    @property
    def may_go_back(self) -> bool:
        """Whether a server of the primary side has been seen to answer."""
        return self._primary.looked and not self._primary.said

    def close(self) -> None:
        self._beside.close()

    def look(self, now_s: float, counted: Snapshot) -> None:
        """Begins anew when Traefik was restarted meanwhile: its counters are those of another process then."""
        seen = self._see(counted)
        if self._judge is None or counted.started_s != self._started_s:
            self._judge, self._started_s = Judge(self._plan, now_s, seen), counted.started_s
            return
        self.breach = self._judge.look(now_s, seen)

    def begin_anew(self) -> None:
        """Of what was seen until now nothing counts any more."""
        self._judge, self.breach = None, ""

    def _see(self, counted: Snapshot) -> Seen:
        canary = self.route.child(self.route.canary) if self.route.canary else ""
        clients = {"clients": self._prober.read()} if self._prober else {}
        return Seen(
            counted.service(canary),
            probe=self._canary.said,
            query=self._queries.said,
            query_row=self._queries.row,
            **clients,
        )


def nobody_answers(route: Route) -> str:
    """What a server of the primary side says when none answers; an empty string when one does."""
    found = list(probe_all(route.primary.servers, route.health).values())
    return "" if "" in found else found[0]
