# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do next about one service's traffic. Pure: no clock, no file, no network."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Done, Refused, Step
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.gates import Gate
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import Route, Side


@dataclass(frozen=True)
class Wanted:
    """What is asked for. O(state) is C(present), C(shifted), C(promoted) or C(rolled_back).

    The weight in O(route) is not looked at. O(mirror) is the percentage of safe requests that are copied to the canary before
    its first weight, 0 for none; O(skip_analysis) goes to O(max_weight) in one step that nobody watches. Nothing is
    raised above O(until), and nothing is lowered to it. Neither a breach nor an error lowers below O(min_weight) what has reached it;
    O(reason) is the breach, seen elsewhere, for which it is rolled back.
    """

    route: Route
    state: str
    step_weights: tuple[int, ...] = (5, 25, 50, 75, 100)
    max_weight: int = 100
    threshold: int = 3
    gates: tuple[Gate, ...] = ()
    mirror: int = 0
    skip_analysis: bool = False
    until: int = 100
    min_weight: int = 0
    reason: str = ""


@dataclass(frozen=True)
class World:
    """What is seen.

    O(route) is what the dynamic file says, None without one; O(in_effect) whether Traefik's API shows the same;
    O(safe_weight) the weight that last passed its watch with these canary servers, None when that is not known.
    O(prechecked) is the route whose servers all answered just now. O(breaches) counts failed checks in a row and O(breach)
    tells the last. O(fault) is a reason not to go on (a stranger's broken file); it never stands in the way back. O(mirrored) says
    that the copies were answered well, O(open_gates) has name and weight of the gates that let it pass. O(floor) is the weight below
    which neither a breach nor an error takes this canary, 0 when there is none.
    """

    route: Route | None
    in_effect: bool = False
    safe_weight: int | None = None
    prechecked: Route | None = None
    breaches: int = 0
    breach: str = ""
    fault: str = ""
    mirrored: bool = False
    open_gates: frozenset[tuple[str, int]] = frozenset()
    floor: int = 0


def merged(wanted: Route, existing: Route | None) -> Route:
    """The route to have now: what is wanted, with the weight, and where nothing is said the servers, that are there."""
    if existing is None:
        return replace(wanted, weight=0)
    primary = wanted.primary if wanted.primary.servers else replace(wanted.primary, servers=existing.primary.servers)
    canary = wanted.canary
    if existing.canary is not None and (canary is None or (not canary.servers and canary.name == existing.canary.name)):
        canary = existing.canary
    return replace(
        wanted,
        primary=primary,
        canary=canary,
        weight=existing.weight,
        tail=existing.tail,
        mirror=existing.mirror,
    )


def schedule(wanted: Wanted) -> list[int]:
    """The weights of the whole way up, in order, ending with O(wanted.max_weight)."""
    if wanted.skip_analysis:
        return [wanted.max_weight]
    return sorted({w for w in wanted.step_weights if 0 < w < wanted.max_weight} | {wanted.max_weight})


def target(world: World, wanted: Wanted) -> Route:
    """The route to have at the weight that is there; one that is promoted has nothing to go back to."""
    route = merged(wanted.route, world.route)
    if wanted.state == "promoted":
        return replace(route, primary=replace(route.primary, servers=()), tail=False)
    return route


def next_step(world: World, wanted: Wanted) -> Decision:
    """The one next thing to do, C(Done), or C(Refused) with a reason that names the mend."""
    route = target(world, wanted)
    blocked = _blocked(world, wanted, route)
    if blocked is not None:
        return blocked
    if wanted.state == "rolled_back" and world.route is not None and _is_to_go(world.route, wanted):
        if world.floor:
            return Refused(f"service '{route.name}': {wanted.reason}; {stays(route, world.floor)}")
        return _weight_step(route, 0, wanted.reason)
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
        if route.tail:
            return Step("drain", {"service": route.name, "weight": route.weight})
        return Done(f"{route.name} has {route.weight} % on the canary")
    return _up(world, wanted, route)


def _up(world: World, wanted: Wanted, route: Route) -> Decision:
    to = next(weight for weight in schedule(wanted) if weight > route.weight)
    if to > wanted.until:
        return Done(f"{route.name} has {route.weight} % on the canary and waits there")
    if route.weight == 0 and wanted.mirror and not world.mirrored:
        mirrored = replace(route, mirror=wanted.mirror, tail=False)
        if route == mirrored:
            return Step("mirror", {"service": route.name, "mirror": route.mirror}, changes=False)
        return _checked_first(world, mirrored, "mirror")
    for gate in wanted.gates:
        if gate.stands_before(to) and (gate.name, to) not in world.open_gates:
            return Step("gate", {"service": route.name, "weight": to, "gate": gate.name}, changes=False)
    return _checked_first(world, replace(route, weight=to, mirror=0, tail=_needs_tail(route, to)), "weight")


def after(world: World, step: Step, wanted: Wanted) -> Route:
    """The route that O(step) makes, or is about."""
    route = target(world, wanted)
    if step.name == "weight" and world.route is not None:
        base = route if wanted.state == "rolled_back" else world.route
        return replace(base, weight=step.data["weight"], mirror=0, tail=step.data.get("tail", False))
    if step.name == "watch" and world.route is not None:
        return world.route
    if step.name == "mirror":
        return replace(route, mirror=step.data["mirror"], tail=False)
    if step.name == "drain":
        return replace(route, tail=False)
    if step.name == "precheck":
        mirror, tail = step.data.get("mirror", 0), step.data.get("tail", False)
        return replace(route, weight=step.data["weight"], mirror=mirror, tail=tail)
    return route


def simulate(world: World, step: Step, wanted: Wanted) -> World:
    """The world after a step that went well; what check mode shows."""
    if step.name == "gate":
        return replace(world, open_gates=world.open_gates | {(step.data["gate"], step.data["weight"])})
    route = after(world, step, wanted)
    if step.name == "precheck":
        return replace(world, prechecked=route)
    if step.name in ("weight", "watch"):
        return replace(world, route=route, safe_weight=route.weight, in_effect=True)
    return replace(world, route=route, in_effect=True, mirrored=world.mirrored or step.name == "mirror")


def _blocked(world: World, wanted: Wanted, route: Route) -> Decision | None:
    breached = world.breaches >= wanted.threshold
    if world.fault and not breached and wanted.state != "rolled_back":
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
    if breached:
        failed = f"service '{route.name}': {world.breach}; {wanted.threshold} checks failed"
        if world.floor:
            return Refused(f"{failed}; {stays(route, world.floor)}")
        if wanted.state == "shifted" and world.route is not None and _has_traffic(world.route):
            # While the canary breaches, every share of it loses requests: all the way back, in one cut.
            return _weight_step(world.route, 0, world.breach)
        return Refused(failed)
    return None


def stays(route: Route, floor: int) -> str:
    """What is said of a canary that a breach or an error does not take below O(floor)."""
    return (
        f"'{route.name}' stays at weight {min(route.weight, floor)}: by min_weight its primary side can not serve more; "
        "see to its canary side, then run this again"
    )


def _has_traffic(route: Route) -> bool:
    return route.weight > 0 or route.mirror > 0


def _is_to_go(route: Route, wanted: Wanted) -> bool:
    """Whether the canary has what is to be taken away: traffic, and after a breach the sessions that are else waited for."""
    return _has_traffic(route) or (route.tail and bool(wanted.reason))


def _needs_tail(route: Route, to: int) -> bool:
    return bool(route.sticky) and to in (0, 100)


def _weight_step(route: Route, weight: int, reason: str = "") -> Step:
    data: dict[str, t.Any] = {"service": route.name, "weight": weight, "from_weight": route.weight}
    if reason:
        data["reason"] = reason
    elif _needs_tail(route, weight):
        data["tail"] = True
    return Step("weight", data)


def _checked_first(world: World, route: Route, name: str) -> Step:
    """The step O(name), or the probe of all that will serve after it, when that has not been done yet."""
    data: dict[str, t.Any] = {"service": route.name, "weight": route.weight}
    if world.prechecked != route:
        data.update({"mirror": route.mirror} if route.mirror else {}, **({"tail": True} if route.tail else {}))
        return Step("precheck", data, changes=False)
    if name == "weight" and world.route is not None:
        return _weight_step(world.route, route.weight)
    if name == "mirror":
        return Step(name, {"service": route.name, "mirror": route.mirror})
    return Step(name, {**data, "servers": {side.name: list(side.servers) for _name, side, _weight in route.children()}})


def serving(route: Route) -> list[Side]:
    """The sides that get traffic at this weight, copies included."""
    sides = [side for _name, side, weight in route.children() if weight > 0 and side.servers]
    return sides if not route.mirror or route.canary is None else [*sides, route.canary]
