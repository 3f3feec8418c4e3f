# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each step would do to a world: check mode's way through the loop that archives and restores. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.sophia.replatform.plugins.module_utils.loop import Step
from ansible_collections.sophia.replatform.plugins.module_utils.repository import edits
from ansible_collections.sophia.replatform.plugins.module_utils.repository.archive import NOTHING, Wanted, World
from ansible_collections.sophia.replatform.plugins.module_utils.repository.backup import Backup
from ansible_collections.sophia.replatform.plugins.module_utils.repository.ledger import Ledger


def simulate(world: World, step: Step, wanted: Wanted) -> World:
    """The world as it would be after a step."""
    if step.name == "unlock":
        return replace(world, index_lock="")
    if step.name == "rotate":
        return replace(world, doomed=())
    ledger = world.ledger
    if ledger is None or not ledger.is_open:
        return _prepared(world, step, wanted)
    if "category" in step.data:
        back = step.name.startswith("return ")
        here = [
            (not back) if move.category == step.data["category"] else was
            for move, was in zip(ledger.moves, world.arrived)
        ]
        return replace(world, arrived=tuple(here))
    if step.name in ("edit", "unedit"):
        return replace(world, edited=(edits.AFTER if step.name == "edit" else edits.BEFORE,) * len(ledger.edits))
    if step.name in ("stage", "unstage"):
        return replace(world, indexed=step.name == "stage", unstaged=step.name == "unstage")
    if step.name == "commit":
        return replace(world, commit="(the commit)", head="(the commit)")
    if step.name == "push":
        return replace(world, remote_head=world.commit)
    return replace(
        world,
        ledger=replace(ledger, closed={"outcome": step.name}),
        plan=NOTHING,
        undos=tuple(undo for undo in world.undos if undo.id != ledger.opened.get("undoes")),
        doomed=world.backups[: -wanted.backup_keep] if wanted.backup_keep else (),
        backup=None,
        commit="",
    )


def _prepared(world: World, step: Step, wanted: Wanted) -> World:
    """After a step that comes before anything moves."""
    if step.name == "branch":
        return replace(world, branch=wanted.branch, branch_head=world.head)
    if step.name == "backup":
        return replace(world, backup=Backup("(the backup)", {}, {}), backups=(*world.backups, "(the backup)"))
    if step.name == "verify" and world.backup is not None:
        return replace(world, backup=replace(world.backup, verified={"members": 0}))
    plan = world.due(wanted)
    opened: dict[str, t.Any] = {"branch": world.branch, "base": world.head, "came_from": world.branch}
    opened.update(state=wanted.state, backup={"path": "(the backup)"})
    if wanted.restores:
        opened["undoes"] = world.undos[0].id
    return replace(
        world,
        ledger=Ledger(opened, plan.moves, edits=plan.edits),
        arrived=(False,) * len(plan.moves),
        edited=(edits.BEFORE,) * len(plan.edits),
        indexed=False,
        unstaged=True,
        lost=(),
    )
