# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do next to archive a repository's clutter. Pure: a world in, a decision out.

The order is fixed: branch, backup, verify, ledger, moves, stage, commit, close. Nothing moves before its copy has been
read back and the intent is on disk. When the repository's hooks refuse the commit, the ledger says C(rollback) and the
same loop goes back the way it came.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Done, Refused, Step
from ansible_collections.sophia.replatform.plugins.module_utils.repository.backup import Backup
from ansible_collections.sophia.replatform.plugins.module_utils.repository.ledger import Ledger
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import few
from ansible_collections.sophia.replatform.plugins.module_utils.repository.plan import Move, Plan


@dataclass(frozen=True)
class Wanted:
    """What the inventory asks for. O(root_limit): the root must hold fewer files than this."""

    branch: str
    root_limit: int = 100
    allow_dirty: bool = False


@dataclass(frozen=True)
class World:
    """One look at the repository.

    O(fault): why nothing can be done at all. O(branch): empty when HEAD is detached; O(head): empty when unborn.
    O(operation): the merge, rebase and so on that is under way. O(branch_head): where the wanted branch points now.
    O(arrived): for each move of an open ledger, whether the file is at its destination. O(lost): moves of which neither
    or both ends exist. O(indexed): whether the index holds the destinations. O(committed): whether HEAD is the commit
    that the open ledger leads to. O(index_lock): empty, C(held) by a git that is at work, or C(left) by one that was killed.
    """

    fault: str = ""
    branch: str = ""
    head: str = ""
    operation: str = ""
    staged: tuple[str, ...] = ()
    dirty: tuple[str, ...] = ()
    branch_head: str = ""
    plan: Plan | None = None
    backup: Backup | None = None
    free_bytes: int = 0
    need_bytes: int = 0
    ledger: Ledger | None = None
    arrived: tuple[bool, ...] = ()
    lost: tuple[str, ...] = ()
    indexed: bool = False
    committed: bool = False
    index_lock: str = ""
    path: str = field(default="", compare=False)


def next_step(world: World, wanted: Wanted) -> Decision:
    """The next step, C(Done), or C(Refused) with one line that names the mend."""
    ledger = world.ledger
    if world.fault:
        return Refused(world.fault)
    if world.index_lock == "held":
        return Refused(f"git is at work in {world.path}, or has left .git/index.lock behind: wait, or remove that file")
    if world.index_lock == "left":
        return Step("unlock")
    if ledger is not None and ledger.is_open:
        return _interrupted(world, ledger) or (_go_back if ledger.rollback else _go_on)(world, ledger)
    refusal = _standing(world)
    if refusal:
        return Refused(refusal)
    plan = t.cast(Plan, world.plan)
    refusal = _gate(plan, wanted)
    if refusal:
        return Refused(refusal)
    if not plan.moves:
        return Done("nothing to archive")
    refusal = _clean(world, wanted) or _branch_free(world, wanted)
    if refusal:
        return Refused(refusal)
    if world.backup is None and world.free_bytes < world.need_bytes:
        return Refused(
            f"repository_backup_path has {world.free_bytes} bytes free and the backup may need {world.need_bytes}:"
            " free some space or name another folder"
        )
    if world.branch != wanted.branch:
        return Step("branch", {"branch": wanted.branch})
    if world.backup is None:
        return Step("backup")
    if not world.backup.verified:
        return Step("verify", {"backup": world.backup.folder}, changes=False)
    return Step("ledger", {"moves": len(plan.moves)})


def _standing(world: World) -> str:
    if not world.head:
        return f"{world.path} has no commit yet: commit its files first"
    if world.operation:
        return f"a {world.operation} is in progress in {world.path}: finish or abort it first"
    if not world.branch:
        return f"{world.path} is on a detached HEAD: switch to a branch first"
    return ""


def _gate(plan: Plan, wanted: Wanted) -> str:
    if plan.faults:
        return f"{'; '.join(plan.faults)}: change repository_rules"
    if plan.root_after >= wanted.root_limit:
        return (
            f"{plan.root_after} files would remain in the root and repository_root_limit asks for fewer than"
            f" {wanted.root_limit}: add to repository_rules, or raise the limit ({few(plan.remaining)})"
        )
    return ""


def _clean(world: World, wanted: Wanted) -> str:
    if world.staged:
        return f"changes are staged in {world.path}: commit or unstage them first ({few(world.staged)})"
    if world.dirty and not wanted.allow_dirty:
        return (
            f"{world.path} has changes that are not committed: commit them, or set repository_allow_dirty"
            f" ({few(world.dirty)})"
        )
    return ""


def _branch_free(world: World, wanted: Wanted) -> str:
    if world.branch == wanted.branch or world.branch_head in ("", world.head):
        return ""
    return f"the branch {wanted.branch} exists with other commits: switch to it, or name another repository_branch"


def _interrupted(world: World, ledger: Ledger) -> Refused | None:
    """What a person did to the repository between a run that was cut off and this one."""
    if world.operation:
        return Refused(f"a {world.operation} is in progress in {world.path}: finish or abort it first")
    places = [ledger.opened["branch"]] + ([ledger.opened["came_from"]] if ledger.rollback else [])
    if world.branch not in places:
        return Refused(f"an archive run is open: switch back to its branch {ledger.opened['branch']} and run again")
    if not world.committed and world.head != ledger.opened["base"]:
        return Refused(
            f"an archive run is open and {world.branch} has moved on from {ledger.opened['base']}: go back to that commit"
        )
    if world.lost and not world.committed:
        backup = ledger.opened["backup"]["path"]
        return Refused(
            f"files of an open archive run are missing or doubled, mend them from {backup}: {few(world.lost)}"
        )
    return None


def _go_on(world: World, ledger: Ledger) -> Decision:
    if world.committed:
        return Step("close")
    moves = by_category(ledger.moves, world.arrived, there=False)
    if moves:
        category = next(iter(moves))
        return Step(f"move {category}", {"category": category, "files": len(moves[category])})
    if not world.indexed:
        return Step("stage", {"files": len(ledger.moves)})
    return Step("commit")


def _go_back(world: World, ledger: Ledger) -> Decision:
    if world.indexed:
        return Step("unstage", {"files": len(ledger.moves)})
    moves = by_category(ledger.moves, world.arrived, there=True)
    if moves:
        category = next(reversed(list(moves)))
        return Step(f"return {category}", {"category": category, "files": len(moves[category])})
    return Step("abandon", {"reason": ledger.rollback})


def by_category(moves: t.Sequence[Move], arrived: t.Sequence[bool], there: bool) -> dict[str, list[Move]]:
    """The moves whose file is at its destination (O(there)) or still at its source, by category in order."""
    found: dict[str, list[Move]] = {}
    for move, here in zip(moves, arrived):
        if here == there:
            found.setdefault(move.category, []).append(move)
    return found


def simulate(world: World, step: Step, wanted: Wanted) -> World:
    """The world as it would be after a step."""
    ledger = world.ledger
    if step.name == "branch":
        return replace(world, branch=wanted.branch, branch_head=world.head)
    if step.name == "backup":
        return replace(world, backup=Backup("(the backup)", {}, {}))
    if step.name == "verify" and world.backup is not None:
        return replace(world, backup=replace(world.backup, verified={"members": 0}))
    if step.name == "ledger":
        moves = t.cast(Plan, world.plan).moves
        opened = {"branch": wanted.branch, "base": world.head, "came_from": world.branch}
        return replace(world, ledger=Ledger(opened, moves), arrived=(False,) * len(moves))
    if ledger is None:
        return world
    if step.name == "unlock":
        return replace(world, index_lock="")
    if "category" in step.data:
        back = step.name.startswith("return ")
        here = [
            (not back) if move.category == step.data["category"] else was
            for move, was in zip(ledger.moves, world.arrived)
        ]
        return replace(world, arrived=tuple(here))
    if step.name in ("stage", "unstage"):
        return replace(world, indexed=step.name == "stage")
    if step.name == "commit":
        return replace(world, committed=True)
    plan = Plan((), {}, 0, (), ())
    return replace(world, ledger=replace(ledger, closed={"outcome": step.name}), plan=plan, staged=(), dirty=())
