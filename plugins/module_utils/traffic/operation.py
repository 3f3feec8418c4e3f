# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Observing and acting for C(shift.next_step): the files, Traefik and probes of our own, tied together."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Step
from ansible_collections.sophia.replatform.plugins.module_utils.traffic import analysis
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.edge_api import EdgeApi
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.metrics import Counts, Snapshot
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.probe import probe_all
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import Route
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.shift import Wanted, World, after, serving
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.store import Store, broken

# Requests that were on their way when the weights changed end in the old counters; those after this pause do not.
_SETTLE_S = 0.3
_POLL_S = 0.05


@dataclass
class Timing:
    """Seconds: how long a weight is watched, how often within, and how long Traefik may take to show a change."""

    interval: float = 10.0
    sample: float = 1.0
    in_effect: float = 10.0


class ShiftOperation:
    """Holds what this run has learnt (failed checks, what was probed); all else is read from the world each time."""

    def __init__(
        self,
        wanted: Wanted,
        store: Store,
        api: EdgeApi,
        thresholds: analysis.Thresholds,
        timing: Timing,
        *,
        check_mode: bool = False,
    ) -> None:
        self.wanted = wanted
        self.store = store
        self.api = api
        self.thresholds = thresholds
        self.timing = timing
        self.check_mode = check_mode
        self.world = World(None)
        self._prechecked: Route | None = None
        self._breaches = 0
        self._breach = ""

    def observe(self) -> World:
        """The world now. In check mode an edge that is not there yet is no fault: nothing is in effect."""
        route, in_effect = self.store.read(), False
        try:
            in_effect = route is not None and self.api.in_effect(route)
        except ReplatformError:
            if not self.check_mode:
                raise
        self.world = World(
            route=route,
            in_effect=in_effect,
            safe_weight=self.store.read_safe(route) if route else None,
            prechecked=self._prechecked,
            breaches=self._breaches,
            breach=self._breach,
            fault=self._foreign_fault(),
        )
        return self.world

    def act(self, step: Step) -> dict[str, t.Any]:
        """Does one step and returns what was measured, JSON-ready."""
        route = after(self.world, step, self.wanted)
        if step.name == "precheck":
            return self._precheck(route)
        if step.name == "watch":
            return self._watch(route, self.api.snapshot(route))
        if step.name == "settle":
            return {"in_effect_ms": self._await_effect(route)}
        if step.name == "weight":
            return self._change_weight(route)
        return {"in_effect_ms": self._write(route)}

    def _foreign_fault(self) -> str:
        for path in self.store.foreign_files():
            why = broken(path)
            if why:
                return f"{path} can not be read ({why}): Traefik takes no change while it is there; mend it or move it away"
        return ""

    def _precheck(self, route: Route) -> dict[str, t.Any]:
        """Every canary server must answer, and one of the primary's (a task in restart is Traefik's to leave out)."""
        if self._breaches:
            time.sleep(self.timing.interval)
        faults: list[str] = []
        for side in serving(route):
            found = [fault for fault in probe_all(side.servers, route.health).values() if fault]
            if side != route.primary or len(found) == len(side.servers):
                faults += found
        self._prechecked = None if faults else route
        self._count(faults[0] if faults else "")
        return {"passed": not faults, "faults": faults}

    def _change_weight(self, route: Route) -> dict[str, t.Any]:
        before = self.api.snapshot(route)
        down = self.world.route is not None and route.weight < self.world.route.weight
        if down and not any(not fault for fault in probe_all(route.primary.servers, route.health).values()):
            raise ReplatformError(
                f"service '{route.name}' stays at weight {self.world.route.weight if self.world.route else 0}: "
                f"no server of its primary side '{route.primary.name}' answers, going back would lose every request"
            )
        in_effect_ms = self._write(route)
        if route.weight == 0:
            self.store.write_safe(route)
            return {"in_effect_ms": in_effect_ms, **self._verify_back(route, before)}
        return {"in_effect_ms": in_effect_ms, **self._watch(route, before)}

    def _write(self, route: Route) -> int:
        """Writes the route and waits until Traefik serves it; the old file comes back when it does not. Milliseconds."""
        last_good = self.store.read()
        self.api.in_effect(route)  # raises before anything is written when nobody could tell us the outcome
        self.store.write(route)
        try:
            return self._await_effect(route)
        except ReplatformError:
            if last_good is None:
                self.store.remove()
            else:
                self.store.write(last_good)
            raise

    def _await_effect(self, route: Route) -> int:
        begin = time.monotonic()
        while not self.api.in_effect(route):
            if time.monotonic() - begin > self.timing.in_effect:
                others = self.store.foreign_files()
                hint = f"look at {', '.join(others)}" if others else "see the log of Traefik"
                raise ReplatformError(
                    f"Traefik does not take the change of service '{route.name}' within {self.timing.in_effect:g} s "
                    f"(one broken file in {self.store.dynamic_dir} stops all): {hint}"
                )
            time.sleep(_POLL_S)
        return round((time.monotonic() - begin) * 1000)

    def _watch(self, route: Route, before: Snapshot) -> dict[str, t.Any]:
        """Watches for an interval, or until the canary is plainly not good enough. O(before) was read before the write."""
        time.sleep(_SETTLE_S)
        start = now = self.api.snapshot(route)
        begin = time.monotonic()
        canary = route.canary.servers if route.canary else ()
        in_a_row: dict[str, int] = {}
        reason, final = "", False
        while not reason and not final:
            time.sleep(max(0.0, min(self.timing.sample, begin + self.timing.interval - time.monotonic())))
            final = time.monotonic() - begin >= self.timing.interval
            for url, fault in probe_all(canary, route.health).items():
                in_a_row[url] = in_a_row.get(url, 0) + 1 if fault else 0
                if in_a_row[url] >= 2:
                    reason = fault
            now = self.api.snapshot(route)
            reason = reason or analysis.judge_canary(
                self._canary_since(route, now, start), self.thresholds, final=final
            )
        verdict = self._ratio(route, now, start)
        reason = reason or verdict.reason
        self._count(reason)
        if not reason:
            self.store.write_safe(route)
        counts = self._canary_since(route, now, start)
        return {
            "passed": not reason,
            "reason": reason,
            "failed": self._failed(route, now, before),
            "ratio": verdict.ratio,
            "canary_requests": int(counts.total),
            "canary_p99_ms": _rounded(counts.quantile_ms(0.99)),
            "watched_s": round(time.monotonic() - begin, 1),
        }

    def _verify_back(self, route: Route, before: Snapshot) -> dict[str, t.Any]:
        """After weight 0: no request may reach the canary any more. Without enough traffic the API alone has to do."""
        time.sleep(_SETTLE_S)
        start = self.api.snapshot(route)
        end = time.monotonic() + self.timing.interval
        verdict = analysis.Verdict()
        while verdict.ratio is None and time.monotonic() < end:
            time.sleep(min(self.timing.sample, self.timing.interval))
            now = self.api.snapshot(route)
            verdict = self._ratio(route, now, start)
        if verdict.reason:
            raise ReplatformError(f"service '{route.name}' is NOT back on its primary side: {verdict.reason}")
        return {"passed": True, "failed": self._failed(route, self.api.snapshot(route), before), "ratio": verdict.ratio}

    def _ratio(self, route: Route, now: Snapshot, start: Snapshot) -> analysis.Verdict:
        canary = self._canary_since(route, now, start).total
        primary = now.service(route.child(route.primary)).since(start.service(route.child(route.primary))).total
        return analysis.judge_ratio(canary, canary + primary, route.weight)

    @staticmethod
    def _canary_since(route: Route, now: Snapshot, start: Snapshot) -> Counts:
        if route.canary is None:
            return Counts()
        name = route.child(route.canary)
        return now.service(name).since(start.service(name))

    @staticmethod
    def _failed(route: Route, now: Snapshot, before: Snapshot) -> int | None:
        """Requests that clients saw fail: the router's count, which a retry that went well does not enter.

        None when Traefik does not count by router (C(addRoutersLabels) is off).
        """
        if route.name not in now.routers and any(now.service(name).total for name, _side, _weight in route.children()):
            return None
        return int(now.router(route.name).since(before.router(route.name)).failed)

    def _count(self, reason: str) -> None:
        self._breaches = self._breaches + 1 if reason else 0
        self._breach = reason


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
