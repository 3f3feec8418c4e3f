# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do next about one service's traffic. Pure: no clock, no file, no network."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Done, Refused, Step
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import Route, Side


@dataclass(frozen=True)
class Wanted:
    """What is asked for. O(state) is C(present), C(shifted), C(promoted) or C(rolled_back).

    The weight in O(route) is not looked at.
    """

    route: Route
    state: str
    step_weights: tuple[int, ...] = (5, 25, 50, 75, 100)
    max_weight: int = 100
    threshold: int = 3


@dataclass(frozen=True)
class World:
    """What is seen.

    O(route) is what the dynamic file says, None without one; O(in_effect) whether Traefik's API shows the same;
    O(safe_weight) the weight that last passed its watch with these canary servers, None when that is not known.
    O(prechecked) is the route whose servers all answered just now. O(breaches) counts failed checks in a row and O(breach)
    tells the last. O(fault) is a reason to keep the hands off (a broken foreign file).
    """

    route: Route | None
    in_effect: bool = False
    safe_weight: int | None = None
    prechecked: Route | None = None
    breaches: int = 0
    breach: str = ""
    fault: str = ""


def merged(wanted: Route, existing: Route | None) -> Route:
    """The route to have now: what is wanted, with the weight, and where nothing is said the servers, that are there."""
    if existing is None:
        return replace(wanted, weight=0)
    primary = wanted.primary if wanted.primary.servers else replace(wanted.primary, servers=existing.primary.servers)
    canary = wanted.canary
    if existing.canary is not None and (canary is None or (not canary.servers and canary.name == existing.canary.name)):
        canary = existing.canary
    return replace(wanted, primary=primary, canary=canary, weight=existing.weight)


def schedule(wanted: Wanted) -> list[int]:
    """The weights of the whole way up, in order, ending with O(wanted.max_weight)."""
    return sorted({w for w in wanted.step_weights if 0 < w < wanted.max_weight} | {wanted.max_weight})


def target(world: World, wanted: Wanted) -> Route:
    """The route to have at the weight that is there; one that is promoted has nothing to go back to."""
    route = merged(wanted.route, world.route)
    if wanted.state == "promoted":
        return replace(route, primary=replace(route.primary, servers=()))
    return route


def next_step(world: World, wanted: Wanted) -> Decision:
    """The one next thing to do, C(Done), or C(Refused) with a reason that names the mend."""
    route = target(world, wanted)
    blocked = _blocked(world, wanted, route)
    if blocked is not None:
        return blocked
    if world.route is None or world.route != route:
        return _checked_first(world, route, "update" if world.route else "create")
    if not world.in_effect:
        return Step("settle", {"service": route.name}, changes=False)
    if wanted.state in ("present", "promoted"):
        return Done(f"{route.name} has {route.weight} % on the canary")
    goal = wanted.max_weight if wanted.state == "shifted" else 0
    if route.weight > goal:
        return _weight_step(route, goal)
    if route.weight > 0 and world.safe_weight != route.weight:
        return Step("watch", {"service": route.name, "weight": route.weight}, changes=False)
    if route.weight == goal:
        return Done(f"{route.name} has {route.weight} % on the canary")
    to = next(weight for weight in schedule(wanted) if weight > route.weight)
    return _checked_first(world, replace(route, weight=to), "weight")


def after(world: World, step: Step, wanted: Wanted) -> Route:
    """The route that O(step) makes, or is about."""
    if step.name in ("weight", "watch") and world.route is not None:
        return replace(world.route, weight=step.data["weight"])
    route = target(world, wanted)
    return replace(route, weight=step.data.get("weight", route.weight))


def simulate(world: World, step: Step, wanted: Wanted) -> World:
    """The world after a step that went well; what check mode shows."""
    route = after(world, step, wanted)
    if step.name == "precheck":
        return replace(world, prechecked=route)
    if step.name in ("weight", "watch"):
        return replace(world, route=route, safe_weight=route.weight, in_effect=True)
    return replace(world, route=route, in_effect=True)


def _blocked(world: World, wanted: Wanted, route: Route) -> Decision | None:
    if world.fault:
        return Refused(world.fault)
    if wanted.state == "promoted" and route.weight < 100:
        return Refused(
            f"service '{route.name}' has {route.weight} % on the canary, not 100: shift it before promoting it"
        )
    if not route.primary.servers and (route.weight < 100 or wanted.state == "rolled_back"):
        return Refused(f"service '{route.name}' has no server on its primary side '{route.primary.name}'")
    if route.canary is not None and route.canary.name == route.primary.name:
        return Refused(f"both sides of service '{route.name}' are named '{route.primary.name}'")
    if wanted.state == "shifted" and not (route.canary and route.canary.servers):
        return Refused(f"service '{route.name}' has no server on its canary side: nothing to shift to")
    if world.breaches >= wanted.threshold:
        if wanted.state == "shifted" and world.route is not None and world.route.weight > 0:
            # While the canary breaches, every share of it loses requests: all the way back, not one step.
            return _weight_step(world.route, 0, world.breach)
        return Refused(f"service '{route.name}': {world.breach}; {wanted.threshold} checks failed")
    return None


def _weight_step(route: Route, weight: int, reason: str = "") -> Step:
    data: dict[str, t.Any] = {"service": route.name, "weight": weight, "from_weight": route.weight}
    if reason:
        data["reason"] = reason
    return Step("weight", data)


def _checked_first(world: World, route: Route, name: str) -> Step:
    """The step O(name), or the probe of all that will serve after it, when that has not been done yet."""
    data = {"service": route.name, "weight": route.weight}
    if world.prechecked != route:
        return Step("precheck", data, changes=False)
    if name == "weight" and world.route is not None:
        return _weight_step(world.route, route.weight)
    return Step(name, {**data, "servers": {side.name: list(side.servers) for _name, side, _weight in route.children()}})


def serving(route: Route) -> list[Side]:
    """The sides that get traffic at this weight."""
    return [side for _name, side, weight in route.children() if weight > 0 and side.servers]
