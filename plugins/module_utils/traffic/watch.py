# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Watching one weight: Traefik's counters, our own probes, the prober's answers and a Prometheus, until the interval is over or the
canary has plainly failed.
"""

from __future__ import annotations

import contextlib
import time
import typing as t
from dataclasses import dataclass, field

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.analysis import (
    DEFAULT_METRICS,
    Checks,
    Metric,
    Verdict,
    judge_canary,
    judge_ratio,
    too_few,
)
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.beside import Beside
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.connections import Counter
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.edge_api import EdgeApi
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.metrics import Counts, Snapshot
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.probe import Probes
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.prober_data import ProberData
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.progress import Progress, figures
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.prometheus import Queries
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import Route

# Requests that were on their way when the weights changed end in the old counters; those after this pause do not.
SETTLE_S = 0.3
# Three failed checks in a row and the way back have to fit into three seconds.
CHECK_S = 0.3
_PROBE_S = 1.0
_QUERY_S = 5.0
_TABLES_S = 0.1
# The prober's line of the second in which the edge came back is written when that second is over.
_PROBER_S = 1.5
# A prober that runs writes a line for each second in which it asked.
_PROBER_WRITES_S = 3.0
# A watch is not begun anew more often.
_AWAY = 3


@dataclass(frozen=True)
class Plan:
    """How to watch: O(interval) in seconds, O(threshold) failed checks in a row, the metrics and where they come from.

    Fewer requests of the canary than O(min_requests) fail a watch. O(patience) is how many seconds Traefik may be away in a
    watch, for whatever runs it to start it again.
    """

    interval: float = 10.0
    threshold: int = 3
    metrics: tuple[Metric, ...] = DEFAULT_METRICS
    prometheus_url: str = ""
    prober_dir: str = ""
    patience: float = 10.0
    min_requests: int = 0


@dataclass
class Watched:
    """O(reason) is empty when the weight passed. O(breached) says that O(Plan.threshold) checks failed before the end. O(away) is how often
    Traefik was restarted or did not answer, so that the watch was begun anew.
    """

    reason: str = ""
    breached: bool = False
    verdict: Verdict = field(default_factory=Verdict)
    primary: Counts = field(default_factory=Counts)
    canary: Counts = field(default_factory=Counts)
    clients: Counts | None = None
    queries: dict[str, float | None] = field(default_factory=dict)
    too_few: str = ""
    seconds: float = 0.0
    away: int = 0

    def record(self) -> dict[str, t.Any]:
        """The evidence of the watch."""
        sides = {"primary": figures(self.primary), "canary": figures(self.canary)}
        record: dict[str, t.Any] = {
            "passed": not self.reason,
            "reason": self.reason,
            "ratio": self.verdict.ratio,
            "watched_s": round(self.seconds, 1),
            **{f"{side}_{name}": value for side, named in sides.items() for name, value in named.items()},
        }
        if self.clients is not None:
            record["prober_requests"], record["prober_failed"] = int(self.clients.total), int(self.clients.failed)
        if self.away:
            record["edge_away"] = self.away
        if self.too_few:
            record["too_few"] = self.too_few
        if self.queries:
            record["queries"] = self.queries
        return record


class Watch:
    """One watch of O(route), whose weight is in effect. O(alive) is called at each look and may raise."""

    def __init__(
        self,
        route: Route,
        api: EdgeApi,
        plan: Plan,
        progress: Progress,
        step: str,
        alive: t.Callable[[], None],
        left_s: float = 0.0,
    ) -> None:
        self._route, self._api, self._plan = route, api, plan
        self._progress, self._step, self._alive, self._left_s = progress, step, alive, left_s
        self._canary = route.canary.servers if route.canary else ()
        self._clients = self._prober()
        self._counter = Counter([*route.primary.servers, *self._canary]) if route.protocol == "tcp" else None
        servers = len(route.primary.servers) + len(self._canary)
        # Traefik's checks and our own are among the connections, but not among the requests that Traefik counts.
        self._checks_a_second = servers / route.health.interval + len(self._canary) / _PROBE_S if self._counter else 0.0
        self._queries = Queries(plan.prometheus_url, plan.metrics, route, plan.interval)

    def run(self) -> Watched:
        """Watches to the end, and begins anew when Traefik was restarted meanwhile: its counters are those of another process then.

        Raises C(ReplatformError) when it does not come back with the route within C(Plan.patience), or was restarted again and again.
        """
        time.sleep(SETTLE_S)  # see SETTLE_S
        probes = Probes(self._canary, self._route.health)
        probed, queried = Beside(probes.look, min(_PROBE_S, self._plan.interval)), Beside(self._queries.look, _QUERY_S)
        with contextlib.ExitStack() as beside:
            if self._counter:
                self._counter.begin()
                beside.enter_context(Beside(self._counter.look, _TABLES_S).running())
            for each in (probed, queried):
                beside.enter_context(each.running())
            away = 0
            while (seen := self._run(probed, queried)) is None:
                away += 1
                self._await_edge(away)
        seen.away = away
        seen.queries = self._queries.values
        return seen

    def _run(self, probed: Beside, queried: Beside) -> Watched | None:
        """One watch; None when Traefik was restarted meanwhile, or does not answer."""
        plan, seen = self._plan, Watched()
        begin, start = time.monotonic(), self._read()
        if start is None:
            return None
        checks = Checks(plan.metrics, plan.threshold)
        client_checks = Checks([m for m in plan.metrics if m.min is not None], plan.threshold)
        checks.look(0.0, Counts())
        final = False
        while not (seen.breached or final):
            time.sleep(max(0.0, min(CHECK_S, begin + plan.interval - time.monotonic())))  # until the next check
            self._alive()
            seen.seconds = time.monotonic() - begin
            final = seen.seconds >= plan.interval
            now = self._read()
            if now is None or now.started_s != start.started_s:
                return None
            self._count(seen, now, start)
            # A server that hangs is asked less often than a row of failed checks lasts: what was said of it stands until it answers.
            if checks.look(seen.seconds, seen.canary, probed.said):
                seen.reason, seen.breached = checks.reason, True
            # Each answer of Prometheus is a check, and there are few of them.
            if queried.row >= plan.threshold:
                seen.reason, seen.breached = queried.said, True
            if seen.clients is not None and client_checks.look(seen.seconds, seen.clients):
                seen.reason, seen.breached = f"by the prober, {client_checks.reason}", True
            self._say(seen)
        if not seen.breached:
            seen.too_few = too_few(seen.canary, plan.min_requests)
            whole = judge_canary(seen.canary, plan.metrics, final=True) or (seen.too_few if plan.min_requests else "")
            seen.reason = (
                whole or self._by_the_prober(seen) or probed.said or self._queries.last() or seen.verdict.reason
            )
        return seen

    def _by_the_prober(self, seen: Watched) -> str:
        """What the prober's answers of the whole watch say against the weight; it counts as failed what Traefik does not, such as a 404."""
        if self._clients is None or seen.clients is None:
            return ""
        if not self._clients.grown and self._plan.interval >= _PROBER_WRITES_S:
            return f"the prober wrote nothing into {self._plan.prober_dir} in {seen.seconds:.0f} s (prober_dir): restart it, or leave prober_dir out"
        reason = judge_canary(seen.clients, [m for m in self._plan.metrics if m.min is not None], final=True)
        return f"by the prober, {reason}" if reason else ""

    def _read(self) -> Snapshot | None:
        try:
            return self._api.snapshot(self._route)
        except ReplatformError:
            return None

    def _await_edge(self, away: int) -> None:
        if away > _AWAY:
            raise ReplatformError(f"Traefik was away {away} times in one watch: see its log")
        end = time.monotonic() + self._plan.patience
        while not self._serves(last=time.monotonic() >= end):
            self._alive()
            time.sleep(CHECK_S)  # it tells nobody that it has come back
        if self._counter:
            self._counter.begin()
        if self._clients:
            time.sleep(_PROBER_S)  # see _PROBER_S
            self._clients = self._prober()

    def _serves(self, last: bool) -> bool:
        """Whether Traefik serves the route; O(last) raises C(ReplatformError) when it does not."""
        try:
            if self._api.in_effect(self._route):
                return True
            if last:
                raise ReplatformError(f"Traefik came back without service '{self._route.name}' as its file has it")
        except ReplatformError:
            if last:
                raise
        return False

    def _prober(self) -> ProberData | None:
        return ProberData(self._plan.prober_dir, self._route.name) if self._plan.prober_dir else None

    def _count(self, seen: Watched, now: Snapshot, start: Snapshot) -> None:
        seen.primary, seen.canary = self._sides(now, start)
        if not self._route.mirror:
            children = self._route.children()
            share = children[-1][2] / sum(weight for _name, _side, weight in children) if len(children) > 1 else 0.0
            total = seen.canary.total + seen.primary.total
            # Cookies keep clients where they are: shares of requests say nothing about the weight then.
            if not self._route.sticky:
                seen.verdict = judge_ratio(seen.canary.total, total, share, self._checks_a_second * seen.seconds)
        if self._clients is not None:
            seen.clients = self._clients.read()

    def _sides(self, now: Snapshot, start: Snapshot) -> tuple[Counts, Counts]:
        if self._counter is not None:
            return Counts(self._counter.count(self._route.primary.servers)), Counts(self._counter.count(self._canary))
        return primary_since(self._route, now, start), canary_since(self._route, now, start)

    def _say(self, seen: Watched) -> None:
        left = max(0.0, self._plan.interval - seen.seconds)
        self._progress.say(
            self._step,
            self._route.weight,
            share=seen.verdict.ratio,
            primary=figures(seen.primary),
            canary=figures(seen.canary),
            step_left_s=round(left, 1),
            shift_left_s=round(left + self._left_s, 1),
            reason=seen.reason,
        )


def canary_since(route: Route, now: Snapshot, start: Snapshot) -> Counts:
    """What the canary answered between two snapshots."""
    if route.canary is None:
        return Counts()
    name = route.child(route.canary)
    return now.service(name).since(start.service(name))


def primary_since(route: Route, now: Snapshot, start: Snapshot) -> Counts:
    """What the primary side answered between two snapshots."""
    name = route.child(route.primary)
    return now.service(name).since(start.service(name))
