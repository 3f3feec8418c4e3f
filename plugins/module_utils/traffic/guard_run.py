# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the options of the module C(traffic_guard) to its result."""

from __future__ import annotations

import typing as t
from functools import partial

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.edge_api import EdgeApi
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.guard import Ended, Guard, Orders
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.guard_place import Place
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.guard_way_back import WayBack
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.options import plan_from
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import NAME
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.store import Store
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.verdicts import Verdicts
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.watch import Plan


def run(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What O(params) ask for; C(ReplatformError) when that can't be."""
    place, verdicts = Place(params["state_dir"]), Verdicts(params["state_dir"])
    result: dict[str, t.Any] = {"changed": False}
    if params["state"] == "guarding":
        ended = guard(params, place, verdicts)
        result.update(changed=bool(ended.breached), reason=ended.reason, breached=ended.breached)
    elif params["state"] == "ended":
        place.give_up(params["patience"])
    elif params["id"]:
        place.await_guard(params["id"], params["patience"])
    told = place.told()
    services = told.get("services") or {}
    return {
        **result,
        "guarded_by": place.guarded_by(),
        "verdicts": verdicts.read(),
        "edge": told.get("edge", ""),
        "no_way_back": {name: said["way_back"] for name, said in services.items() if said["way_back"]},
    }


def guard(params: t.Mapping[str, t.Any], place: Place, verdicts: Verdicts) -> Ended:
    """Takes the place and guards; why that can't be is told to those who wait for it, too."""
    name = params["id"]
    if not name:
        raise ReplatformError("state guarding needs an id that no other guard has had")
    place.claim(name)
    try:
        plans = {service["name"]: _plan(service, params) for service in params["services"]}
        with place.taken(name, params["patience"]):
            if params["fresh"]:
                verdicts.forget()
            return Guard(
                name, place, _orders(params, plans), EdgeApi(params["api_url"]), *_means(params, plans, verdicts)
            ).run()
    except ReplatformError as exc:
        place.tell(name, fault=str(exc))
        raise


def _plan(service: t.Mapping[str, t.Any], params: t.Mapping[str, t.Any]) -> Plan:
    if not NAME.match(service["name"]):
        raise ReplatformError(f"services: name '{service['name']}' must be lower-case letters, digits and dashes")
    if service["threshold"] < 1 or service["interval"] <= 0:
        raise ReplatformError(f"services: threshold of '{service['name']}' must be at least 1 and its interval above 0")
    return plan_from({**service, "prober_dir": params["prober_dir"], "in_effect_timeout": params["in_effect_timeout"]})


def _orders(params: t.Mapping[str, t.Any], plans: t.Mapping[str, Plan]) -> Orders:
    return Orders(
        plans, params["side"], params["deadline"], params["hold"], tuple(params["stores"]), tuple(params["returns"])
    )


def _means(
    params: t.Mapping[str, t.Any], plans: t.Mapping[str, Plan], verdicts: Verdicts
) -> tuple[t.Callable[[str], Store], WayBack]:
    store = partial(Store, dynamic_dir=params["dynamic_dir"], state_dir=params["state_dir"])
    return store, WayBack(plans, store, params["api_url"], verdicts, params["journal"], params["phase"])
