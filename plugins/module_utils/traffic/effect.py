# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A route's file, from the write until Traefik serves what it says, whatever else lies in its folder."""

from __future__ import annotations

import time
from functools import partial

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.edge_api import EdgeApi
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import Route
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.store import Store
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.strangers import Strangers, broken

# On the way back nobody waits longer than this for a server that may be dead, or for a stranger's file to be let alone.
PATIENCE_S = 1.0
_POLL_S = 0.05
# Traefik says in whole seconds when it last took a change, which it read a moment before: what changed around that time may have been taken or not.
_RELOAD_S = 1.0
# After a change it takes none for so long, unless providersThrottleDuration says otherwise.
_THROTTLE_S = 2.0


class Effect:
    """The file in O(store) and what the O(api) shows of it; Traefik may take O(in_effect_s) seconds to show a change."""

    def __init__(self, store: Store, api: EdgeApi, strangers: Strangers, in_effect_s: float) -> None:
        self._store = store
        self._api = api
        self._strangers = strangers
        self._in_effect_s = in_effect_s
        self._told = ""

    def write(self, route: Route) -> int:
        """Writes the route and waits until Traefik serves it; the old file comes back when it does not. Milliseconds."""
        last_good = self._store.read()
        self._api.in_effect(route)  # raises before anything is written when nobody could tell us the outcome
        if last_good is not None and not last_good.weight:
            self._store.forget_weight()
        written_s = time.time()
        self._store.write(route)
        try:
            in_effect_ms = self.await_change(route)
        except ReplatformError:
            if last_good is None:
                self._store.remove()
            else:
                self._store.write_back(last_good)
            raise
        self._strangers.keep(written_s)
        return in_effect_ms

    def await_change(self, route: Route) -> int:
        """Waits until Traefik serves the route. Milliseconds; C(ReplatformError) when it does not in time."""
        begin = time.monotonic()
        if not self._comes_within(self._in_effect_s, route):
            others = self._strangers.files()
            hint = f"look at {', '.join(others)}" if others else "see the log of Traefik"
            raise ReplatformError(
                f"Traefik does not take the change of service '{route.name}' within {self._in_effect_s:g} s "
                f"(one broken file in {self._store.dynamic_dir} stops all): {hint}{self._told}"
            )
        return round((time.monotonic() - begin) * 1000)

    def await_back(self, route: Route) -> list[str]:
        """Waits until it is in effect, and returns the files of strangers that were put back meanwhile.

        They are let alone while Traefik takes changes. When it takes none, first what does not parse goes back, then what it has surely not taken, then,
        once it is not its throttle that holds up ours, what it may not have taken, the least likely last.
        """
        mended: list[str] = []
        patience_s = PATIENCE_S
        surely, maybe, hardly = (partial(self._unread, after_s=after_s) for after_s in (_RELOAD_S, 0.0, -_RELOAD_S))
        for suspects in (self._unparsed, surely, maybe, hardly):
            if suspects is maybe:
                patience_s = max(patience_s, self._throttled_s(route))
            if self._comes_within(PATIENCE_S if suspects is hardly else patience_s, route):
                break
            now = self._mend(suspects(route))
            mended += now
            patience_s = PATIENCE_S if now else 0.0
        self.await_change(route)
        return mended

    def _comes_within(self, seconds: float, route: Route) -> bool:
        end = time.monotonic() + seconds
        while not self._api.in_effect(route):
            if time.monotonic() >= end:
                return False
            time.sleep(_POLL_S)  # Traefik tells nobody that it has read
        return True

    def _throttled_s(self, route: Route) -> float:
        """For how long Traefik may take no change because it has just taken one."""
        longest_s = _RELOAD_S + _THROTTLE_S
        return min(longest_s, max(0.0, self._api.snapshot(route).last_reload_s + longest_s - time.time()))

    def _unread(self, route: Route, after_s: float) -> list[str]:
        last_reload_s = self._api.snapshot(route).last_reload_s
        return self._strangers.unread(last_reload_s + after_s, lambda _seconds: None) if last_reload_s else []

    def _unparsed(self, route: Route) -> list[str]:
        """Of what Traefik has not taken; of all when it was started beside such a file: then it has nothing of the folder."""
        paths = self._unread(route, -_RELOAD_S) if self._api.knows(route) else self._strangers.files()
        return [path for path in paths if broken(path)]

    def _mend(self, paths: list[str]) -> list[str]:
        """Our file comes first: one of a stranger's that can't be mended is told of where ours does not come into effect."""
        try:
            mended = self._strangers.mend(paths)
        except (OSError, ReplatformError) as exc:
            self._told += f"; it could not be mended: {exc}"
            return []
        self._told += told(mended)
        return mended


def told(mended: list[str]) -> str:
    """What is said of files of strangers that were put back or set aside."""
    return f"; put back as Traefik last took it, or set aside: {', '.join(mended)}" if mended else ""
