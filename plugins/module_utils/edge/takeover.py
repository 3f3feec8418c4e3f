# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Taking ports over and giving them back, one step at a time; nothing here touches the host."""

from __future__ import annotations

import ipaddress
import re
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.sophia.replatform.plugins.module_utils.edge import ruleset
from ansible_collections.sophia.replatform.plugins.module_utils.edge.ruleset import Plan, Table
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Done, Refused, Step


@dataclass(frozen=True)
class World:
    """What there is on the host.

    O(nft) is whether nftables is there; O(table) is what is loaded, O(kept) the content of the file that is loaded at boot. O(silent) has
    a line for each wanted port that does not answer, O(others) one for each redirection of a wanted port by another hand, O(alone) the
    ports that nobody but the new listener serves, O(connections) counts those at the ports that the table leads to.
    """

    nft: bool
    table: Table | None
    kept: str | None
    silent: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    alone: tuple[int, ...] = ()
    connections: int = 0


def check(plan: Plan, present: bool) -> None:
    """Raises C(RefusedError), which names the option, for a plan that can't be meant."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", plan.table):
        raise RefusedError(f"table: {plan.table!r} is no name for a table; use letters, digits and _")
    if present and not plan.redirects:
        raise RefusedError("redirects: name at least one port; state absent gives the ports back")
    ports = [redirect.port for redirect in plan.redirects]
    for redirect in plan.redirects:
        for port in (redirect.port, redirect.to_port):
            if not 0 < port < 65536:
                raise RefusedError(f"redirects: {port} is not a port from 1 to 65535")
        if ports.count(redirect.port) > 1:
            raise RefusedError(f"redirects: port {redirect.port} is there twice; give it one to_port")
        if redirect.to_port in ports:
            raise RefusedError(
                f"redirects: to_port {redirect.to_port} is itself redirected; give the listener a port of its own"
            )
    for source in plan.exempt:
        try:
            ipaddress.ip_network(source, strict=False)
        except ValueError:
            raise RefusedError(f"exempt_sources: {source!r} is no address and no network") from None


def next_step(plan: Plan, present: bool, world: World) -> Decision:
    """The next step towards the ports being taken over (O(present)) or given back."""
    return _take(plan, world) if present else _give_back(plan, world)


def _take(plan: Plan, world: World) -> Decision:
    if not world.nft:
        return Refused("nft is not there; install the package nftables on this host (do not enable its service)")
    if world.others:
        return Refused(f"{'; '.join(world.others)}: end that first, two redirections of one port can't both hold")
    if world.silent:
        return Refused(f"{'; '.join(world.silent)}; a port is only redirected to one that answers")
    if world.table != ruleset.wanted(plan):
        return Step("redirect", {"ports": {str(each.port): each.to_port for each in plan.redirects}})
    if world.kept != ruleset.text(plan):
        return Step("keep_for_boot")
    return Done("new connections are redirected")


def _give_back(plan: Plan, world: World) -> Decision:
    if world.table and world.table.leads and world.alone:
        ports = ", ".join(str(port) for port in world.alone)
        return Refused(
            f"nobody but the redirection serves port {ports}: connections would be refused; let it stay, or force it"
        )
    # First, or a boot in between would load it again.
    if world.kept is not None:
        return Step("forget_at_boot")
    if world.table is None:
        return Done("nothing is redirected")
    if world.table.leads:
        return Step("release")
    if world.connections:
        return Done(
            f"nothing new is redirected; the table stays for {world.connections} open connections until the next run"
        )
    return Step("remove_table")


def simulate(plan: Plan, world: World, step: Step) -> World:
    """The world after O(step)."""
    changes: dict[str, dict[str, t.Any]] = {
        "redirect": {"table": ruleset.wanted(plan)},
        "keep_for_boot": {"kept": ruleset.text(plan)},
        "forget_at_boot": {"kept": None},
        "release": {"table": world.table and replace(world.table, prerouting=(), output=())},
        "remove_table": {"table": None},
    }
    return replace(world, **changes[step.name])
