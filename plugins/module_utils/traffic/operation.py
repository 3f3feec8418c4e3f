# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Observing and acting for C(shift.next_step): the files, Traefik and probes of our own, tied together."""

from __future__ import annotations

import contextlib
import os
import time
import typing as t
from dataclasses import dataclass, replace
from functools import cached_property

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Step
from ansible_collections.sophia.replatform.plugins.module_utils.traffic import analysis, gates
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.connections import established
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.deadman import DeadMan
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.edge_api import EdgeApi
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.effect import PATIENCE_S, Effect, told
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.evidence import Evidence
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.metrics import Snapshot
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.probe import any_answers, probe_all
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.progress import Progress
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.reload_trial import takes_changes
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import Route
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.shift import (
    Wanted,
    World,
    after,
    schedule,
    serving,
    stays,
)
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.store import Store
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.strangers import Strangers
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.watch import (
    CHECK_S,
    SETTLE_S,
    Plan,
    Watch,
    canary_since,
    primary_since,
)

_ON_THEIR_WAY_S = 30.0


@dataclass(frozen=True)
class Timing:
    """Seconds: how long Traefik may take to show a change, and how long a side with sessions may take to run empty."""

    in_effect: float = 10.0
    drain: float = 300.0


class ShiftOperation:
    """Holds what this run has learnt (failed checks, gates, what was probed); all else is read from the world each time."""

    def __init__(
        self,
        wanted: Wanted,
        store: Store,
        api: EdgeApi,
        plan: Plan,
        timing: Timing,
        dead_man: DeadMan,
        progress: Progress,
        journal: Evidence,
        *,
        check_mode: bool = False,
    ) -> None:
        self.wanted = wanted
        self.store = store
        self.api = api
        self.plan = plan
        self.timing = timing
        self.dead_man = dead_man
        self.progress = progress
        self.journal = journal
        self.check_mode = check_mode
        self.strangers = Strangers(store.dynamic_dir, os.path.join(store.state_dir, "strangers"))
        self._effect = Effect(store, api, self.strangers, timing.in_effect)
        self.world = World(None)
        self._prechecked: Route | None = None
        self._open_gates: frozenset[tuple[str, int]] = frozenset()
        self._mirrored = False
        self._breaches = 0
        self._breach = ""
        self._breached_at = 0.0

    def breached(self, reason: str) -> None:
        """What somebody else has watched is a breach: the next step is the way back."""
        self._count(reason, breached=True)

    def observe(self) -> World:
        """The world now. In check mode, and on the way back, an edge that does not answer is no fault: nothing is in effect."""
        route, in_effect = self.store.read(), False
        try:
            in_effect = route is not None and self.api.in_effect(route)
            fault = self.journal.fault or self._fault()
        except ReplatformError:
            if not (self.check_mode or self._goes_back):
                raise
            fault = ""
        self.world = World(
            route=route,
            in_effect=in_effect,
            safe_weight=self.store.read_safe(route) if route else None,
            prechecked=self._prechecked,
            breaches=self._breaches,
            breach=self._breach,
            fault=fault,
            mirrored=self._mirrored,
            open_gates=self._open_gates,
            floor=self._floor,
        )
        return self.world

    @cached_property
    def _floor(self) -> int:
        """O(wanted.min_weight) when this run has found the canary there, and with some servers it has passed its watch; else 0."""
        route, lowest = self.store.read(), self.wanted.min_weight
        return lowest if route and lowest <= min(route.weight, self.store.reached()) else 0

    def _safe_route(self, route: Route) -> Route:
        """What an error leaves of O(route)."""
        safe = self.store.safe_route(route)
        return replace(safe, weight=max(0 if self._goes_back else safe.weight, self._floor))

    def act(self, step: Step) -> dict[str, t.Any]:
        """Does one step and returns what was measured, JSON-ready. The way back needs nobody who hears of it."""
        if not self._goes_back:
            self._go_on()
        if step.name == "gate":
            return self._gate(step)
        route = after(self.world, step, self.wanted)
        self.progress.say(step.name, route.weight)
        if step.name == "precheck":
            return self._precheck(route)
        if step.name in ("watch", "mirror", "weight"):
            return self._move(route, step)
        if step.name == "drain":
            return self._drain(route)
        if step.name == "settle":
            return {"in_effect_ms": self._effect.await_change(route)}
        in_effect_ms = self._effect.write(route)
        self._keep_good(route)
        return {"in_effect_ms": in_effect_ms}

    def _keep_good(self, route: Route) -> None:
        if not route.mirror and route.weight in (0, self.store.read_safe(route)):
            self.store.keep_good(route)

    def _go_on(self) -> None:
        """Raises C(ReplatformError) when this run is to end: nobody is there to hear of it, its steps can't be recorded, or somebody
        wants all traffic back."""
        self.dead_man.check()
        if self.journal.fault:
            raise ReplatformError(self.journal.fault)
        if self.wanted.state == "shifted" and self.store.called_back():
            raise ReplatformError(f"another run brings service '{self.wanted.route.name}' back: this one ends")

    @property
    def _goes_back(self) -> bool:
        return self.wanted.state == "rolled_back" or self._breaches >= self.wanted.threshold

    def _fault(self) -> str:
        """A stranger's file that stops every change: one that does not parse, or that was written last, while Traefik takes none."""
        if self._goes_back:
            return ""
        found = self.strangers.broken()
        fault = "{} can not be read ({}): Traefik takes no change while it is there".format(*found) if found else ""
        if not fault and not self.check_mode:
            unread = self._unread()
            fault = f"Traefik takes no change since {', '.join(unread)} was written (see its log)" if unread else ""
        if not fault:
            return ""
        tried_s = time.time()
        if not self.check_mode and takes_changes(self.api, self.store.dynamic_dir):
            self.strangers.keep(tried_s)
            return ""
        return f"{fault}; mend it or move it away"

    def _unread(self) -> list[str]:
        """What Traefik has seen and not taken; that may also be a file that says the same as before."""
        if not self.strangers.files():
            return []
        unread = self.strangers.unread(self.api.snapshot(self.wanted.route).last_reload_s)
        return unread if unread and self.strangers.unread(self.api.snapshot(self.wanted.route).last_reload_s) else []

    def _precheck(self, route: Route) -> dict[str, t.Any]:
        """Every canary server must answer, and one of the primary's (a task in restart is Traefik's to leave out)."""
        self._pause_after_breach()
        faults: list[str] = []
        for side in serving(route):
            found = [fault for fault in probe_all(side.servers, route.health).values() if fault]
            if side != route.primary or len(found) == len(side.servers):
                faults += found
        self._prechecked = None if faults else route
        self._count(faults[0] if faults else "")
        return {"passed": not faults, "faults": faults}

    def _gate(self, step: Step) -> dict[str, t.Any]:
        name, weight = step.data["gate"], step.data["weight"]
        gate = next(gate for gate in self.wanted.gates if gate.name == name)
        service = self.wanted.route.name
        self._pause_after_breach()
        self.progress.say(f"gate {name}", weight)
        said: dict[str, t.Any] = {}
        if gate.type == "approval":
            said = gates.await_approval(gate, self.store.state_dir, service, weight, self._go_on)
            reason = ""
        else:
            reason = gates.ask_command(gate, service, weight, self._go_on)
        if not reason:
            self._open_gates |= {(name, weight)}
        self._count(reason)
        return {"passed": not reason, "reason": reason, **said}

    def _move(self, route: Route, step: Step) -> dict[str, t.Any]:
        """A step that changes shares, watched; on the way back it is verified instead."""
        if step.name == "weight" and not route.weight:
            return self._back(route)
        before = self.api.snapshot(route)
        current = self.world.route or route
        if step.name == "weight" and route.weight < current.weight:
            self._refuse_dead_primary(route)
        result: dict[str, t.Any] = {}
        safe = self._safe_route(current)
        if safe != route:
            self.dead_man.arm(safe, route)
        with self.leaving_safe():
            if current != route:
                result["in_effect_ms"] = self._effect.write(route)
            result.update(self._watch(route, step, before))
        for gate in self.wanted.gates if step.name == "weight" else ():
            gates.use_up(self.store.state_dir, route.name, gate.name, route.weight)
        if route.protocol == "tcp":
            result["primary_connections"] = established(route.primary.servers)
        return result

    def _watch(self, route: Route, step: Step, before: Snapshot) -> dict[str, t.Any]:
        """Watches for an interval, or until the canary is plainly not good enough. O(before) was read before the write."""
        if self.wanted.skip_analysis:
            self._passed(route)
            return {"passed": True, "reason": "", "failed": self._failed(route, self.api.snapshot(route), before)}
        left = [weight for weight in schedule(self.wanted) if weight > route.weight]
        left_s = len(left) * self.plan.interval
        watch = Watch(route, self.api, self.plan, self.progress, step.name, self._go_on, left_s)
        seen = watch.run()
        self._count(seen.reason, seen.breached)
        if not seen.reason:
            self._passed(route)
        return {**seen.record(), "failed": self._failed(route, self.api.snapshot(route), before)}

    def _passed(self, route: Route) -> None:
        if route.mirror:
            self._mirrored = True
        else:
            self.store.write_safe(route)
        self.dead_man.disarm()

    @contextlib.contextmanager
    def leaving_safe(self, *, recorded: bool = False) -> t.Iterator[None]:
        """An error within says what was done about a weight that has not passed its watch: nobody looks at it any more.

        The last good one comes back, none at all after a breach; nothing is raised. With O(recorded) there is no step that tells of it.
        """
        try:
            yield
        except Exception as exc:
            said = self._left_safe(recorded)
            if not said or said in str(exc):
                raise
            kind = type(exc) if isinstance(exc, ReplatformError) else ReplatformError
            raise kind(f"{exc}; {said}") from exc

    def _left_safe(self, recorded: bool) -> str:
        if self.check_mode:
            return ""
        try:
            route = self.store.read()
        except ReplatformError:
            return ""  # another hand wrote it
        if route is None or not (self.wanted.state == "shifted" or self._floor):
            return ""
        safe = self._safe_route(route)
        if route.weight <= safe.weight and (not route.mirror or self._mirrored):
            passed = self.store.read_safe(route) == route.weight and not self._goes_back
            return stays(route, self._floor) if self._floor and not passed else ""
        event = "ok"
        try:
            said = self._leave(route, safe)
        except ReplatformError as exc:
            event, said = "failed", str(exc)
        if recorded:
            weights = {"weight": safe.weight, "from_weight": route.weight}
            self.journal.write("put_back", event, {"service": route.name, **weights, "reason": said})
        return said

    def _leave(self, route: Route, safe: Route) -> str:
        """Puts O(safe) in the place of O(route) and says so; C(ReplatformError) when that is not done or not verified."""
        if route.weight > safe.weight:
            self._refuse_dead_primary(route)
        self.store.write_back(safe)
        written = f"the last safe weight {safe.weight} of service '{route.name}' was written back"
        try:
            mended = self._effect.await_back(safe)
        except ReplatformError as exc:
            raise ReplatformError(f"{written}, but this is NOT VERIFIED: {exc}") from exc
        return f"{written} and is in effect{told(mended)}"

    def _back(self, route: Route) -> dict[str, t.Any]:
        """All traffic to the primary side, whatever else is wrong, and the truth about whether it is there."""
        self._refuse_dead_primary(route)
        self.store.write_back(route)
        self.dead_man.disarm()
        begin = time.monotonic()
        try:
            before = self.api.snapshot(route)
            mended = self._effect.await_back(route)
            result: dict[str, t.Any] = {"in_effect_ms": round((time.monotonic() - begin) * 1000)}
            if self._breached_at:
                result["back_ms"] = round((time.monotonic() - self._breached_at) * 1000)
            if mended:
                result["strangers_set_aside"] = mended
            self._note_back(route)
            self._mirrored = False
            return {**result, **self._verify_back(route, before)}
        except ReplatformError as exc:
            raise ReplatformError(
                f"the way back of service '{route.name}' is NOT VERIFIED: {self.store.path} has weight 0, but {exc}"
            ) from exc

    def _note_back(self, route: Route) -> None:
        try:
            self.store.write_safe(route)
        except ReplatformError:
            # A full disk: the note of a weight above would be worse than none.
            self.store.forget_safe()

    def _refuse_dead_primary(self, route: Route) -> None:
        if not any_answers(route.primary.servers, route.health, PATIENCE_S):
            current = self.store.read() or route
            raise ReplatformError(
                f"service '{route.name}' stays at weight {current.weight}: "
                f"no server of its primary side '{route.primary.name}' answers, going back would lose every request"
            )

    def _drain(self, route: Route) -> dict[str, t.Any]:
        """Waits until a side of which only sessions are left gets no request any more, then takes its last share away."""
        side = route.primary if route.weight else route.canary
        begin = quiet = time.monotonic()
        start = self.api.snapshot(route)
        while side is not None and time.monotonic() - begin < self.timing.drain:
            time.sleep(min(CHECK_S, self.plan.interval))  # between two reads of the counters
            if not self._goes_back:
                self._go_on()
            now = self.api.snapshot(route)
            name = route.child(side)
            # New clients still get one of a thousand requests there: a side with sessions has more.
            served = now.service(name).since(start.service(name)).total
            others = (
                sum(now.service(n).since(start.service(n)).total for n, _side, _weight in route.children()) - served
            )
            if served > max(1.0, 0.005 * others):
                start, quiet = now, time.monotonic()
            elif time.monotonic() - quiet >= self.plan.interval:
                break
        drained = time.monotonic() - begin < self.timing.drain
        waited = {"drained": drained, "waited_s": round(time.monotonic() - begin, 1)}
        if self._goes_back:
            self.store.write_back(route)
            in_effect_ms = self._effect.await_change(route)
            self._note_back(route)
        else:
            in_effect_ms = self._effect.write(route)
            self._keep_good(route)
        return {**waited, "in_effect_ms": in_effect_ms}

    def _verify_back(self, route: Route, before: Snapshot) -> dict[str, t.Any]:
        """After weight 0: no request may reach the canary any more. Without enough traffic the API alone has to do."""
        time.sleep(SETTLE_S)  # see SETTLE_S
        start, begin = self.api.snapshot(route), time.monotonic()
        verdict = analysis.Verdict()
        while (verdict.ratio is None or verdict.reason) and not route.tail and route.protocol != "tcp":
            # Traefik counts a request when it ends: slow ones that were on their way may still come in.
            if time.monotonic() - begin >= max(self.plan.interval, _ON_THEIR_WAY_S if verdict.reason else 0.0):
                break
            time.sleep(min(1.0, self.plan.interval))  # between two reads of the counters
            now = self.api.snapshot(route)
            canary, primary = canary_since(route, now, start).total, primary_since(route, now, start).total
            verdict = analysis.judge_ratio(canary, canary + primary, 0.0)
            start = now if verdict.reason else start
        if verdict.reason:
            raise ReplatformError(verdict.reason)
        return {
            "passed": True,
            "failed": self._failed(route, self.api.snapshot(route), before),
            "ratio": verdict.ratio,
        }

    @staticmethod
    def _failed(route: Route, now: Snapshot, before: Snapshot) -> int | None:
        """Requests that clients saw fail: the routers' count, which a retry that went well does not enter.

        None when Traefik does not count by router (C(addRoutersLabels) is off, or the service is TCP).
        """
        if now.started_s != before.started_s:
            before = Snapshot({}, {})  # Traefik was restarted and counts from nothing
        names = [name for name in (route.name, f"{route.name}-safe") if name in now.routers]
        if not names and (
            route.protocol == "tcp" or any(now.service(name).total for name, _side, _weight in route.children())
        ):
            return None
        return int(sum(now.router(name).since(before.router(name)).failed for name in names))

    def _pause_after_breach(self) -> None:
        """A check that failed is made again after an interval."""
        end = time.monotonic() + (self.plan.interval if self._breaches else 0.0)
        while time.monotonic() < end:
            self._go_on()
            time.sleep(min(1.0, max(0.0, end - time.monotonic())))  # the pause itself

    def _count(self, reason: str, breached: bool = False) -> None:
        """Notes how a check went; O(breached) says that it made up all of a breach by itself."""
        self._breaches = (self.wanted.threshold if breached else self._breaches + 1) if reason else 0
        self._breach = reason
        if self._breaches >= self.wanted.threshold:
            self._breached_at = time.monotonic()
