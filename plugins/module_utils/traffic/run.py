# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the options of the module C(traffic_shift) to its result."""

from __future__ import annotations

import contextlib
import typing as t
from functools import partial

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.journal import Journal
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Step, drive
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.analysis import Thresholds
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.edge_api import EdgeApi
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.operation import ShiftOperation, Timing
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import (
    NAME,
    HealthCheck,
    Route,
    Side,
    diff,
    server_url,
)
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.shift import Wanted, World, next_step, simulate
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.store import Store


def wanted_from(params: t.Mapping[str, t.Any]) -> Wanted:
    """What the module's options ask for; C(ReplatformError) names the option that can not be meant."""
    name = params["name"]
    if not NAME.match(name):
        raise ReplatformError(f"name '{name}' must be lower-case letters, digits and dashes")
    weights = [*params["step_weights"], params["max_weight"]]
    if not all(0 <= weight <= 100 for weight in weights) or params["max_weight"] < 1:
        raise ReplatformError("step_weights must be from 0 to 100 and max_weight from 1 to 100")
    if params["threshold"] < 1 or params["interval"] <= 0:
        raise ReplatformError("threshold must be at least 1 and interval above 0")
    check = params["health_check"]
    route = Route(
        name=name,
        rule=params["rule"],
        primary=_side(params["primary"]),
        canary=_side(params["canary"]) if params["canary"] else None,
        health=HealthCheck(check["path"], check["interval"], check["timeout"], check["host"]),
        entry_points=tuple(params["entry_points"]),
        retry_attempts=params["retry_attempts"],
    )
    return Wanted(route, params["state"], tuple(params["step_weights"]), params["max_weight"], params["threshold"])


def run(params: t.Mapping[str, t.Any], check_mode: bool, result: dict[str, t.Any]) -> None:
    """Drives the service to its state and fills O(result) as it goes, so that a failure shows the steps before it."""
    wanted = wanted_from(params)
    store = Store(wanted.route.name, params["dynamic_dir"], params["state_dir"])
    thresholds = Thresholds(params["request_success_rate"]["min"], params["request_duration"]["max"])
    timing = Timing(params["interval"], min(1.0, params["interval"]), params["in_effect_timeout"])
    operation = ShiftOperation(wanted, store, EdgeApi(params["api_url"]), thresholds, timing, check_mode=check_mode)
    journal = Journal(None if check_mode else params["journal"], params["phase"], "traffic_shift", wanted.route.name)
    lock = contextlib.nullcontext() if check_mode else store.locked(params["lock_timeout"])

    with lock:
        before = store.read()
        foreseen: list[World] = []

        def act(step: Step) -> dict[str, t.Any]:
            done = operation.act(step)
            result["steps"].append({"name": step.name, **step.data, **done})
            result["changed"] = result["changed"] or step.changes
            return done

        def foresee(world: World, step: Step) -> World:
            foreseen.append(simulate(world, step, wanted))
            return foreseen[-1]

        outcome = drive(
            operation.observe,
            partial(next_step, wanted=wanted),
            act,
            journal,
            deadline_s=params["deadline"],
            simulate=foresee,
            check_mode=check_mode,
        )
        after = foreseen[-1].route if foreseen else store.read()
    result.update(
        changed=outcome.changed,
        steps=outcome.steps,
        weight=after.weight if after else 0,
        diff=diff(before, after, store.path),
    )


def _side(side: t.Mapping[str, t.Any]) -> Side:
    if not NAME.match(side["name"]):
        raise ReplatformError(f"name '{side['name']}' of a side must be lower-case letters, digits and dashes")
    return Side(side["name"], tuple(sorted({server_url(server) for server in side["servers"]})))
