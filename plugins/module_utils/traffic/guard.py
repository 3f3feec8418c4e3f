# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The guard of one edge: what has moved is watched for as long as there is a way back, and brought back when it breaks."""

from __future__ import annotations

import threading
import time
import typing as t
from dataclasses import dataclass, field

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.journal import utc_now
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.edge_api import EdgeApi
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.guard_place import Place
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.guard_way_back import WayBack
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.guarded import Guarded
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.metrics import Snapshot, parse
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import Route
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.store import Store
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.watch import CHECK_S, Plan

_TELL_S = 1.0


@dataclass(frozen=True)
class Orders:
    """How to guard: O(plans) by service, until O(deadline) seconds have passed.

    While a store is handed over writes are refused on purpose: for O(hold) seconds a breach is told and nothing else. O(stores) are on K3s, where the
    primary side does not find them: what is not in O(returns) stays on K3s then.
    """

    plans: t.Mapping[str, Plan]
    side: str = "k3s"
    deadline: float = 86400.0
    hold: float = 0.0
    stores: tuple[str, ...] = ()
    returns: tuple[str, ...] = ()


@dataclass
class Ended:
    """What came of it: by service, why those that were in breach were, and why it ended."""

    reason: str = ""
    breached: dict[str, str] = field(default_factory=dict)


class Guard:
    """O(name) is the one that the O(place) is taken for. O(store) opens the files of a service."""

    def __init__(
        self, name: str, place: Place, orders: Orders, api: EdgeApi, store: t.Callable[[str], Store], back: WayBack
    ) -> None:
        self._name, self._place, self._orders, self._api, self._store, self._back = (
            name,
            place,
            orders,
            api,
            store,
            back,
        )
        self._guarded: dict[str, Guarded] = {}
        self._returning: dict[str, threading.Thread] = {}
        self._begun_s = time.monotonic()
        self._told_s = 0.0
        self.ended = Ended()

    def run(self) -> Ended:
        """Guards until another is wanted, or none, or the deadline has passed. What is being brought back is waited for."""
        try:
            while self._goes_on():
                self.look()
                time.sleep(CHECK_S)  # counters tell nobody that they have changed
        finally:
            for name in list(self._guarded):
                self._let_go(name)
            for thread in self._returning.values():
                thread.join()
        return self.ended

    def _goes_on(self) -> bool:
        if not self._place.wants(self._name):
            self.ended.reason = "it was ended, or another took its place"
        elif time.monotonic() - self._begun_s >= self._orders.deadline:
            self.ended.reason = f"{self._orders.deadline:g} s have passed"
        return not self.ended.reason

    def look(self) -> None:
        """Looks at every service once."""
        counted = self._count()
        for name in self._orders.plans:
            route = self._to_guard(name)
            guarded = self._guarded.get(name)
            if guarded and guarded.route != route:
                self._let_go(name)
            if route and name not in self._guarded:
                self._guarded[name] = Guarded(route, self._orders.plans[name])
            if route and counted:
                self._judge(self._guarded[name], counted)
        if time.monotonic() - self._told_s >= _TELL_S:
            self._told_s = time.monotonic()
            self._tell("" if counted else "Traefik does not answer, or does not count")

    def _judge(self, guarded: Guarded, counted: Snapshot) -> None:
        guarded.look(time.monotonic(), counted)
        if not guarded.breach:
            return
        name, reason = guarded.route.name, guarded.breach
        if time.monotonic() - self._begun_s < self._orders.hold:
            self._tell("")
            guarded.begin_anew()
            return
        known = name in self.ended.breached
        self.ended.breached[name] = reason
        guarded.begin_anew()
        if self._orders.stores and name not in self._orders.returns:
            if not known:
                self._back.leave(guarded.route, reason, _on_k3s(self._orders.stores))
        elif not known or guarded.may_go_back:
            # Beside the watch of all others, which may be in breach with it.
            self._returning[name] = threading.Thread(target=self._back.take, args=(guarded.route, reason))
            self._returning[name].start()

    def _to_guard(self, name: str) -> Route | None:
        """The route when this guard is to judge it: its canary has weight, there is a way back, and no run works on it."""
        returning = self._returning.get(name)
        store = self._store(name)
        if (returning and returning.is_alive()) or store.held():
            return None
        try:
            route = store.read()
        except ReplatformError:
            return None  # another hand wrote it
        if route is None or route.canary is None or route.canary.name != self._orders.side:
            return None
        return route if route.weight and route.primary.servers else None

    def _count(self) -> Snapshot | None:
        try:
            counted = parse(self._api.metrics_text(), [f"{name}-{self._orders.side}" for name in self._orders.plans])
        except ReplatformError:
            return None
        return counted if counted.started_s else None

    def _let_go(self, name: str) -> None:
        self._guarded.pop(name).close()

    def _tell(self, edge: str) -> None:
        services = {
            name: {"weight": guarded.route.weight, "breach": guarded.breach, "way_back": guarded.way_back}
            for name, guarded in self._guarded.items()
        }
        self._place.tell(self._name, time=utc_now(), edge=edge, services=services)


def _on_k3s(stores: t.Sequence[str]) -> str:
    return (
        f"{', '.join(stores)} {'is' if len(stores) == 1 else 'are'} on K3s, or on the way there, where services of the Swarm do not look; "
        "playbooks/rollback.yml -e phase=cutover brings both back"
    )
