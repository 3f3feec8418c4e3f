# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the options of the module C(traffic_shift) to its result."""

from __future__ import annotations

import contextlib
import os
import typing as t
from functools import partial

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Step, drive
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.deadman import Controller, DeadMan
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.edge_api import EdgeApi
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.evidence import Evidence
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.operation import ShiftOperation, Timing
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.options import plan_from, wanted_from
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.progress import Progress
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import diff
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.shift import World, next_step, simulate
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.store import Store


def run(params: t.Mapping[str, t.Any], check_mode: bool, result: dict[str, t.Any]) -> None:
    """Drives the service to its state and fills O(result) as it goes, so that a failure shows the steps before it."""
    wanted = wanted_from(params)
    store = Store(wanted.route.name, params["dynamic_dir"], params["state_dir"])
    controller = Controller(params["controller_sign"] or "", params["controller_timeout"])
    journal = Evidence(None if check_mode else params["journal"], params["phase"], "traffic_shift", wanted.route.name)
    operation = ShiftOperation(
        wanted,
        store,
        EdgeApi(params["api_url"]),
        plan_from(params),
        Timing(params["in_effect_timeout"], params["drain_timeout"]),
        _dead_man(params, store, controller),
        Progress(os.path.join(store.state_dir, f"{wanted.route.name}.progress.json"), wanted.route.name),
        journal,
        check_mode=check_mode,
    )
    waiting = store.call_back if wanted.state == "rolled_back" else lambda: None
    lock = contextlib.nullcontext() if check_mode else store.locked(params["lock_timeout"], waiting)

    with contextlib.closing(controller), lock:
        if not check_mode:
            store.answer_call()
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

        try:
            with operation.leaving_safe(recorded=True):
                outcome = drive(
                    operation.observe,
                    partial(next_step, wanted=wanted),
                    act,
                    journal,
                    deadline_s=params["deadline"],
                    simulate=foresee,
                    check_mode=check_mode,
                )
        except ReplatformError as exc:
            if not check_mode and result["steps"]:
                operation.progress.say(
                    "failed", operation.world.route.weight if operation.world.route else 0, reason=str(exc)
                )
            raise
        finally:
            operation.dead_man.disarm()
            result["warnings"] = unjudged(wanted.route.name, result["steps"])
            if journal.fault:
                result["warnings"].append(
                    f"{journal.fault}: not all of this shift of '{wanted.route.name}' is recorded"
                )
        after = foreseen[-1].route if foreseen else store.read()
        if not check_mode and outcome.steps:
            operation.progress.say("done", after.weight if after else 0, reason="")
    result.update(
        changed=outcome.changed,
        steps=outcome.steps,
        weight=after.weight if after else 0,
        diff=diff(before, after, store.path),
    )


def unjudged(name: str, steps: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    """Of each weight that passed on probes alone."""
    return [
        f"service '{name}' at weight {step['weight']}: {step['too_few']}, so its watch rests on probes alone; a longer interval sees more,"
        " and min_requests lets it fail"
        for step in steps
        if step.get("too_few") and step.get("passed") and "weight" in step
    ]


def _dead_man(params: t.Mapping[str, t.Any], store: Store, controller: Controller) -> DeadMan:
    in_state = partial(os.path.join, store.state_dir)
    name = params["name"]
    return DeadMan(
        params["dead_man"] or "",
        in_state(f"{name}.deadman.json"),
        params["dead_man_patience"],
        controller,
        {
            "api_url": params["api_url"],
            "journal": params["journal"],
            "lock": in_state(f"{name}.lock"),
            "path": store.path,
            "phase": params["phase"],
            "strangers": in_state("strangers"),
        },
    )
