# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way back of what has broken under guard: the one that a shift goes when its own watch finds a breach."""

from __future__ import annotations

import contextlib
import os
import typing as t
from dataclasses import replace
from functools import partial

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.loop import drive
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.deadman import Controller, DeadMan
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.edge_api import EdgeApi
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.evidence import Evidence
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.operation import ShiftOperation, Timing
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.progress import Progress
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import Route
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.shift import Wanted, next_step
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.store import Store
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.verdicts import Verdicts
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.watch import Plan

_BACK_S = 300.0
# Whoever ends the guard waits for what it is bringing back.
_VERIFY_S = 10.0


class WayBack:
    """Takes services back, or leaves them where they are, and notes which and why."""

    def __init__(
        self,
        plans: t.Mapping[str, Plan],
        store: t.Callable[[str], Store],
        api_url: str,
        verdicts: Verdicts,
        journal: str | None,
        phase: str,
    ) -> None:
        self._plans, self._store, self._api_url, self._verdicts = plans, store, api_url, verdicts
        self._journal, self._phase = journal, phase

    def take(self, route: Route, reason: str) -> None:
        """Takes O(route) back unless it is another by now, or a run has it: that one watches it itself."""
        store = self._store(route.name)
        with contextlib.suppress(RefusedError), store.locked(0.0):
            if store.read() != route:
                return
            # A guard that is killed in the midst has told what it was about.
            with contextlib.suppress(ReplatformError):
                self._verdicts.note_returning(route.name, reason)
            stays = self._back(store, route, reason)
            self._note(route.name, reason, stays, returning=bool(stays) and _is_written(store))

    def leave(self, route: Route, reason: str, stays: str) -> None:
        """Only says that O(route) is in breach."""
        data = {
            "service": route.name,
            "weight": route.weight,
            "reason": f"{reason}; it stays at weight {route.weight}: {stays}",
        }
        Evidence(self._journal, self._phase, "traffic_guard", route.name).write("guard", "refused", data)
        self._note(route.name, reason, stays)

    def _back(self, store: Store, route: Route, reason: str) -> str:
        """Why it did not go back, an empty string when it did; that is not verified is a reason too."""
        plan = self._plans[route.name]
        wanted = Wanted(route, "shifted", threshold=plan.threshold)
        operation = ShiftOperation(
            wanted,
            store,
            EdgeApi(self._api_url),
            replace(plan, interval=min(plan.interval, _VERIFY_S)),
            Timing(),
            DeadMan("", "", 0.0, Controller(), {}),
            Progress(os.path.join(store.state_dir, f"{route.name}.progress.json"), route.name),
            Evidence(self._journal, self._phase, "traffic_shift", route.name),
        )
        operation.breached(f"{reason} (under guard)")
        try:
            drive(
                operation.observe,
                partial(next_step, wanted=wanted),
                operation.act,
                operation.journal,
                deadline_s=_BACK_S,
            )
        except RefusedError:
            return ""  # when it is back, a shift ends with a refusal, and so does this
        except ReplatformError as exc:
            return str(exc)
        except Exception as exc:  # noqa: BLE001 - nobody else would hear of it, and the verdict must not say that it is back
            return f"the guard has failed: {exc!r}"
        return ""

    def _note(self, service: str, reason: str, stays: str = "", *, returning: bool = False) -> None:
        with contextlib.suppress(ReplatformError):  # a full disk: the journal, and the weight, say so too
            self._verdicts.note(service, reason, stays, returning=returning)


def _is_written(store: Store) -> bool:
    """Whether its file has weight 0, though nobody has seen that in effect."""
    with contextlib.suppress(ReplatformError):  # another hand wrote it
        route = store.read()
        return route is not None and not route.weight
    return False
