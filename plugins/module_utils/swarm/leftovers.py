# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do next to have nothing of a Swarm left on a host that has left it, and to have it as it was again. Pure.

The world: C(active) (in a Swarm), C(rules) (of firewalls, RV(firewalls)), C(noted) (what was closed, or nothing), C(network)
(docker_gwbridge, or nothing: C(users), C(ingress) and C(spec)), C(tables) (rules of iptables by table), C(namespace) (whether that of
the ingress is there and unused), C(held) (ports that Docker itself holds, in words), C(unit) (Docker's, where it runs), C(interrupts)
(containers that would not stay as they are if it were started again), C(tried) (what this run has done to have them let go).
"""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Done, Refused, Step
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import firewalls, ports

World = t.Mapping[str, t.Any]
NOTHING: dict[str, t.Any] = {"rules": [], "network": None}


def closing(world: World, foreseen: bool = False) -> Decision:
    """Towards a host without anything of the Swarm. O(foreseen): it is about to leave, as in check mode."""
    if world["active"] and not foreseen:
        return Refused("this host is in a Swarm, whose ports stay open: have it leave first (module swarm_leave)")
    noted = world["noted"] or NOTHING
    network = world["network"]
    goes = network is not None and not network["users"]
    if any(rule not in noted["rules"] for rule in world["rules"]) or (goes and noted["network"] != network["spec"]):
        what = [firewalls.text(rule) for rule in world["rules"]] + ([f"network {ports.BRIDGE}"] if goes else [])
        return Step("note", {"what": ", ".join(what)})
    for rule in world["rules"]:
        return Step("close_rule", {"rule": firewalls.text(rule)})
    if goes:
        if network["ingress"] and not world["active"]:
            return Step("disconnect", {"network": ports.BRIDGE, "endpoint": network["ingress"]})
        return Step("remove_network", {"network": ports.BRIDGE})
    return _rules(world) or _last(world)


def opening(world: World) -> Decision:
    """Towards the host that was there before RV(closing); where Docker holds a port of the Swarm, it could not listen there anew."""
    if world["held"]:
        return _let_go(world)
    if world["noted"] is None:
        return Done("nothing was closed here")
    if world["noted"]["network"] and not world["network"]:
        return Step("create_network", {"network": ports.BRIDGE})
    for rule in world["noted"]["rules"]:
        if rule not in world["rules"]:
            return Step("open_rule", {"rule": firewalls.text(rule)})
    return Step("forget")


def _rules(world: World) -> Decision | None:
    for table, rules in sorted(world["tables"].items()):
        for rule in ports.stale_rules(table, rules, world["network"] is not None):
            return Step("remove_rule", {"table": table, "rule": rule})
        if ports.has_chain(rules):
            return Step("remove_chain", {"table": table, "chain": ports.INGRESS})
    return None


def _last(world: World) -> Decision:
    if world["namespace"]:
        return Step("remove_namespace", {"namespace": "ingress_sbox"})
    if world["held"]:
        return _let_go(world)
    return Done("nothing of the Swarm is left on this host")


def _let_go(world: World) -> Step:
    """Docker has let go when a host has left, but where its goodbye took longer than a second: then it holds them until it starts again.

    moby, libnetwork/networkdb, C(clusterLeave): what fails there returns before the socket is closed.
    """
    data = {"held": world["held"]}
    if "wait_for_ports" not in world["tried"]:
        return Step("wait_for_ports", data, changes=False)
    if _may_restart(world):
        return Step("restart_engine", {**data, "unit": world["unit"]})
    interrupts = {"interrupts": ", ".join(world["interrupts"])} if world["interrupts"] else {}
    return Step("wait_for_ports", {**data, "mend": "systemctl restart docker", **interrupts}, changes=False)


def _may_restart(world: World) -> bool:
    return bool(world["unit"]) and not world["interrupts"] and "restart_engine" not in world["tried"]


def simulate(world: World, step: Step) -> dict[str, t.Any]:
    """The world after O(step)."""
    after = copy.deepcopy(dict(world))
    noted = after["noted"] or copy.deepcopy(NOTHING)
    if step.name == "note":
        after["noted"] = with_note(world)
    elif step.name in ("close_rule", "open_rule"):
        known = world["rules"] if step.name == "close_rule" else noted["rules"]
        (rule,) = [one for one in known if firewalls.text(one) == step.data["rule"]][:1]
        after["rules"] = [one for one in world["rules"] if one != rule] + [rule] * (step.name == "open_rule")
    elif step.name == "disconnect":
        after["network"]["ingress"] = ""
    elif step.name == "remove_network":
        after["network"] = None
    elif step.name == "create_network":
        after["network"] = {"users": [], "ingress": "", "spec": noted["network"]}
    elif step.name == "remove_rule":
        after["tables"][step.data["table"]].remove(step.data["rule"])
    elif step.name == "remove_chain":
        rules = world["tables"][step.data["table"]]
        after["tables"][step.data["table"]] = [one for one in rules if one.split()[1] != ports.INGRESS]
    elif step.name == "remove_namespace":
        after["namespace"] = False
    elif step.name in ("wait_for_ports", "restart_engine"):
        after["held"] = world["held"] if step.name == "wait_for_ports" and _may_restart(world) else ""
        after["tried"] = world["tried"] | {step.name}
    elif step.name == "forget":
        after["noted"] = None
    return after


def with_note(world: World) -> dict[str, t.Any]:
    """What is to be noted: what was noted before, and what is about to go."""
    noted = world["noted"] or NOTHING
    network = world["network"]
    return {
        "rules": [*noted["rules"], *(rule for rule in world["rules"] if rule not in noted["rules"])],
        "network": network["spec"] if network and not network["users"] else noted["network"],
    }
